"""Random journeys with live instances: the outcomes of the engine equal those of the model.

Documents are edited, paused, resumed and archived while events, responses and time go on.
`pytest --hypothesis-profile=thorough` tries fifty times as many.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from journeys.records.input import Input
from journeys.records.message_ids import ENTRY, find, refresh, remember
from journeys.records.outcome import Cause, Outcome
from journeys.records.user_record import encode_rest
from journeys.time import parse_time
from tests.journeys.model.engine_side import Engine, Modelled, assert_same, is_sample, play
from tests.journeys.model.model import Model
from tests.journeys.model.model_terms import DAY, HOUR, MINUTE, Cel, Document, User
from tests.journeys.model.model_walk import TooLong
from tests.journeys.model.random_expressions import (
    CHANGE_CONDITIONS,
    FOLLOWED,
    SEEN,
    TRAIT_CONDITIONS,
)
from tests.journeys.model.random_histories import (
    A_SIXTEENTH,
    LARGE,
    TOURS,
    Clock,
    Event,
    Fire,
    History,
    Turn,
    histories,
    logs,
    user_of,
    worlds,
)
from tests.journeys.model.random_journeys import LOCAL, ZONES

World = tuple[tuple[Document, ...], History]


def examples(count: int) -> Any:
    """So many examples, or as many times more as the profile has."""
    return settings(max_examples=count * settings.default.max_examples // 100, deadline=None)


def played(side: Any, history: History) -> Any:
    """The side after the history; one in which events go round in circles is left out."""
    try:
        return play(side, history)
    except TooLong:
        assume(False)


# --- The model -----------------------------------------------------------------------------------


@examples(50)
@given(world=worlds(), everything=st.booleans())
def test_under_stream_every_outcome_action_and_place_is_the_models(
    world: World, everything: bool
) -> None:
    """Whether instances keep their whole context, or what later nodes read: but for the versions
    that can take over, it makes no difference."""
    tours, history = world
    model = played(Modelled("stream", *tours, everything=everything), history)
    assert_same(play(Engine("stream", *tours, everything=everything), history), model)


@examples(50)
@given(world=worlds(wall=True), everything=st.booleans())
def test_under_wall_every_outcome_action_and_place_is_the_models(
    world: World, everything: bool
) -> None:
    """The model meets everybody at a change; a worker comes by when it does."""
    tours, history = world
    model = played(Modelled("wall", *tours, everything=everything), history)
    assert_same(play(Engine("wall", *tours, everything=everything), history), model)


@st.composite
def following(draw: st.DrawFn, wall: bool) -> World:
    """A journey that mostly waits for its user's traits, and a history of it."""
    local = {"time": draw(st.sampled_from(["09:00", "14:30"]))}
    until = st.sampled_from([{"until": cel} for cel in FOLLOWED] + [{"until_local": local}])
    way = {"type": "delay", **draw(until), "follow": True}
    if "until" in way:
        way["on_error"] = "n1"
    changed = {"type": "wait_for_event", "changes": "t", "within": 30 * 60_000}
    nodes = {"n0": way, "n1": {**changed, "next": draw(st.sampled_from(["n0", "n2"]))}}
    tour = {"name": "tour", "entry": {"event": "a"}, "nodes": {**nodes, "n2": {"type": "exit"}}}
    traits = st.fixed_dictionaries(
        {}, optional={"t": st.sampled_from([0, 1, 2, 3, None]), "timezone": st.sampled_from(ZONES)}
    )
    back = st.sampled_from([0, 0, 10 * MINUTE, HOUR, 5 * HOUR, 9 * HOUR])

    def changing(event: Event) -> Event:
        """The event, of mostly one user, with changes; often late, as of before a node's time."""
        wire = {**event.wire, "traits": draw(traits), "userId": draw(st.sampled_from("uuuv"))}
        late = draw(back)
        if late and "timestamp" in wire:
            wire |= {"timestamp": wire["timestamp"] - late, "receivedAt": wire["timestamp"]}
        return event._replace(wire=wire)

    steps = draw(histories((tour,), wall=wall))
    return (tour,), [changing(one) if isinstance(one, Event) else one for one in steps]


@examples(50)
@given(data=st.data(), wall=st.booleans())
def test_delays_that_follow_their_traits_are_the_models(data: st.DataObject, wall: bool) -> None:
    tours, history = data.draw(following(wall))
    clock = "wall" if wall else "stream"
    model = played(Modelled(clock, *tours), history)
    assert_same(play(Engine(clock, *tours), history), model)


