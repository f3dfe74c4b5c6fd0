"""Any push and any record gets an answer soon, and never raises.

`pytest --hypothesis-profile=thorough` tries fifty times as many.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.catalog.running import RunningCatalog
from journeys.checks.check import check, warnings
from journeys.engine.processor import Clock, PartitionProcessor
from journeys.problems import LONGEST_MESSAGE, Problem
from journeys.records import response as responses
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.outcome import key_of
from journeys.records.response import Response
from journeys.records.user_record import decode, encode
from journeys.simulation.backtest import MemoryRecords
from tests.journeys.builders import DAY, HOUR, START
from tests.journeys.engine.hostile import damaged, noise, texts
from tests.journeys.engine.hostile_events import TIMES, logs

CLOCKS: st.SearchStrategy[Clock] = st.sampled_from(["stream", "wall"])
SECONDS = 10
"""Of CPU, for a text of a few kilobytes; it takes a few milliseconds."""


def examples(count: int) -> Any:
    return settings(
        max_examples=count * settings.default.max_examples // 100,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def lines(text: str | bytes) -> list[str]:
    """As an editor shows them."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def assert_told(problem: Problem, shown: list[str]) -> None:
    assert 1 <= problem.line <= len(shown), problem
    assert 1 <= problem.column <= len(shown[problem.line - 1]) + 1, problem
    assert problem.message.isprintable(), problem
    assert len(problem.message) <= LONGEST_MESSAGE, problem


class Partition:
    """A partition that applies hostile records; all of its effects are checked."""

    def __init__(self, catalog: RunningCatalog, clock: Clock) -> None:
        self.records = MemoryRecords()
        self.clock = clock
        self.processor = PartitionProcessor(
            self.records, catalog, clock, at_barrier=lambda _: self.processor.catalog
        )

    def apply(self, one: Input, *, rounds: int = 3) -> Effects:
        """A record, and what the clock does by then; not more than `rounds` of a thousand timers,
        for a journey may go round every millisecond for years."""
        effects = Effects()
        for _ in range(rounds):
            if self.processor.apply([one], effects):
                break
        if self.clock == "wall" and one.arrival is not None:
            self.processor.fire(one.arrival, one.arrival, effects)
            self.processor.sweep(effects)
        self.look(effects)
        return effects

    def look(self, effects: Effects) -> None:
        assert effects.dead == [], effects.dead[0].detail
        for action in effects.actions:
            assert json.loads(msgspec.json.encode(action))["user_id"].encode()
        for outcome in effects.outcomes:
            assert json.loads(msgspec.json.encode(outcome))["type"]
            assert key_of(outcome)
        for record in self.records.records.values():
            assert encode(decode(encode(record))) == encode(record)

    def drain(self) -> None:
        if self.clock == "stream":
            self.apply(Input("events", 0, 10**6, None, b'{"time":"end"}', None, "clock"))
        else:
            effects = Effects()
            self.processor.fire(START + 3_650 * DAY, START + 3_650 * DAY, effects)
            self.look(effects)


def catalog_of(verdict: Accepted, catalog: Catalog | None = None) -> Catalog:
    catalog = catalog or Catalog(KINDS)
    for key, value in verdict.entries:
        catalog = catalog.with_entry(key, value)
    return catalog


# --- Documents -----------------------------------------------------------------------------------


@examples(150)
@given(damaged() | damaged() | noise)
def test_whatever_is_pushed_is_judged_soon_and_reported_at_places_in_the_text(
    text: str | bytes,
) -> None:
    before = time.process_time()
    verdict = check_push(text, "f", Catalog(KINDS))
    documents, problems = check([("f", text)], KINDS)
    lint = warnings(documents)
    assert time.process_time() - before < SECONDS
    assert isinstance(verdict, Accepted) == (not problems)
    shown = lines(text)
    for problem in [*problems, *lint]:
        assert_told(problem, shown)


_VALUES = st.sampled_from([0, 1, 2, 5, 1.5, "k", "1", True, None, "", 2**63, [{"price": 2}], {}])
_PROPERTIES = st.dictionaries(st.sampled_from(["k", "n", "m", "total", "l", "at"]), _VALUES)
_EVENTS = st.tuples(st.integers(0, 9), st.sampled_from("uv"), st.sampled_from(TIMES), _PROPERTIES)


@examples(60)
@given(texts(), CLOCKS, st.lists(_EVENTS, max_size=6))
def test_a_document_that_is_accepted_runs(text: str, clock: Clock, sent: Sequence[Any]) -> None:
    verdict = check_push(text, "f", Catalog(KINDS))
    if not isinstance(verdict, Accepted):
        return
    catalog = RunningCatalog(catalog_of(verdict))
    names = sorted({*catalog.entries, *catalog.awaited, *catalog.exits, *catalog.goals}) or ["a"]
    partition = Partition(catalog, clock)
    for offset, (name, user, after, properties) in enumerate(sent):
        wire = {
            "event": names[name % len(names)],
            "userId": user,
            "timestamp": START + after,
            "properties": {"k": "k", "n": 5, **properties},
        }
        partition.apply(Input("events", 0, offset, None, json.dumps(wire).encode(), START + after))
    partition.drain()


# --- Events --------------------------------------------------------------------------------------

RICH = (Path(__file__).parent / "hostile.yaml").read_text()


def _catalogs() -> list[RunningCatalog]:
    """Catalogs whose journey runs, is paused, resumed, archived, or has another active version."""

    def push(catalog: Catalog, text: str, at: int) -> Catalog:
        verdict = check_push(text, "f", catalog, at)
        assert isinstance(verdict, Accepted), verdict.problems
        return catalog_of(verdict, catalog)

    def turn(catalog: Catalog, status: str, at: int) -> Catalog:
        return push(catalog, f"kind: Lifecycle\nname: rich\nstatus: {status}\n", at)

    second = RICH.replace("within: 1h", "within: 2h").replace("follow", "follow\non_resume: skip")
    both = push(push(push(Catalog(KINDS), RICH, 0), second, 0), RICH, 0)
    paused = turn(both, "paused", START)
    resumed = turn(paused, "running", START + HOUR)
    every = (both, paused, resumed, turn(both, "archived", START), push(resumed, second, START))
    return [RunningCatalog(one) for one in every]


CATALOGS = _catalogs()


@examples(100)
@given(logs, CLOCKS, st.lists(st.sampled_from(CATALOGS), min_size=1, max_size=4))
def test_whatever_is_sent_is_an_outcome_or_an_effect_and_what_is_kept_can_be_read(
    log: list[Input], clock: Clock, catalogs: list[RunningCatalog]
) -> None:
    """The catalog changes on the way, and every other request of a trigger is answered."""
    partition = Partition(CATALOGS[0], clock)
    for number, one in enumerate(log):
        if number % 5 == 4:
            partition.processor.follow(catalogs[number // 5 % len(catalogs)])
        effects = partition.apply(one)
        for action in effects.actions[:: 1 + number % 2]:
            if action.trigger is not None:
                labels = {"code": 200, "deep": "x" * 20_000} if number % 3 else {}
                answer = Response(action.action_id, action.user_id, action.instance, True, labels)
                value = responses.encode(answer)
                partition.apply(
                    Input("events", 0, 1_000 + number, None, value, one.arrival, "response")
                )
    partition.drain()
