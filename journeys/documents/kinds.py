"""The kinds of documents: one file and one line each."""

from __future__ import annotations

from collections.abc import Sequence

from journeys.documents.destination import Destination, DestinationKind
from journeys.documents.journey import JourneyKind
from journeys.documents.kind import Kinds
from journeys.documents.lifecycle import LifecycleKind


def kinds(destination_types: Sequence[type[Destination]], examples: Sequence[str] = ()) -> Kinds:
    """The kinds of a program.

    Args:
        destination_types: the model of each type of destination that the program can call.
        examples: of destinations, for the conformance suite.
    """
    return Kinds(
        [
            JourneyKind(),
            DestinationKind(destination_types, examples),
            LifecycleKind(),
        ]
    )
