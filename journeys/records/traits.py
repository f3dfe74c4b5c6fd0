"""A user's profile: merging new traits into it and reporting which ones changed.

Law: traits merge shallowly, in the order in which they arrive, and null removes a trait. What an
event only fills never replaces a trait, and null fills nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from journeys.records.event import Event
from journeys.records.outcome import MAX_SHOWN

MOST_NAMES = 100
"""Most trait names that one `profile.changed` outcome lists, within MAX_SHOWN bytes; it only counts
the others."""
LONGEST_NAME = 256
"""Characters of a trait's name that the outcome shows."""


def merge(traits: dict[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Merge new traits into a profile.

    Returns:
        the merged profile, and the names of the traits whose values changed. The profile is the
        same object when nothing changed.
    """
    different = [name for name, value in new.items() if not _same(traits.get(name), value)]
    if not different:
        return traits, different
    merged = {**traits, **new}
    return {name: value for name, value in merged.items() if value is not None}, different


def traits_of(event: Event, profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """The traits that an event merges into a profile: `traits`, then `traits_once`.

    `traits_once`, and the `traits` of a `backfill`, fill only what the profile doesn't have. A
    trait that `traits` removes is absent for `traits_once`.
    """
    wire = event.wire
    traits: Mapping[str, Any] = wire.traits or {}
    if wire.backfill is True:
        traits = _absent(traits, profile)
    if not wire.traits_once:
        return traits
    return {**traits, **_absent(wire.traits_once, {**profile, **traits})}


def _absent(new: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The new traits that have a value, and none in `known`."""
    return {
        name: value for name, value in new.items() if value is not None and known.get(name) is None
    }


def changed_names(changed: Iterable[str]) -> dict[str, Any]:
    """The detail of `profile.changed`: names and no values, which may be private or large."""
    names = list(changed)
    listed: list[str] = []
    left = MAX_SHOWN
    for name in names[:MOST_NAMES]:
        short = name[:LONGEST_NAME]
        left -= len(short.encode())
        if left < 0:
            break
        listed.append(short)
    detail: dict[str, Any] = {"traits": listed}
    if len(names) > len(listed):
        detail["more"] = len(names) - len(listed)
    return detail


_encode = msgspec.json.Encoder(order="deterministic").encode


def _same(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        return False  # 1, 1.0 and true are equal in Python
    if isinstance(old, dict | list):
        # The order of the names in a mapping is no part of its value.
        return old == new and _encode(old) == _encode(new)
    return bool(old == new)
