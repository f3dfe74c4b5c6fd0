"""YAML and types to models, or problems with a place."""
