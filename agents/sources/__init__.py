"""The types of sources, one file or folder each, whose records become events."""
