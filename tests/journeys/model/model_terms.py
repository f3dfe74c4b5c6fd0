"""The words of the model: what an expression reads and gives, and what is reported, sent and kept.

Law: nothing of the engine is used here. Times are ms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import log
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Document = dict[str, Any]
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
DAY = 24 * HOUR
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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
    times: Mapping[str, list[int]] = field(default_factory=dict)
    """When the user's events came, by their names."""

    before: dict[str, Any] = field(default_factory=dict)
    """The traits before the event."""

    def count(self, event: str, window: int) -> int:
        return sum(self.now - window < time <= self.now for time in self.times.get(event, []))


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


def expressions(part: Any) -> Iterator[Cel]:
    """All that are written in a part of a document."""
    if isinstance(part, Cel):
        yield part
    elif isinstance(part, Joined):
        yield part.hole
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from expressions(inner)


def iso(ms: int) -> str:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key_text(value: Any) -> str | None:
    """Texts as they are, integers in decimal, true and false; anything else is not a key."""
    if value is True or value is False:
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def rendered(data: Any, see: See, *, in_url: bool = False) -> Any:
    if isinstance(data, Cel):
        return data.value(see)
    if isinstance(data, Joined):
        value = data.hole.value(see)
        text = f"{value:g}" if isinstance(value, float) else key_text(value)
        if text is None:
            raise Failed(data.hole.text)
        return data.before + (quote(text, safe="") if in_url else text)
    if isinstance(data, dict):
        return {name: rendered(value, see) for name, value in data.items()}
    return data


