"""Tests of journeys: what their authors write, what is expected, and how they are run."""
