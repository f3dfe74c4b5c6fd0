"""What a journey can listen for: an event by its name, an identify call, or the change of a trait.

Law: every signal has one text, and no event's name is the text of a trait's change. So one index by
signal serves entries, exits, goals and waits alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import model_validator

from journeys.schema.fields import Condition, EventName, Model, TraitName

_CHANGE = chr(0xD800)
"""Begins the signal of a trait's change: half a character, which no admitted text contains."""

ANY_CHANGE = _CHANGE
"""The signal of a change of any trait."""


def change_of(trait: str) -> str:
    """The signal of a change of the trait."""
    return _CHANGE + trait


def trait_of(signal: str) -> str | None:
    """The trait whose change the signal is; None for an event."""
    return signal[1:] if signal[:1] == _CHANGE else None


def signal_in_words(signal: str) -> str:
    """The signal as people read it: an event's name, or `a change of plan`."""
    trait = trait_of(signal)
    if trait is None:
        return signal
    return f"a change of {trait or 'any trait'}"


def changes_among(changed: Iterable[str], listened: frozenset[str]) -> tuple[str, ...]:
    """The signals of changed traits that somebody listens to.

    Args:
        changed: names of traits.
        listened: signals of changes.
    """
    found = [signal for signal in map(change_of, changed) if signal in listened]
    if found or ANY_CHANGE in listened:
        found.append(ANY_CHANGE)
    return tuple(found)


class Signal(Model):
    """An event by its name, or the change of a trait."""

    event: EventName | None = None
    """The event's name, as producers send it; `identify` for identify calls without a name."""
    changes: TraitName | None = None
    """The trait whose change counts: set for the first time, set to another value, or removed."""
    where: Condition | None = None
    """A condition on the event, or on the change: `before.<trait>` is the value before it."""

    @model_validator(mode="after")
    def _one_signal(self) -> Self:
        if (self.event is None) == (self.changes is None):
            raise ValueError("expected either 'event' or 'changes', and not both")
        return self

    @property
    def signal(self) -> str:
        """The text by which it is indexed."""
        return self.event if self.event is not None else change_of(self.changes or "")
