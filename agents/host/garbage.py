"""Settings of Python's garbage collector for a process that works through many events."""

import gc

_YOUNG_OBJECTS = 50_000
"""New objects that survive before a collection starts: about those of several batches."""


def settle_garbage() -> None:
    """Excludes all present objects from collection and makes collections rare.

    The objects of a batch are freed by reference counts; a collection finds little garbage, but has
    to traverse the many cached records.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 50)
