"""Random journeys over random logs: the engine says what the model says, outcome by outcome.

`pytest --hypothesis-profile=thorough` tries fifty times as many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.seen import holds, remember
from journeys.state import encode
from journeys.time import parse_time
from journeys.timeline import Input
from tests.journeys.builders import START
from tests.journeys.engine_side import Document, Engine, assert_same
from tests.journeys.model import HOUR, MINUTE, Model
from tests.journeys.model_terms import Told, User
from tests.journeys.random_journeys import journeys, logs

Log = list[dict[str, Any]]

TOURS = st.tuples(journeys(), journeys("other")) | st.tuples(journeys())


def examples(count: int) -> Any:
    """So many examples, or as many times more as the profile has."""
    return settings(max_examples=count * settings.default.max_examples // 100, deadline=None)


# --- Under the stream's clock --------------------------------------------------------------------


@examples(50)
@given(tours=TOURS, log=logs(), late=journeys(), at=st.integers(0, 24))
def test_under_stream_every_outcome_and_action_is_the_models(
    tours: tuple[Document, ...], log: Log, late: Document, at: int
) -> None:
    """Ties, late and repeated events included; a new version of the journey comes in between."""
    engine, model = Engine("stream", *tours), Model("stream", *tours)
    for side in (engine, model):
        for offset, wire in enumerate(log):
            if offset == at:
                side.push(late)
            side.event(wire, offset)
        side.advance(model_time(log) + 4 * HOUR)
    assert_same(engine, model)
    assert all(one.version == 1 for one in engine.told if one.journey == "other")


def model_time(log: Log) -> int:
    return max(wire["timestamp"] for wire in log)


def play(engine: Engine, log: Log) -> Engine:
    for offset, wire in enumerate(log):
        engine.event(wire, offset)
    engine.advance(model_time(log) + 4 * HOUR)
    return engine


def all_bytes(engine: Engine, *, records: bool = True) -> list[Any]:
    """Everything to the last bit: outcomes, actions, records."""
    kept = {user: encode(record) for user, record in engine.records.records.items()}
    sent = [engine.effects.outcomes, engine.effects.actions]
    return [msgspec.json.encode(sent), engine.timeline.partition_time, kept if records else {}]


@examples(20)
@given(tours=TOURS, log=logs())
def test_instances_keep_all_that_later_nodes_read(tours: tuple[Document, ...], log: Log) -> None:
    whole = Engine("stream", *tours)
    whole.keep_everything()
    cut = play(Engine("stream", *tours), log)
    assert all_bytes(cut, records=False) == all_bytes(play(whole, log), records=False)


@examples(20)
@given(
    tours=TOURS,
    log=logs(),
    cuts=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=20),
)
def test_any_cut_into_batches_gives_equal_bytes(
    tours: tuple[Document, ...], log: Log, cuts: list[tuple[int, int]]
) -> None:
    whole = play(Engine("stream", *tours), log)
    engine = Engine("stream", *tours)
    values = [(msgspec.json.encode(wire), None) for wire in log]
    end = msgspec.json.encode({"time": model_time(log) + 4 * HOUR})
    left = [
        Input("events", 0, offset, None, value, None, kind)
        for offset, (value, kind) in enumerate([*values, (end, "clock")])
    ]
    sizes = iter(cuts)
    while left:
        size, timers = next(sizes, (2, 1))
        done = engine.timeline.apply(left[:size], engine.effects, timers=timers)
        left = left[done:]
    assert all_bytes(engine) == all_bytes(whole)
    assert all_bytes(play(Engine("stream", *tours), log)) == all_bytes(whole)


@examples(20)
@given(tours=TOURS, log=logs(repeats=False), data=st.data())
def test_the_same_input_twice_is_as_good_as_once(
    tours: tuple[Document, ...], log: Log, data: st.DataObject
) -> None:
    """However much later each repeat comes."""
    engine = Engine("stream", *tours)
    order: list[int] = []
    for offset in range(len(log)):
        order.append(offset)
        order += data.draw(st.lists(st.sampled_from(order), max_size=2))
    for offset in [*order, *range(len(log))]:
        engine.event(log[offset], offset)
    engine.advance(model_time(log) + 4 * HOUR)
    once = play(Engine("stream", *tours), log)
    assert all_bytes(engine) == all_bytes(once)


@examples(20)
@given(tours=TOURS, log=logs(ordered=True, received=False, repeats=False))
def test_one_partition_and_four_say_the_same_of_a_log_in_order_of_time(
    tours: tuple[Document, ...], log: Log
) -> None:
    """All but the sampling of failing entries, which counts by partition and minute."""
    one = play(Engine("stream", *tours), log)
    apart = [Engine("stream", *tours) for _ in range(4)]
    for offset, wire in enumerate(log):
        apart["uvwx".index(wire["userId"])].event(wire, offset)
    for engine in apart:
        engine.advance(model_time(log) + 4 * HOUR)

    def outcomes(*engines: Engine) -> dict[str, list[Any]]:
        told = [each for engine in engines for each in engine.effects.outcomes]
        entry_failed = [each.type == "expression.failed" and not each.instance for each in told]
        stories = defaultdict(list)
        for each, failed in zip(told, entry_failed, strict=True):
            if not failed:
                stories[each.user_id].append(msgspec.structs.replace(each, outcome_id=""))
        return dict(stories)

    def actions(*engines: Engine) -> Any:
        sent = [each for engine in engines for each in engine.effects.actions]
        return sorted(sent, key=lambda each: (each.user_id, each.at, each.action_id))

    assert outcomes(*apart) == outcomes(one)
    assert actions(*apart) == actions(one)
    assert {user: place for engine in apart for user, place in engine.standing().items()} == (
        one.standing()
    )


# --- Under the wall clock ------------------------------------------------------------------------


@st.composite
def wall_days(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Arrivals in order, and between them, at moments of its own, a clock that fires.

    The clock fires nothing beyond the arrival of an event that has not been applied.
    """
    log = draw(logs(ordered=True, received=False))
    arrivals = [wire["timestamp"] for wire in log]
    steps: list[tuple[Any, ...]] = []
    shown = START
    for offset, wire in enumerate(log):
        lateness = draw(st.sampled_from([*[0] * 6, 1, MINUTE, 10 * MINUTE, HOUR, 9 * HOUR, -HOUR]))
        steps.append(
            ("event", {**wire, "timestamp": arrivals[offset] - lateness}, arrivals[offset])
        )
        following = arrivals[offset + 1] if offset + 1 < len(log) else arrivals[-1] + 4 * HOUR
        gap = following - arrivals[offset]
        ticks = draw(st.sampled_from([[], [gap], [0, gap // 2], range(0, gap + 1, 10 * MINUTE)]))
        for safe in ticks:
            until = arrivals[offset] + safe
            shown = max(shown, until + draw(st.sampled_from([0] * 9 + [MINUTE, MINUTE + 1, HOUR])))
            steps.append(("fire", until, shown))
    return steps


@examples(40)
@given(tours=TOURS, steps=wall_days(), late=journeys(), at=st.integers(0, 40))
def test_under_wall_every_outcome_and_action_is_the_models(
    tours: tuple[Document, ...], steps: list[tuple[Any, ...]], late: Document, at: int
) -> None:
    engine, model = Engine("wall", *tours), Model("wall", *tours)
    for side in (engine, model):
        for offset, (what, *rest) in enumerate(steps):
            if offset == at:
                side.push(late)
            if what == "event":
                side.event(rest[0], offset, rest[1])
            else:
                side.fire(*rest)
    assert_same(engine, model)


@examples(25)
@given(tours=TOURS, steps=wall_days())
def test_under_wall_every_wait_ends_once_or_goes_on_and_nothing_follows_an_exit(
    tours: tuple[Document, ...], steps: list[tuple[Any, ...]]
) -> None:
    engine = Engine("wall", *tours)
    waiting: dict[Any, Told] = {}
    over: set[Any] = set()
    read = 0
    for offset, (what, *rest) in enumerate(steps):
        if what == "event":
            engine.event(rest[0], offset, rest[1])
        else:
            engine.fire(*rest)
        told = engine.told
        for one in told[read:]:
            _judge(one, waiting, over, None if what == "event" else rest[0])
        read = len(told)
        live = {
            (user, id): node
            for user, (_, places) in engine.standing().items()
            for id, node, *_ in places
        }
        lost = "a wait was lost, or one is left of an instance that went on"
        assert {mine: started.node for mine, started in waiting.items()} == live, lost
    ids = [one.outcome_id for one in engine.effects.outcomes]
    ids += [one.action_id for one in engine.effects.actions]
    assert [id for id, times in Counter(ids).items() if times > 1] == []


def _judge(one: Told, waiting: dict[Any, Told], over: set[Any], until: int | None) -> None:
    """One outcome after all those before it; `until` is how far a clock may fire, ms."""
    if one.instance is None:
        return
    mine = one.user, one.instance
    assert mine not in over, f"{one} after its exit"
    started = waiting.get(mine)
    if started is not None and one.type not in ("expression.failed", "profile.changed"):
        due = started.detail["due"]
        del waiting[mine]
        assert one.node == started.node or one.type == "node.reached", "a wait ended otherwise"
        if one.type == "wait.matched":
            assert due is None or one.at < due, "at the deadline the timer wins"
        else:
            assert due is not None
            assert one.at >= due, "a timer before its due time"
            assert one.cause[1] == due, "another timer's time"
            if one.cause[0] is None:
                assert until is not None
                assert parse_time(due) <= until, "a timer overtook the log"
    if one.type == "wait.started":
        waiting[mine] = one
    if one.type == "journey.exited":
        waiting.pop(mine, None)
        over.add(mine)


# --- The memory of messageIds --------------------------------------------------------------------


@examples(60)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 90), st.sampled_from([0, 1, MINUTE, HOUR])), max_size=300
    )
)
def test_the_memory_of_message_ids_is_the_models(steps: list[tuple[int, int]]) -> None:
    model, user, memory = Model("stream"), User("u"), b""
    for number, gap in steps:
        model.time += gap
        message = f"m{number}"
        known = holds(memory, number.to_bytes(8, "big"), model.time)
        assert known == model.remembers(user, message)
        if not known:
            memory = remember(memory, number.to_bytes(8, "big"), model.time)
            user.seen.append((message, model.time))
