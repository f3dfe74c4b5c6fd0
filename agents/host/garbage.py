"""The garbage collector of a process that works through many events."""

import gc

_YOUNG_OBJECTS = 50_000
"""New objects that stay before the collector looks at them: those of several batches."""


def settle_garbage() -> None:
    """What is there by now stays, and what a batch makes is freed by counting references: there is
    little for the collector to find, and much to look at, as so many records are held."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 50)
