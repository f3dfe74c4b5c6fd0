"""Limits times in a history that are ahead of the records around them, as production does with the
arrival time.

Law: a history in the order of its times passes unchanged, late events included. One wrong clock
doesn't move the timers of other users.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from journeys.records.admission import admit
from journeys.records.event import Rejection
from journeys.time import HOUR, format_time, ms_of_number, parse_time

AHEAD = HOUR
"""How far ahead of the records around it a time may be by default, ms."""

LOOK_AHEAD = 10_000
"""How many following records with a time a time is compared with."""

_FEWEST = 3
"""Fewer records than this prove nothing about the one before them."""


class Stray(NamedTuple):
    """A time that was limited.

    Attributes:
        line: its number, from 1.
        found: the event's time, ms.
        instead: the time of its neighbours, ms.
    """

    line: int
    found: int
    instead: int


class _Times(msgspec.Struct):
    timestamp: str | int | float | None = None
    receivedAt: str | int | float | None = None


_BOM = "\ufeff".encode()
_decode = msgspec.json.Decoder(_Times).decode


def cut_back(
    lines: Iterable[bytes], max_ahead: int, tell: Callable[[Stray], None]
) -> Iterator[bytes]:
    """The lines of a history, in order; a line with a stray time gets a `receivedAt`, which limits
    it.

    A time is stray if it is ahead of all times before it, and of nearly all of the next LOOK_AHEAD
    ones: a client with a wrong clock may have sent several events in a row.

    Args:
        lines: one JSON event each; other lines pass unchanged.
        max_ahead: how far ahead a time may be, ms.
        tell: called with each stray time, in order.
    """
    window = _Window()
    coming: deque[tuple[bytes, int | None]] = deque()
    latest: int | None = None
    number = 0

    def judged() -> bytes:
        nonlocal latest, number
        line, time = coming.popleft()
        number += 1
        if time is None:
            return line
        window.leave(time)
        if latest is None or time > latest:
            ahead = time - max_ahead
            if (latest is None or latest < ahead) and window.is_before(ahead):
                instead = window.earliest() if latest is None else latest
                tell(Stray(number, time, instead))
                latest = instead
                return _limited(line, instead)
            latest = time
        return line

    for line in lines:
        time = _time_of(line)
        coming.append((line, time))
        if time is not None:
            window.enter(time)
        while len(window.times) > LOOK_AHEAD:
            yield judged()
    while coming:
        yield judged()


class _Window:
    """The times of the next records, also sorted once that is needed."""

    def __init__(self) -> None:
        self.times: deque[int] = deque()
        self._ordered: list[int] | None = None  # a history without jumps never needs them

    def enter(self, time: int) -> None:
        self.times.append(time)
        if self._ordered is not None:
            insort(self._ordered, time)

    def leave(self, time: int) -> None:
        self.times.popleft()
        if self._ordered is not None:
            del self._ordered[bisect_left(self._ordered, time)]

    def is_before(self, time: int) -> bool:
        """Whether nearly all of the times are before `time`, ms."""
        many = len(self.times)
        if many < _FEWEST:
            return False
        if self._ordered is None:
            self._ordered = sorted(self.times)
        others = many - bisect_left(self._ordered, time)
        return others <= max(many // 10, min(many // 4, 3))

    def earliest(self) -> int:
        return min(self.times)


def _time_of(line: bytes) -> int | None:
    """The event's time, ms: the earlier one of its `timestamp` and its `receivedAt`."""
    try:
        if _BOM in line:
            return _time_as_admitted(line)
        times = _decode(line)
        found = [_ms(one) for one in (times.timestamp, times.receivedAt) if one is not None]
    except (ValueError, RecursionError):
        return _time_as_admitted(line)
    return min(found, default=None)


def _time_as_admitted(line: bytes) -> int | None:
    """The same for a line with oddities, which may still be an event."""
    event = admit(line, "")
    if isinstance(event, Rejection):
        return None
    found = [one for one in (event.timestamp, event.received_at) if one is not None]
    return min(found, default=None)


def _ms(time: str | float) -> int:
    return parse_time(time) if isinstance(time, str) else ms_of_number(time)


def _limited(line: bytes, time: int) -> bytes:
    """The line with another `receivedAt` appended: of two fields with one name the last counts."""
    end = line.rindex(b"}")
    return line[:end] + b',"receivedAt":"' + format_time(time).encode() + b'"}' + line[end + 1 :]
