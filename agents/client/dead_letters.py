"""Dead letters and what became of them, as `journeys.dead` holds both.

Law: a letter is never changed. That it was put back or set aside for good is a record of its own, a
mark, behind it in its partition; the last of both is what holds. So whoever has read the topic to
its end knows which letters are open, and nothing else needs to be kept.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import msgspec
from confluent_kafka import Message

from agents.errors import UserError
from agents.kafka.topics import DEAD, EVENTS, actions
from journeys.problems import nearest
from journeys.records.dead_letter import DeadLetter
from journeys.time import format_time

KIND_HEADER = "journeys-record"
ORIGIN_HEADER = "journeys-origin"
MARK = b"dead-mark"
_LEAST_OF_ID = 4

Status = Literal["open", "replayed", "discarded"]


class DeadMark(msgspec.Struct, frozen=True):
    """What became of a dead letter, and when."""

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
    """What the values of inputs are known by, whatever they are: actions, events, responses."""

    action_id: Any = None
    user_id: Any = None
    userId: Any = None
    anonymousId: Any = None
    journey: Any = None
    event: Any = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. partition, offset, at (ms): where and when `journeys.dead` took it."""

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
        return None if self.record.key is None else _data(self.record.key, self.record.key_encoding)

    @property
    def value(self) -> bytes:
        return _data(self.record.value, self.record.value_encoding)

    @property
    def destination(self) -> str | None:
        topic = self.record.cause.topic or ""
        return topic.removeprefix(actions("")) if topic.startswith(actions("")) else None

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
        """The letter as it is, and what it is known by."""
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
    """Which letters are meant; None: any. since, until: ms, of when they were set aside."""

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
        if any(wanted is not None and wanted != one for wanted, one in found):
            return False
        # These two need a look into the value.
        if self.journey is not None and self.journey != letter.journey:
            return False
        return self.user is None or self.user == letter.user


class Letters:
    """All letters of the topic, each with what holds of it."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._letters: dict[str, Letter] = {}
        for message in messages:
            self.read(message)

    def read(self, message: Message) -> None:
        """The next record of its partition. What is neither letter nor mark is passed over."""
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
        """Those that fit, the newest last; closed: also those that are open no more."""
        found = [
            letter
            for letter in self._letters.values()
            if (closed or letter.status == "open") and wanted.fits(letter)
        ]
        return sorted(found, key=lambda one: (one.at, one.partition, one.offset))

    def by_id(self, given: str) -> Letter:
        """The letter with this id, or with an id that begins so. Raises UserError."""
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
    """The record as it stood in its log, to be written there again. Raises UserError.

    An event without a messageId is known by its place in the log; it takes the first one along, so
    that it stays the same event.
    """
    cause, headers = letter.record.cause, dict(letter.record.headers or {})
    if cause.partition is None or not (cause.topic == EVENTS or letter.destination):
        raise UserError(f"{letter.id} is no input of {EVENTS} or of {actions('*')}.")
    assert cause.topic is not None
    if cause.topic == EVENTS:
        headers.setdefault(ORIGIN_HEADER, f"{cause.topic}-{cause.partition}-{cause.offset}")
    sent = [(name, text.encode()) for name, text in headers.items()]
    return Record(cause.topic, cause.partition, letter.key, letter.value, sent)


def mark_of(letter: Letter, mark: Status, at: int) -> Record:
    """The mark of a letter. at: ms."""
    value = msgspec.json.encode(DeadMark(letter.id, mark, format_time(at)))
    return Record(DEAD, letter.partition, letter.id.encode(), value, [(KIND_HEADER, MARK)])


def is_mark(message: Message) -> bool:
    """Whether a record of `journeys.dead` is a mark and no letter."""
    return (KIND_HEADER, MARK) in (message.headers() or ())


_letter = msgspec.json.Decoder(DeadLetter).decode
_mark = msgspec.json.Decoder(DeadMark).decode
_parts = msgspec.json.Decoder(_Value).decode


def _value(letter: Letter) -> _Value:
    try:
        return _parts(letter.value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Value()


def _data(text: str, encoding: str | None) -> bytes:
    return base64.b64decode(text) if encoding == "base64" else text.encode()