CHANGES = st.fixed_dictionaries(
    {"changes": st.just("t")},
    optional={"where": st.sampled_from([*CHANGE_CONDITIONS, *TRAIT_CONDITIONS])},
)


@st.composite
def changing(draw: st.DrawFn, wall: bool) -> World:
    """Three journeys that change a trait and listen to its changes, so that one step often changes
    it several times; and a history of them."""
    several = st.lists(CHANGES, min_size=1, max_size=2)
    values = st.sampled_from([1, 2, 2, None])

    def tour(name: str) -> Document:
        sets = {
            name: {"type": "update_profile", "traits": {"t": draw(values)}}
            for name in draw(st.sampled_from([[], ["s0"], ["s0", "s1"]]))
        }
        ways = [*draw(several), *draw(st.sampled_from([[], [{"event": "b"}]]))]
        wait = {"type": "wait_for_event", "any_of": ways, "within": 30 * MINUTE}
        if draw(st.booleans()):
            wait["where"] = draw(st.sampled_from(TRAIT_CONDITIONS))
        entry = draw(st.just({"event": "a"}) | st.fixed_dictionaries({"any_of": several}))
        nodes = {"n0": wait, **sets} if draw(st.booleans()) else {**sets, "n0": wait}
        around = {"exit": several, "goal": CHANGES}
        more = {field: draw(some) for field, some in around.items() if draw(st.booleans())}
        last = {"type": "update_profile", "traits": {"seen": SEEN}}
        return {"name": name, "entry": entry, "nodes": {**nodes, "last": last}, **more}

    tours = (tour("first"), tour("other"), tour("tour"))
    traits = st.fixed_dictionaries({"traits": st.fixed_dictionaries({"t": values})})

    def setting(event: Event) -> Event:
        wire = {**event.wire, "userId": "u", "event": draw(st.sampled_from("aab"))}
        return event._replace(wire=wire | (draw(traits) if draw(st.integers(0, 2)) else {}))

    steps = draw(histories(tours, wall=wall, changes=False, most=12))
    return tours, [setting(one) if isinstance(one, Event) else one for one in steps]


@examples(50)
@given(data=st.data(), wall=st.booleans())
def test_every_change_of_a_step_is_judged_as_the_model_does(
    data: st.DataObject, wall: bool
) -> None:
    tours, history = data.draw(changing(wall))
    clock = "wall" if wall else "stream"
    model = played(Modelled(clock, *tours), history)
    assert_same(play(Engine(clock, *tours), history), model)


@st.composite
def collecting(draw: st.DrawFn, wall: bool) -> World:
    """A journey with a digest, and events of one user whose properties are often too large: for one
    event, or for all that it keeps."""
    until = st.fixed_dictionaries({"until_local": LOCAL})
    node = {
        "type": "digest",
        **draw(st.sampled_from([{"every": HOUR}, *[{"every": DAY}] * 3]) | until),
    }
    if draw(st.booleans()):
        node["max"] = draw(st.sampled_from([1, 5, 16, 16, 17, 1_000]))
    if draw(st.booleans()):
        node["any_of"] = [{"event": "a"}]
    captured = Cel("steps.n0", lambda see: see.steps["n0"])
    nodes = {"n0": node, "n1": {"type": "destination", "destination": "m", "payload": captured}}
    tour = {"name": "tour", "entry": {"event": draw(st.sampled_from("ab"))}, "nodes": nodes}
    several = st.lists(st.sampled_from(LARGE), min_size=1, max_size=3)
    some = st.sampled_from(draw(st.just([A_SIXTEENTH]) | several))

    def large(event: Event) -> Event:
        number = int(event.wire["messageId"][1:])
        own = {"userId": "u", "messageId": f"m{number:03}", "properties": draw(some)}
        return event._replace(wire={**event.wire, **own, "event": draw(st.sampled_from("aaaab"))})

    steps = draw(histories((tour,), wall=wall, changes=False, answers=False, least=18, most=30))
    return (tour,), [large(one) if isinstance(one, Event) else one for one in steps]


@examples(50)
@given(data=st.data(), wall=st.booleans())
def test_what_digests_keep_of_large_events_is_the_models(data: st.DataObject, wall: bool) -> None:
    tours, history = data.draw(collecting(wall))
    clock = "wall" if wall else "stream"
    model = played(Modelled(clock, *tours), history)
    assert_same(play(Engine(clock, *tours), history), model)


# --- Batches, sweeps and repeats -----------------------------------------------------------------

CUTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=20)


def in_batches(engine: Engine, whole: Engine, cuts: list[tuple[int, int]]) -> Engine:
    """Repeats on `engine` what was done to `whole`, in batches of these sizes, with this many
    timers and users a call; records are encoded and decoded in between."""
    engine.catalogs = whole.catalogs
    left = whole.done
    sizes = iter(cuts)
    while left:
        size, most = next(sizes, (2, 1))
        engine.do(left[:size], timers=most, records=most)
        engine.save_and_load()
        left = left[size:]
    return engine


@examples(20)
@given(world=worlds(), cuts=CUTS)
def test_any_cut_into_batches_gives_equal_bytes(world: World, cuts: list[tuple[int, int]]) -> None:
    tours, history = world
    whole = played(Engine("stream", *tours), history)
    assert in_batches(Engine("stream", *tours), whole, cuts).all_bytes() == whole.all_bytes()
    assert play(Engine("stream", *tours), history).all_bytes() == whole.all_bytes()


class Prompt(Engine):
    """Whom a change concerns is met at once."""

    def take(self, step: Any, offset: int) -> None:
        super().take(step, offset)
        if isinstance(step, Turn):
            self.sweep(records=1_000)


@examples(20)
@given(world=worlds(wall=True), cuts=CUTS)
def test_batches_and_sweeps_at_any_time_give_equal_bytes(
    world: World, cuts: list[tuple[int, int]]
) -> None:
    tours, history = world
    whole = played(Prompt("wall", *tours), history)
    cut = in_batches(Engine("wall", *tours), whole, cuts)
    assert cut.bytes_by_user() == whole.bytes_by_user()


@examples(20)
@given(world=worlds(repeats=False), data=st.data())
def test_the_same_input_twice_is_as_good_as_once(world: World, data: st.DataObject) -> None:
    """An event may be repeated at any later time; a repeated response is reported as too late.
    A repeat changes only how long its id is known, and before which record a timer fires: the timer
    of a late event is already due and fires before the next record, which may be a repeat. So a
    repeat is placed only where a record follows: a pause in between would hold that timer.
    """
    tours, history = world
    once = played(Engine("stream", *tours), history)
    twice = Engine("stream", *tours)
    twice.catalogs = once.catalogs
    events: list[Input] = []
    for one, following in zip_longest(once.done, once.done[1:]):
        again: list[Input] = []
        if isinstance(one, Input) and one.kind is None:
            events.append(one)
        if isinstance(one, Input) and isinstance(following, Input):
            again = [one] if one.kind is not None else []
            again += data.draw(st.lists(st.sampled_from(events), max_size=2)) if events else []
        twice.do([one, *again])
    twice.do(events)

    def told(engine: Engine) -> list[Any]:
        outcomes = engine.effects.outcomes
        return [
            timers_anywhere(one) for one in outcomes if (one.detail or {}).get("reason") != OVER
        ]

    assert told(twice) == told(once)
    assert twice.effects.actions == once.effects.actions
    assert known_ids(twice) == known_ids(once)
    assert all_but_known_ids(twice) == all_but_known_ids(once)


def timers_anywhere(one: Outcome) -> Outcome:
    """The outcome without the record before which its timer fired."""
    cause = one.cause
    if cause.timer is None:
        return one
    return replace(one, cause=Cause(timer=cause.timer, fired=cause.fired))


def known_ids(engine: Engine) -> dict[str, set[bytes]]:
    """Whose messageIds are known, whenever each one came last."""
    return {
        user: {record.message_ids[at : at + 8] for at in range(0, len(record.message_ids), ENTRY)}
        for user, record in engine.records.records.items()
    }


def all_but_known_ids(engine: Engine) -> list[Any]:
    """The partition's time and the bytes of every record, without its messageIds."""
    records = engine.records.records.items()
    kept = {user: encode_rest(record) for user, record in records}
    return [engine.processor.partition_time, kept]


OVER = "visit_over"


