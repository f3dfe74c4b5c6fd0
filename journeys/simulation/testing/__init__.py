"""Journey tests: their format, running them, and comparing expectations with results."""
