"""Settings of Python's garbage collector for a process that works through many events."""

import gc

_YOUNG_OBJECTS = 50_000
"""Surviving new objects before a collection starts: about those of several batches."""


def settle_garbage() -> None:
    """Excludes all present objects from collection and makes collections rare.

    What a batch makes is freed by reference counts; a collection finds little, and has to traverse
    the many records that are held.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 50)
