"""Journeys and events that ask for more than there is: of memory, of time, of room in a record.

Each document may be refused when it is pushed; where it is not, its events may become dead letters.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.torture.strangers import STRANGER

_MB = 1024 * 1024
_GIANT = 900_000  # bytes: an event may have one MB


def _doubled(depth: int) -> str:
    """A list that is twice as long at each level."""
    inner = "true"
    for level in range(depth, 0, -1):
        inner = f"[l{level - 1} + l{level - 1}].exists(l{level}, {inner})"
    return f"[event.properties.tags].exists(l0, {inner})"


def _texts(depth: int) -> str:
    """The same with a text."""
    inner = "size(t0) > 0"
    for level in range(depth, 0, -1):
        inner = f"[t{level - 1} + t{level - 1}].exists(t{level}, {inner})"
    return f"[event.properties.text].exists(t0, {inner})"


_EXPRESSIONS = {
    "doubled-lists": _doubled(12),
    "doubled-texts": _texts(12),
    "written-lists": "[" + ", ".join(["event.properties.text + event.properties.text"] * 50) + "]"
    ".exists(t, size(t) == 1)",
    "quadratic-contains": "event.properties.tags.exists(t, event.properties.text.contains(t))",
    "quadratic-pairs": "event.properties.tags.exists(a, "
    "event.properties.tags.exists(b, a != b && event.properties.text.contains(a + b)))",
    "patterns": r"event.properties.tags.exists(t, event.properties.text.matches('(a|a)*' + t))",
    "one-pattern": r"event.properties.tags.exists(t, t.matches('^(([a-z])+.)+[A-Z]([a-z])+$'))",
    "mapped": "event.properties.tags.map(a, event.properties.tags.map(b, a + b)).size() > 0",
}


def _journey(name: str, where: str) -> str:
    document = {
        "kind": "Journey",
        "name": f"hostile-{name}",
        "entry": {"event": "hostile", "where": where},
        "nodes": {"n": {"type": "exit"}},
    }
    return json.dumps(document)  # which is YAML as well


DOCUMENTS = {
    **{name: _journey(name, where) for name, where in _EXPRESSIONS.items()},
    "many-timers": json.dumps(
        {
            "kind": "Journey",
            "name": "hostile-timers",
            "entry": {"event": "hostile", "key": "event.properties.key"},
            "nodes": {
                "wait": {"type": "delay", "for": "3s", "next": "keep"},
                "keep": {
                    "type": "update_profile",
                    "traits": {"last": "${entry.properties.text}"},
                    "next": "wait-again",
                },
                "wait-again": {"type": "delay", "for": "1s", "next": "end"},
                "end": {"type": "exit"},
            },
        }
    ),
}
"""By what is hostile in it; each is pushed by itself."""


def events(chance: random.Random) -> Iterator[tuple[bytes, bytes]]:
    """Values and keys of some, of which each is as large as it may be, or larger."""
    user = f"{STRANGER}{chance.randrange(5)}"
    unique = str(chance.random())
    tags = [f"z{number}" for number in range(50_000)]
    giants: list[dict[str, Any]] = [
        {"text": "a" * (_GIANT // 2), "tags": tags, "key": unique},
        {"text": "ab" * 100_000, "tags": ["x" * 10] * 30_000, "key": unique},
        {"text": "a", "tags": [], "key": unique * 20_000},
        {"text": "a" * 200_000, "tags": ["a" * 1_000] * 500, "key": unique},
        {"text": "\0" * 100_000, "tags": [[[]]] * 1_000, "key": unique},
    ]
    for number, properties in enumerate(giants):
        event = {"event": "hostile", "userId": user, "messageId": f"h{unique}-{number}"}
        yield _encode(event | {"properties": properties}), user.encode()
    large: dict[str, Any] = {
        "event": "hostile",
        "properties": {"text": "a", "tags": [], "key": "k"},
    }
    yield _encode(large | {"userId": user, "messageId": "h" * _GIANT}), user.encode()
    yield _encode(large | {"userId": user + "x" * _GIANT}), user.encode()
    yield _encode(large | {"userId": user}), (user + "x" * _GIANT).encode()
    yield _encode(large | {"userId": user, "more": "x" * 2 * _MB}), user.encode()
    for number in range(40):
        properties = {"text": "a" * 100_000, "tags": [], "key": f"{unique}-{number}"}
        yield _encode(large | {"userId": user, "properties": properties}), user.encode()


def _encode(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()
