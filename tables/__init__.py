"""Stored state.

The keyed store: one record per key, its codec, the due-time index derived from the records, and the
recovery of both from the changelog. The records are the source of truth; everything else in the
store can be rebuilt from them.
"""
