"""The types of sources, one file or folder each: where records come from that become events."""
