"""The profile: what is known of a user, and how what is new is laid over it.

Law: traits merge shallowly, in the order in which they come, and null removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

MOST_NAMES = 100
"""Names of traits that one outcome tells, and the characters of each that it shows below."""
LONGEST_NAME = 256


def merge(traits: dict[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The profile with new traits, and the names of those that are different now."""
    changed = [name for name, value in new.items() if not _same(traits.get(name), value)]
    if not changed:
        return traits, changed
    merged = {**traits, **new}
    return {name: value for name, value in merged.items() if value is not None}, changed


def changed_names(changed: Iterable[str]) -> dict[str, Any]:
    """The detail of `profile.changed`: names and no values, which may be private or large."""
    names = list(changed)
    detail: dict[str, Any] = {"traits": [name[:LONGEST_NAME] for name in names[:MOST_NAMES]]}
    if len(names) > MOST_NAMES:
        detail["more"] = len(names) - MOST_NAMES
    return detail


def _same(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        return False  # 1, 1.0 and true are equal in Python
    if isinstance(old, dict | list):
        return old == new and msgspec.json.encode(old) == msgspec.json.encode(new)
    return bool(old == new)
