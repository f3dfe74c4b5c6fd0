"""Histories and scenarios through the same engine, in memory."""
