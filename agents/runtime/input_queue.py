"""The source records of one partition between the reader and the batches.

Law: they come out in the order of the log, once each, and no more of them wait than are bounded.
"""

from collections import deque

from confluent_kafka import Message

MAX_INPUTS = 2_000
"""Records a transaction takes; on a prototype: 4 ms for 1, 8 ms for 1,000, 40 ms for 4,000. The
more there are, the fewer are written of those who are seen in it again and again."""
MAX_INPUT_BYTES = 8 << 20
"""Bytes of values a batch takes, but at least one record."""
_QUEUED = 4 * MAX_INPUTS
_QUEUED_BYTES = 2 * MAX_INPUT_BYTES


class OutOfOrder(RuntimeError):
    """The reader brought a record that was there before."""


class InputQueue:
    """What has been read of a partition and is in no batch yet.

    end: everything before this offset was fed, the rest up to it are control records; None where
    more is known to come.
    """

    def __init__(self, where: str, offset: int) -> None:
        """where: names the partition in errors. offset: of the next record to be fed."""
        self._where = where
        self._slices: deque[list[Message]] = deque()
        self._count = 0
        self._bytes = 0
        self._next = offset
        self.end: int | None = None

    def __len__(self) -> int:
        return self._count

    def feed(self, messages: list[Message]) -> None:
        """Raises OutOfOrder."""
        first = messages[0].offset()
        if first < self._next:
            raise OutOfOrder(f"{self._where}: {first} after {self._next - 1}")
        self._next = messages[-1].offset() + 1
        self._slices.append(messages)
        self._count += len(messages)
        self._bytes += _size(messages)
        self.end = None

    def full(self) -> bool:
        """Whether no more is to be fed."""
        return self._count >= _QUEUED or self._bytes >= _QUEUED_BYTES

    def drained(self) -> bool:
        """Whether the next batch takes all there is."""
        return self._count < MAX_INPUTS and self._bytes < MAX_INPUT_BYTES

    def take(self, capacity: int) -> list[Message]:
        """The next records, at most `room`."""
        taken: list[Message] = []
        while self._slices and len(taken) < capacity:
            messages = self._slices.popleft()
            space = capacity - len(taken)
            if len(messages) > space:
                self._slices.appendleft(messages[space:])
                messages = messages[:space]
            if taken:
                taken.extend(messages)
            else:
                taken = messages
        size = _size(taken)
        self._count -= len(taken)
        self._bytes -= size
        if size > MAX_INPUT_BYTES:
            fit = _fitting(taken)
            self.give_back(taken[fit:])
            taken = taken[:fit]
        return taken

    def give_back(self, messages: list[Message]) -> None:
        """They are the next ones again."""
        if messages:
            self._slices.appendleft(messages)
            self._count += len(messages)
            self._bytes += _size(messages)


def _size(messages: list[Message]) -> int:
    return sum(map(len, messages))


def _fitting(messages: list[Message]) -> int:
    """How many of the messages one batch takes by their size."""
    size = 0
    for count, message in enumerate(messages):
        size += len(message)
        if size > MAX_INPUT_BYTES and count:
            return count
    return len(messages)