def variant_of(salt: str, user: str, weights: Mapping[str, float]) -> str:
    """The variant with the largest -weight / ln(u); u from 53 bits of a hash of the three texts."""

    def score(name: str) -> float:
        digest = blake2b("\0".join((salt, user, name)).encode(), digest_size=8).hexdigest()
        return -weights[name] / log((int(digest, 16) // 2**11 + 0.5) / 2**53)

    return max((name for name in weights if weights[name] > 0), key=score)


def share_of(instance: str, spread: int) -> int:
    """When, of the `spread` (ms) after a resume, an instance goes on."""
    return int(blake2b(instance.encode(), digest_size=8).hexdigest(), 16) % spread


NAMESPACE = UUID("6f1d2c1e-4b53-5d0c-9a57-0c9f1c0c5b7e")


def instance_id(journey: str, user: str, key: str | None, message: str) -> str:
    keyed = "" if key is None else f"{len(key)}={key}"
    return str(uuid5(NAMESPACE, "\0".join(("instance", journey, user, keyed, message))))


def branch_id(parent: str, visit: int, branch: str) -> str:
    return str(uuid5(NAMESPACE, "\0".join(("branch", parent, str(visit), branch))))


def action_id(instance: str, node: str, visit: int) -> str:
    return str(uuid5(NAMESPACE, "\0".join(("action", instance, node, str(visit)))))


def next_local(now: int, time: str, weekdays: Collection[str], zone: str) -> int:
    """Strictly after `now`, the first time that a clock of the zone shows `time` on such a day."""
    clock = ZoneInfo(zone)
    hours, minutes = map(int, time.split(":"))
    today = datetime.fromtimestamp(now / 1000, clock).date()
    for day in (today + timedelta(days=count) for count in range(-1, 10)):
        # What the clock skips has here the offset before the gap; what it repeats is the first.
        there = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=clock)
        found = round(there.timestamp() * 1000)
        if found > now and DAYS[day.weekday()] in weekdays:
            return found
    raise AssertionError("no such day in a week")


def in_window(now: int, window: Sequence[str], weekdays: Collection[str], zone: str) -> int:
    """The first millisecond from `now` on at which a window is open: looked for at every moment at
    which one opens or closes."""
    clock = ZoneInfo(zone)
    today = datetime.fromtimestamp(now / 1000, clock).date()
    times = [tuple(map(int, time.split(":"))) for time in window]
    spans = []
    for day in (today + timedelta(days=count) for count in range(-2, 16)):
        if DAYS[day.weekday()] in weekdays:
            last = day + timedelta(days=1) if times[1] <= times[0] else day
            opens, closes = (
                round(datetime(on.year, on.month, on.day, *at, tzinfo=clock).timestamp() * 1000)
                for on, at in ((day, times[0]), (last, times[1]))
            )
            spans.append((opens, closes))
    moments = [now, *(opens for opens, _ in spans if opens > now)]
    return min(one for one in moments if any(start <= one < end for start, end in spans))


def is_zone(name: Any) -> bool:
    try:
        return isinstance(name, str) and bool(ZoneInfo(name))
    except ZoneInfoNotFoundError:
        return False


class Told(NamedTuple):
    """An outcome, as far as it has a meaning."""

    type: str
    at: str
    user: str
    journey: str
    version: int
    instance: str | None
    key: str | None
    node: str | None
    cause: tuple[int | None, str | None, str | None]
    """The input's offset, when the timer was due, and when it fired where that was late."""
    detail: dict[str, Any]


class Sent(NamedTuple):
    """An action."""

    id: str
    at: str
    user: str
    journey: str
    version: int
    instance: str
    key: str | None
    node: str
    destination: str
    payload: Any
    trigger: dict[str, Any] | None
    """The request for the response, if the node makes one."""


class Held(NamedTuple):
    """How an instance goes on that a pause has kept from it."""

    answered: bool
    """It goes on to `to`, with `event` in sight; else its timer decides."""
    to: str | None = None
    event: dict[str, Any] | None = None


@dataclass(eq=False)
class Instance:
    """A user's way through a journey; `goal` is that of the version it entered with, `entered`."""

    id: str
    journey: Document
    version: int
    key: str | None
    entry: dict[str, Any]
    started: int
    entered: int
    goal: Document | None
    node: str | None = None
    visit: int = 0
    due: int | None = None
    fire_at: int | None = None
    reached: int | None = None
    """When it came to its node, if that is a delay that follows its trait."""
    steps: dict[str, Any] = field(default_factory=dict)
    attr: dict[str, Any] = field(default_factory=dict)
    held: Held | None = None
    mute: bool = False
    ended: bool = False
    parent: Instance | None = None
    branch: str | None = None
    at: str | None = None
    began: int = 0
    """Of a branch: whose it is, its name, its parallel node, and that one's visit of it."""
    own: set[tuple[str, str]] = field(default_factory=set)
    """What a branch captured and set itself."""
    joined: bool = False
    starting: bool = False
    """Its branches are about to make their first steps."""
    turn: int | None = None
    """While a pause ends: when it would have gone on without the pause."""
    opened: bool = False
    """A digest of what enters was reached, by itself or by a branch of it (false in branches)."""

    @property
    def name(self) -> str:
        name: str = self.journey["name"]
        return name


@dataclass
class User:
    id: str
    traits: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, int]] = field(default_factory=list)
    live: list[Instance] = field(default_factory=list)
    goals: list[Instance] = field(default_factory=list)
    """Whose goal is still watched."""
    entered: set[str] = field(default_factory=set)
    last_end: dict[str, int] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=dict)


class Moment(NamedTuple):
    """One step: its event and when that arrived (None in a clock's step), and its cause."""

    event: dict[str, Any] | None
    arrival: int | None
    now: int
    cause: tuple[int | None, str | None, str | None]
    hops: int = 0
    """How many emitted events led to this one."""
    changed: tuple[str, ...] = ()
    """The traits that the event has changed."""
    before: dict[str, Any] | None = None
    """All traits before it has."""
    after: dict[str, Any] | None = None
    """All traits right after it has."""
    nameless: bool = False
    """It is nothing but these changes."""

    def is_change_for(self, parts: Iterable[Document]) -> bool:
        """Whether it is a change that one of the parts listens to."""
        return any(part.get("changes") in self.changed for part in parts)

    def is_heard(self, part: Document) -> bool:
        """Whether a part of a document listens to the event, or to a change that it made."""
        if "changes" in part:
            return part["changes"] in self.changed
        assert self.event is not None
        return not self.nameless and part.get("event") == self.event["event"]
