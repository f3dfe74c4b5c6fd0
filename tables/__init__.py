"""What is kept.

The keyed store: one record per key, its codec, the due-time index derived from the records, and the
recovery of both from the changelog. The record is the unit of truth; all else in the store can be
rebuilt from it.
"""
