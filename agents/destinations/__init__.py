"""The types of destinations, one file or folder each, and what they share."""
