"""What a partition's owner knows of the catalog."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from agents.client.catalog import CatalogReader
from agents.kafka.topics import EVENTS, OUTCOMES
from agents.kinds import KINDS
from agents.roles.evaluate import Evaluator
from agents.runtime.signatures import Signatures
from agents.settings import Settings
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.records import headers
from journeys.records.barrier import barrier
from tables.store import Store
from tables.users import CODEC
from tables.view import View
from tests.journeys.builders import START

PUSH = """
kind: Journey
name: tour
entry: {event: start}
nodes:
  done: {type: exit}
"""


class Log(CatalogReader):
    """A catalog with one push, which is read when asked for, as the real one is."""

    def __init__(self) -> None:
        self.catalog = Catalog(KINDS)
        self.config_offset = 0
        self.asked: list[int] = []

    async def read_past(self, config_offset: int) -> Catalog:
        self.asked.append(config_offset)
        if config_offset > self.config_offset:
            verdict = check_push(PUSH, "push.yaml", Catalog(KINDS))
            assert isinstance(verdict, Accepted)
            self.catalog, self.config_offset = Catalog(KINDS).with_entries(verdict.entries), 1
        return self.catalog


class Message:
    def __init__(self, offset: int, value: bytes, kind: str | None = None) -> None:
        self._offset, self._value = offset, value
        self._headers = None if kind is None else headers.build(kind)

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return self._value

    def key(self) -> bytes:
        return b"u"

    def timestamp(self) -> tuple[int, int]:
        return 2, START + self._offset

    def headers(self) -> Any:
        return self._headers


class OneBatch:
    """A batch of a partition, as an owner is given it."""

    log, partition, watermark, now = EVENTS, 0, 0, START
    more_timers = urgent = False

    def __init__(self, view: View[Any], inputs: list[Message], notes: str, first: bool) -> None:
        self.view, self.inputs, self.notes, self.first = view, inputs, notes, first
        self.partition_time, self.consumed = 0, 0
        self.sent: list[Any] = []
        self.counts: Counter[str] = Counter()

    def count(self, metric: Any, *labels: str, by: int = 1) -> None:
        self.counts[metric.name] += by

    def send(self, topic: str, key: bytes | None, value: bytes, *_: Any) -> None:
        if topic == OUTCOMES:
            self.sent.append(msgspec.json.decode(value))


def evaluator(reader: Log | None = None) -> Evaluator:
    return Evaluator(
        "wall", 1, reader or Log(), Signatures.of(Settings.from_env({}), "an installation")
    )


def event(offset: int) -> Message:
    return Message(offset, b'{"event": "start", "userId": "u", "messageId": "m%d"}' % offset)


async def test_the_next_owner_knows_as_much_as_the_last_one(tmp_path: Path) -> None:
    """The barrier is behind it, and it started before the push."""
    view = View(Store(tmp_path / "store"), CODEC)
    last = OneBatch(view, [Message(0, barrier(1), "barrier"), event(1)], "", first=True)
    await evaluator().compute(last)  # type: ignore[arg-type]
    assert [one["type"] for one in last.sent][:1] == ["journey.entered"]

    owner = evaluator()
    following = OneBatch(view, [event(2)], last.notes, first=True)
    await owner.compute(following)  # type: ignore[arg-type]
    assert [one["type"] for one in following.sent][:1] == ["journey.entered"]
    again = OneBatch(view, [event(3)], following.notes, first=False)
    await owner.compute(again)  # type: ignore[arg-type]
    assert again.notes.startswith("1:")


async def test_a_barrier_that_is_left_for_later_is_not_behind_it(tmp_path: Path) -> None:
    """Nor one that names more than there is: what is known is what was read."""
    view = View(Store(tmp_path / "store"), CODEC)
    batch = OneBatch(view, [Message(0, barrier(99), "barrier"), event(1)], "", first=True)
    await evaluator().compute(batch)  # type: ignore[arg-type]
    assert batch.sent[0]["detail"]["reason"] == "unknown_push"
    assert batch.notes == "1:"


async def test_the_next_owner_knows_what_the_last_one_knew_before_any_barrier(
    tmp_path: Path,
) -> None:
    """The last one started after the push whose barrier is still ahead of the partition."""
    view = View(Store(tmp_path / "store"), CODEC)
    reader = Log()
    await reader.read_past(1)
    last = OneBatch(view, [event(0)], "", first=True)
    await evaluator(reader).compute(last)  # type: ignore[arg-type]
    assert [one["type"] for one in last.sent][:1] == ["journey.entered"]
    following = OneBatch(view, [event(1)], last.notes, first=True)
    await evaluator().compute(following)  # type: ignore[arg-type]
    assert [one["type"] for one in following.sent][:1] == ["journey.entered"]


async def test_evaluate_does_not_wait_for_a_recreated_log_of_pushes(tmp_path: Path) -> None:
    """The last owner had read further in the old log than the new one reaches."""
    view = View(Store(tmp_path / "store"), CODEC)
    reader = Log()
    owner = evaluator(reader)
    first = OneBatch(view, [event(0)], "57:", first=True)
    await owner.compute(first)  # type: ignore[arg-type]
    assert first.notes == "1:"
    following = OneBatch(view, [event(1)], first.notes, first=False)
    await owner.compute(following)  # type: ignore[arg-type]
    assert reader.asked[-1] == 1
