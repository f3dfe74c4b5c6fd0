"""Reads YAML and validates it against models; every problem has a line and a column."""
