"""The words of the model: what an expression sees and gives, and what is told, sent and kept.

Law: nothing of the engine is used here. Times are ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import log
from typing import Any, NamedTuple


class Failed(Exception):
    """An expression has no value."""


@dataclass(frozen=True)
class See:
    """What an expression sees. Events are dicts of their wire names, with `timestamp` in ms."""

    event: dict[str, Any] | None
    entry: dict[str, Any]
    user: dict[str, Any]
    key: str | None
    now: int
    steps: dict[str, Any] = field(default_factory=dict)
    attr: dict[str, Any] = field(default_factory=dict)


class Cel(NamedTuple):
    """An expression: its text, and what it means."""

    text: str
    meaning: Callable[[See], Any]

    def __repr__(self) -> str:
        return f"Cel({self.text!r})"

    def value(self, see: See) -> Any:
        try:
            return self.meaning(see)
        except (KeyError, TypeError):
            raise Failed(self.text) from None

    def holds(self, see: See) -> bool:
        value = self.value(see)
        if value is not True and value is not False:
            raise Failed(self.text)
        return value


class Joined(NamedTuple):
    """A text with an expression in it."""

    before: str
    hole: Cel


def iso(ms: int) -> str:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key_text(value: Any) -> str | None:
    """Texts as they are, integers in decimal, true and false; anything else is no key."""
    if value is True or value is False:
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def rendered(data: Any, see: See) -> Any:
    if isinstance(data, Cel):
        return data.value(see)
    if isinstance(data, Joined):
        value = data.hole.value(see)
        text = f"{value:g}" if isinstance(value, float) else key_text(value)
        if text is None:
            raise Failed(data.hole.text)
        return data.before + text
    if isinstance(data, dict):
        return {name: rendered(value, see) for name, value in data.items()}
    return data


def variant_of(salt: str, user: str, weights: Mapping[str, float]) -> str:
    """The variant with the largest -weight / ln(u); u from 53 bits of a hash of the three texts."""

    def score(name: str) -> float:
        digest = blake2b("\0".join((salt, user, name)).encode(), digest_size=8).hexdigest()
        return -weights[name] / log((int(digest, 16) // 2**11 + 0.5) / 2**53)

    return max((name for name in weights if weights[name] > 0), key=score)


class Told(NamedTuple):
    """An outcome, as far as it has a meaning."""

    type: str
    at: str
    user: str
    journey: str
    version: int
    instance: tuple[str, str] | None
    """The journey, and the messageId of the event that started the instance."""
    key: str | None
    node: str | None
    cause: tuple[int | None, str | None, str | None]
    """The input's offset, when the timer was due, and when it fired where that was late."""
    detail: dict[str, Any]


class Sent(NamedTuple):
    """An action."""

    at: str
    user: str
    instance: tuple[str, str]
    key: str | None
    node: str
    destination: str
    payload: Any


@dataclass(eq=False)
class Instance:
    journey: dict[str, Any]
    version: int
    key: str | None
    entry: dict[str, Any]
    node: str | None = None
    due: int | None = None
    fire_at: int | None = None
    steps: dict[str, Any] = field(default_factory=dict)
    attr: dict[str, Any] = field(default_factory=dict)
    ended: bool = False

    @property
    def id(self) -> tuple[str, str]:
        return self.journey["name"], self.entry["messageId"]


@dataclass
class User:
    id: str
    traits: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, int]] = field(default_factory=list)
    live: list[Instance] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)
    last_end: dict[str, int] = field(default_factory=dict)


class Moment(NamedTuple):
    """One step: its event and when that arrived (None in a clock's step), and its cause."""

    event: dict[str, Any] | None
    arrival: int | None
    now: int
    cause: tuple[int | None, str | None, str | None]
