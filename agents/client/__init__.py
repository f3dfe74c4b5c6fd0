"""Clients of a running engine: pushes, events, dead letters and the catalog."""
