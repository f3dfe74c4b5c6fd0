"""Dead letters and their status, both kept in `journeys.dead`.

Law: a letter is never changed. Replaying or discarding it writes a mark, a separate record, after
it to the same partition; the last record of a letter and its marks determines the status. So
reading the topic to its end shows which letters are open, and nothing else needs to be stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import msgspec
from confluent_kafka import Message

from agents.errors import UserError
from agents.kafka.topics import DEAD, EVENTS, actions, logical, physical
from agents.runtime.signatures import Signatures
from journeys.problems import nearest
from journeys.records import headers
from journeys.records.dead_letter import DeadLetter
from journeys.records.installation import topic_of
from journeys.time import format_time

_LEAST_OF_ID = 4  # characters
_MARK_HEADERS = headers.build("dead-mark")

Status = Literal["open", "replayed", "discarded"]


class DeadMark(msgspec.Struct, frozen=True):
    """The new status of a dead letter, and since when."""

    dead_id: str
    mark: Status
    at: str


class Record(NamedTuple):
    """A record to be written."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class _Value(msgspec.Struct):
    """The fields of actions, events and responses by which letters are selected."""

    action_id: Any = None
    user_id: Any = None
    userId: Any = None
    anonymousId: Any = None
    journey: Any = None
    event: Any = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and its status.

    Attributes:
        partition, offset: its position in `journeys.dead`.
        at: when it was written there, ms.
    """

    record: DeadLetter
    partition: int
    offset: int
    at: int
    status: Status = "open"

    @property
    def id(self) -> str:
        return self.record.dead_id

    @property
    def key(self) -> bytes | None:
        return self.record.key_bytes()

    @property
    def value(self) -> bytes:
        return self.record.value_bytes()

    @property
    def destination(self) -> str | None:
        topic = topic_of(self.record.cause.topic or "")
        prefix = logical(actions(""))
        return topic.removeprefix(prefix) if topic.startswith(prefix) else None

    @property
    def user(self) -> str | None:
        value = _value(self)
        names = (value.user_id, value.userId, value.anonymousId, self.record.key)
        return next((name for name in names if isinstance(name, str)), None)

    @property
    def journey(self) -> str | None:
        journey = _value(self).journey
        return journey if isinstance(journey, str) else None

    @property
    def event(self) -> str | None:
        event = _value(self).event
        return event if isinstance(event, str) else None

    def as_json(self) -> dict[str, Any]:
        """The record, its status, and the user."""
        return {
            **msgspec.to_builtins(self.record),
            "status": self.status,
            "set_aside_at": format_time(self.at),
            "destination": self.destination,
            "journey": self.journey,
            "user": self.user,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are selected; None: any.

    Attributes:
        since, until: when they were written, ms; `until` itself is excluded.
    """

    role: str | None = None
    reason: str | None = None
    destination: str | None = None
    journey: str | None = None
    user: str | None = None
    since: int | None = None
    until: int | None = None

    def fits(self, letter: Letter) -> bool:
        if self.since is not None and letter.at < self.since:
            return False
        if self.until is not None and letter.at >= self.until:
            return False
        found = (
            (self.role, letter.record.role),
            (self.reason, letter.record.reason),
            (self.destination, letter.destination),
        )
        if any(wanted is not None and wanted != actual for wanted, actual in found):
            return False
        # These two need to decode the value; the others don't.
        if self.journey is not None and self.journey != letter.journey:
            return False
        return self.user is None or self.user == letter.user


class Letters:
    """All letters of the topic, each with its status."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._letters: dict[str, Letter] = {}
        for message in messages:
            self.read(message)

    def read(self, message: Message) -> None:
        """Applies the next record of its partition. Anything but letters and marks is ignored."""
        value = message.value() or b""
        try:
            if is_mark(message):
                mark = _mark(value)
                if (letter := self._letters.get(mark.dead_id)) is not None:
                    self._letters[mark.dead_id] = replace(letter, status=mark.mark)
                return
            record = _letter(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        letter = Letter(record, message.partition(), message.offset(), message.timestamp()[1])
        self._letters[record.dead_id] = letter

    def fitting(self, wanted: Filter, *, closed: bool = False) -> list[Letter]:
        """The letters that match, the newest last; with `closed` also those that aren't open."""
        found = [
            letter
            for letter in self._letters.values()
            if (closed or letter.status == "open") and wanted.fits(letter)
        ]
        return sorted(found, key=lambda letter: (letter.at, letter.partition, letter.offset))

    def by_id(self, given: str) -> Letter:
        """The letter with this id, or the only one whose id begins with it. Raises UserError."""
        if (letter := self._letters.get(given.lower())) is not None:
            return letter
        found = [id for id in self._letters if id.startswith(given.lower())]
        if len(found) == 1 and len(given) >= _LEAST_OF_ID:
            return self._letters[found[0]]
        if found:
            which = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
            raise UserError(f"{given!r} is too short for one dead letter: {which}")
        close = nearest(given, self._letters)
        hint = f"did you mean {close}?" if close else "`journeys dead list --all` shows all."
        raise UserError(f"There is no dead letter {given!r}: {hint}")


def original(letter: Letter) -> Record:
    """The record as it was in its log, to be written there again.

    An event without a messageId is identified by its position in the log. The header
    `journeys-origin` carries its first position, so that it stays the same event.

    Raises:
        UserError: the letter is neither an input of `journeys.events` nor an action.
    """
    cause = letter.record.cause
    topic = topic_of(cause.topic or "")
    is_event = topic == logical(EVENTS)
    if cause.partition is None or not (is_event or letter.destination):
        raise UserError(f"{letter.id} is not an input of {EVENTS} or of {actions('*')}.")
    place = f"{cause.topic}-{cause.partition}-{cause.offset}" if is_event else None
    kept = headers.from_texts(letter.record.headers, default_origin=place)
    return Record(physical(topic), cause.partition, letter.key, letter.value, kept)


def signed(record: Record, signatures: Signatures, now: int) -> Record:
    """The record with a new signature, if it is one of the engine's own. `now` is in ms."""
    headers = signatures.sign(record.partition, record.key, record.value, record.headers, now)
    return record._replace(headers=headers)


def mark_of(letter: Letter, mark: Status, at: int) -> Record:
    """The record that gives a letter a new status. `at` is in ms."""
    value = msgspec.json.encode(DeadMark(letter.id, mark, format_time(at)))
    return Record(DEAD, letter.partition, letter.id.encode(), value, _MARK_HEADERS)


def is_mark(message: Message) -> bool:
    """Whether a record of `journeys.dead` is a mark and not a letter."""
    return _MARK_HEADERS[0] in (message.headers() or ())


_letter = msgspec.json.Decoder(DeadLetter).decode
_mark = msgspec.json.Decoder(DeadMark).decode
_parts = msgspec.json.Decoder(_Value).decode


def _value(letter: Letter) -> _Value:
    try:
        return _parts(letter.value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Value()