@examples(15)
@given(tours=TOURS, log=logs(ordered=True, received=False, repeats=False))
def test_one_partition_and_four_say_the_same_of_a_log_in_order_of_time(
    tours: tuple[Document, ...], log: list[dict[str, Any]]
) -> None:
    """All but the sampling of failing entries, which counts by partition and minute, and the record
    before which a timer fires, which is one of its partition."""
    end = Clock(max(wire["timestamp"] for wire in log) + 4 * HOUR)
    one = played(Engine("stream", *tours), [*map(Event, log), end])
    apart = [Engine("stream", *tours) for _ in range(4)]
    for offset, wire in enumerate(log):
        apart["uvwx".index(user_of(wire))].take(Event(wire), offset)
    for engine in apart:
        engine.take(end, len(log))

    def outcomes(*engines: Engine) -> dict[str, list[Any]]:
        told = [each for engine in engines for each in engine.effects.outcomes]
        entry_failed = [each.type == "expression.failed" and not each.instance for each in told]
        stories = defaultdict(list)
        for each, failed in zip(told, entry_failed, strict=True):
            if not failed and not is_sample(each):
                stories[each.user_id].append(replace(timers_anywhere(each), outcome_id=""))
        return dict(stories)

    def actions(*engines: Engine) -> Any:
        sent = [each for engine in engines for each in engine.effects.actions]
        return sorted(sent, key=lambda each: (each.user_id, each.at, each.action_id))

    assert outcomes(*apart) == outcomes(one)
    assert actions(*apart) == actions(one)
    assert {user: place for engine in apart for user, place in engine.standing().items()} == (
        one.standing()
    )


# --- Every instance's story ----------------------------------------------------------------------

STORY = re.compile("E(R(S(M(?=[RX]|$)|T(?=[RX])|(?=X|$))|T(?=[RX])|D)?)*X?")
"""It enters and reaches node after node. At some it stays: at a delay (D), or for an answer (S)
that comes or is timed out, at once if there is no time to wait, unless the instance exits; and
nothing follows an exit. A digest and a parallel node are timed out when they close and join, and a
branch enters and exits as its parent does."""


LETTERS = {
    "journey.entered": "E",
    "node.reached": "R",
    "wait.started": "S",
    "wait.matched": "M",
    "wait.timed_out": "T",
    "digest.closed": "T",
    "branches.joined": "T",
    "branch.started": "E",
    "branch.ended": "X",
    "journey.exited": "X",
}


class Watched(Engine):
    """Checks every outcome when it is reported."""

    def take(self, step: Any, offset: int) -> None:
        read = len(self.effects.outcomes)
        super().take(step, offset)
        for one in self.effects.outcomes[read:]:
            _judge_time(one, step)


@examples(20)
@given(world=worlds(wall=True))
def test_every_wait_ends_once_or_goes_on_and_nothing_follows_an_exit(world: World) -> None:
    tours, history = world
    engine = played(Watched("wall", *tours), history)
    catalog = engine.processor.catalog
    kinds = {
        place: {name: node.type for name, node in catalog.program(*place).nodes.items()}
        for place in engine.versions.accepted()
    }
    stories: dict[str, list[Outcome]] = defaultdict(list)
    for one in engine.effects.outcomes:
        if one.instance is not None:
            stories[one.instance].append(one)
    left = {}
    for id, told in stories.items():
        story = "".join(_letter(one, kinds) for one in told)
        assert STORY.fullmatch(story), f"{id}: {story}"
        if not story.endswith("X"):
            left[id] = [one.node for one in told if one.type == "node.reached"][-1]
    standing = [one for record in engine.records.records.values() for one in record.instances]
    assert {one.id: one.node for one in standing} == left, "a wait was lost, or one is left over"
    for one in standing:
        assert (one.wait.due is None) == (one.wait.fire_at is None), "no clock looks at it"
    ids = [one.outcome_id for one in engine.effects.outcomes]
    ids += [one.action_id for one in engine.effects.actions]
    assert [id for id, times in Counter(ids).items() if times > 1] == []


def _letter(one: Outcome, kinds: Mapping[Any, Mapping[str, str]]) -> str:
    if one.type == "wait.started" and kinds[one.journey, one.version][one.node or ""] == "delay":
        return "D"
    return LETTERS.get(one.type, "")


def _judge_time(one: Outcome, step: Any) -> None:
    """A timer fires at its time or later, and the clock's don't overtake the log."""
    due = one.cause.timer
    if due is None or (one.detail or {}).get("reason") == "archived":
        return
    assert one.at >= due
    if one.cause.after:
        assert isinstance(step, Fire)
        assert parse_time(due) <= step.until, "a timer overtook the log"


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
        known = find(memory, number.to_bytes(8, "big"), model.time)
        assert (known >= 0) == model.remembers(user, message)
        if known < 0:
            memory = remember(memory, number.to_bytes(8, "big"), model.time)
        else:
            memory = refresh(memory, known, model.time)
        user.seen[:] = [one for one in user.seen if one[0] != message or known < 0]
        user.seen.append((message, model.time))
