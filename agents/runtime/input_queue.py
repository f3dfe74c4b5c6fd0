"""The source records of one partition between the reader and the batches.

Law: each leaves the queue once, in the order of the log; their number and size are bounded.
"""

from collections import deque

from confluent_kafka import Message

MAX_INPUTS = 2_000
"""Inputs per transaction; on a prototype it took 4 ms for 1, 8 ms for 1,000, 40 ms for 4,000. A
user with several inputs in one transaction is written once, so larger transactions write less."""
MAX_INPUT_BYTES = 8 << 20
"""The most bytes of keys and values in a batch; at least one record is taken."""
_QUEUED = 4 * MAX_INPUTS
_QUEUED_BYTES = 2 * MAX_INPUT_BYTES


class OutOfOrder(RuntimeError):
    """The reader delivered a record again, or out of order."""


class InputQueue:
    """Records of a partition that were read but are not in a batch yet.

    end: the offset of the log's end after the last fed record; gaps before it are control records.
        None while more records are expected.
    """

    def __init__(self, where: str, offset: int) -> None:
        """where: names the partition in errors. offset: of the next record."""
        self._where = where
        self._slices: deque[list[Message]] = deque()
        self._count = 0
        self._bytes = 0
        self._next = offset
        self.end: int | None = None

    def __len__(self) -> int:
        return self._count

    def feed(self, messages: list[Message]) -> None:
        """Appends records (at least one). Raises OutOfOrder."""
        first = messages[0].offset()
        if first < self._next:
            raise OutOfOrder(f"{self._where}: {first} after {self._next - 1}")
        self._next = messages[-1].offset() + 1
        self._slices.append(messages)
        self._count += len(messages)
        self._bytes += _size(messages)
        self.end = None

    def full(self) -> bool:
        """Whether no more records may be fed."""
        return self._count >= _QUEUED or self._bytes >= _QUEUED_BYTES

    def drained(self) -> bool:
        """Whether the next batch can take all records."""
        return self._count < MAX_INPUTS and self._bytes < MAX_INPUT_BYTES

    def take(self, capacity: int) -> list[Message]:
        """Removes and returns the next records: at most `capacity`, and MAX_INPUT_BYTES."""
        batch: list[Message] = []
        while self._slices and len(batch) < capacity:
            messages = self._slices.popleft()
            left = capacity - len(batch)
            if len(messages) > left:
                self._slices.appendleft(messages[left:])
                messages = messages[:left]
            if batch:
                batch.extend(messages)
            else:
                batch = messages
        size = _size(batch)
        self._count -= len(batch)
        self._bytes -= size
        if size > MAX_INPUT_BYTES:
            fit = _fitting(batch)
            self.give_back(batch[fit:])
            batch = batch[:fit]
        return batch

    def give_back(self, messages: list[Message]) -> None:
        """Puts the most recently taken records back to the front."""
        if messages:
            self._slices.appendleft(messages)
            self._count += len(messages)
            self._bytes += _size(messages)


def _size(messages: list[Message]) -> int:
    return sum(map(len, messages)) + sum(map(_key_size, messages))


def _key_size(message: Message) -> int:
    return len(message.key() or b"")


def _fitting(messages: list[Message]) -> int:
    """How many of the messages fit into one batch by size; at least one."""
    size = 0
    for count, message in enumerate(messages):
        size += len(message) + _key_size(message)
        if size > MAX_INPUT_BYTES and count:
            return count
    return len(messages)
