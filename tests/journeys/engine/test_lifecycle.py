"""Pause, resume and archive under live users; versions that take over."""

from __future__ import annotations

import pytest

from journeys.engine.lifecycle import spread_of
from journeys.records.barrier import barrier
from tests.journeys.builders import DAY, HOUR, MINUTE, World, iso, journey

WAIT = """
waiting:
  type: wait_for_event
  event: answer
  within: 1h
  next: thank
  on_timeout: remind
  set: {said: '${event.properties.text}'}
thank:
  type: destination
  destination: mailer
  payload: {text: '${attr.said}', n: '${event.properties.n}'}
  next: done
remind: {type: destination, destination: mailer, payload: {remind: true}, next: stay}
stay: {type: delay, for: 1h}
again: {type: destination, destination: mailer, payload: {again: true}}
done: {type: exit, reason: done}
"""
SEND, SKIP, SPREAD = ("on_resume: send", "on_resume: skip", "on_resume: {spread: 30m}")


def paused(more: str = SEND, clock: str = "stream", **options: str) -> World:
    """One user waits, and the journey is paused a minute later."""
    world = World(journey(WAIT, more=more, **options), clock=clock)  # type: ignore[arg-type]
    world.event(arrival=0)
    world.turn("tour", "paused", MINUTE)
    return world


def payloads(world: World) -> list[object]:
    return [one.payload for one in world.actions()]


def test_while_paused_nobody_enters_and_nobody_advances() -> None:
    world = paused()
    world.event(at=2 * MINUTE)
    world.event("answer", at=3 * MINUTE, properties={"text": "hi", "n": 1})
    world.clock(3 * HOUR)
    assert len(world.told("journey.entered")) == 1
    assert world.instance().node == "waiting"
    assert world.actions() == []


def test_a_wait_keeps_the_first_event_that_matches_it_until_the_journey_runs_again() -> None:
    world = paused()
    for n in (1, 2):
        text = {"text": "hi", "n": n, "unread": "x" * 1_000}
        world.event("answer", at=n * MINUTE + 1, properties=text)
    assert [one.at for one in world.told("wait.matched")] == [iso(MINUTE + 1)]
    assert "unread" not in str(world.instance())
    world.clock(5 * HOUR)
    world.turn("tour", "running", 5 * HOUR)
    world.sweep()
    world.clock(5 * HOUR)
    assert payloads(world) == [{"text": "hi", "n": 1}]
    (sent,) = world.actions()
    assert sent.at == iso(5 * HOUR)
    assert world.story("journey.exited") == ["journey.exited done +18000s"]


def test_a_timer_that_was_due_meanwhile_goes_on_when_the_journey_runs_again() -> None:
    world = paused()
    world.clock(3 * HOUR)
    world.turn("tour", "running", 3 * HOUR)
    world.sweep()
    world.event("answer", at=4 * HOUR)
    assert [one.at for one in world.told("wait.timed_out")] == [iso(3 * HOUR)]
    assert world.told("wait.matched") == []
    assert payloads(world) == [{"remind": True}, {"again": True}]


def test_a_deadline_that_lies_after_the_pause_stays_what_it_was() -> None:
    world = paused()
    world.clock(30 * MINUTE)
    world.turn("tour", "running", 30 * MINUTE)
    world.sweep()
    world.clock(2 * HOUR)
    assert [one.at for one in world.told("wait.timed_out")] == [iso(HOUR)]


def test_skip_goes_on_without_the_actions_up_to_the_next_node_that_waits() -> None:
    world = paused(SKIP)
    world.clock(3 * HOUR)
    world.turn("tour", "running", 3 * HOUR)
    world.sweep()
    world.clock("end")
    (skipped,) = world.told("action.skipped")
    assert (skipped.node, skipped.detail) == (
        "remind",
        {"destination": "mailer", "reason": "paused"},
    )
    assert payloads(world) == [{"again": True}]


def test_spread_lets_instances_go_on_one_after_the_other() -> None:
    world = World(journey(WAIT, more=SPREAD))
    for n in range(40):
        world.event(user=f"u{n}")
    world.turn("tour", "paused", MINUTE)
    world.clock(3 * HOUR)
    world.turn("tour", "running", 3 * HOUR)
    world.sweep()
    world.clock("end")
    reminded = {one.user_id: one.at for one in world.told("wait.timed_out")}
    entered = {one.user_id: one.instance for one in world.told("journey.entered")}
    assert reminded == {
        user: iso(3 * HOUR + spread_of(instance or "", 30 * MINUTE))
        for user, instance in entered.items()
    }
    assert len(set(reminded.values())) == 40
    assert max(reminded.values()) < iso(3 * HOUR + 30 * MINUTE)


def test_the_default_spread_is_an_hour() -> None:
    world = paused("{}")
    world.clock(3 * HOUR)
    world.turn("tour", "running", 3 * HOUR)
    world.sweep()
    id = world.instance().id
    assert world.instance().wait.due is not None
    world.clock("end")
    (out,) = world.told("wait.timed_out")
    assert out.at == iso(3 * HOUR + spread_of(id, HOUR))


@pytest.mark.parametrize("touched_by", ["sweep", "event", "timer"])
def test_it_makes_no_difference_who_touches_the_user_first(touched_by: str) -> None:
    world = paused(SPREAD, clock="wall")
    if touched_by != "timer":
        world.fire(2 * HOUR)  # parked, as no clock may fire it while the journey is paused
    world.turn("tour", "running", 3 * HOUR)
    if touched_by == "sweep":
        world.sweep()
    elif touched_by == "event":
        world.event("other", at=3 * HOUR, arrival=3 * HOUR)
    world.fire(4 * HOUR)
    id = world.told("journey.entered")[0].instance or ""
    due = 3 * HOUR + spread_of(id, 30 * MINUTE)
    (out,) = world.told("wait.timed_out")
    assert (out.at, out.cause.timer) == (iso(4 * HOUR), iso(due))
    world.sweep()
    assert len(world.told("wait.timed_out")) == 1


def test_a_timer_that_a_clock_ahead_of_the_registers_put_off_is_not_lost() -> None:
    world = paused(clock="wall")
    world.fire(HOUR + 1)
    world.turn("tour", "running", HOUR - 1)
    world.sweep()
    world.fire(2 * HOUR)
    assert len(world.told("wait.timed_out")) == 1


def test_a_journey_that_is_paused_again_keeps_what_it_kept() -> None:
    world = paused()
    world.event("answer", at=2 * MINUTE, properties={"text": "hi", "n": 1})
    world.turn("tour", "running", 3 * MINUTE)
    world.turn("tour", "paused", 4 * MINUTE)
    world.sweep()
    world.clock(HOUR)
    assert world.actions() == []
    world.turn("tour", "running", 2 * HOUR)
    world.sweep()
    world.clock(2 * HOUR)
    assert payloads(world) == [{"text": "hi", "n": 1}]


def test_exits_and_goals_work_while_a_journey_is_paused() -> None:
    world = paused("{exit: [{event: closed}], goal: {event: bought, within: 1d}}")
    world.event("bought", at=2 * MINUTE)
    world.event("closed", at=3 * MINUTE)
    assert world.story("goal.reached", "journey.exited") == [
        "goal.reached +120s",
        "journey.exited global_exit +180s",
    ]


def test_an_overdue_wait_that_a_late_event_answers_in_time_is_answered() -> None:
    world = paused(clock="wall")
    world.event("answer", at=59 * MINUTE, arrival=2 * HOUR, properties={"text": "x", "n": 2})
    assert len(world.told("wait.matched")) == 1
    world.turn("tour", "running", 3 * HOUR)
    world.fire(3 * HOUR)
    world.sweep()
    world.fire(3 * HOUR)
    assert payloads(world) == [{"text": "x", "n": 2}]


@pytest.mark.parametrize("touch", ["event", "clock", "sweep"])
def test_instances_of_an_archived_journey_end_once(touch: str) -> None:
    world = World(journey(WAIT))
    world.event()
    world.turn("tour", "archived", MINUTE)
    if touch == "event":
        world.event("other", at=MINUTE)
    elif touch == "clock":
        world.clock(2 * HOUR)
    world.sweep()
    (end,) = world.told("journey.exited")
    assert end.detail == {"reason": "archived"}
    assert world.record().instances == ()


def test_an_instance_ends_though_its_journey_left_the_archive_before_it_was_touched() -> None:
    world = World(journey(WAIT))
    world.event()
    world.turn("tour", "archived", MINUTE)
    world.turn("tour", "running", 2 * MINUTE)
    world.event(at=3 * MINUTE)
    assert len(world.told("journey.entered")) == 2
    assert len(world.told("journey.exited")) == 1
    world.clock("end")
    assert len(world.told("wait.timed_out")) == 1


def test_under_the_stream_clock_a_barrier_sweeps_before_the_log_goes_on() -> None:
    world = paused()
    world.processor = type(world.processor)(
        world.records,
        world.processor.catalog,
        "stream",
        world.processor.partition_time,
        at_barrier=lambda _: world.versions.running(),
    )
    world.clock(3 * HOUR)
    world.versions.turn("tour", "running", 10 * DAY)
    world.raw(barrier(1), kind="barrier")
    world.event("other", at=3 * HOUR + 1, user="v")
    assert [one.at for one in world.told("wait.timed_out")] == [iso(3 * HOUR)]


# Versions that take over.

ASK = """
ask: {type: wait_for_event, event: %s, within: 1h, next: %s, on_timeout: late}
late: {type: exit, reason: late}
tell: {type: destination, destination: mailer, payload: {n: '${entry.properties.%s}'}, next: thanks}
thanks: {type: exit, reason: %s}
"""
FOLLOW = "in_flight: follow"


def followed(second: str, more: str = FOLLOW) -> World:
    world = World(journey(ASK % ("answer", "tell", "n", "old")))
    world.event(properties={"n": 1, "m": 2})
    world.push(journey(second, more=more))
    return world


def test_with_follow_an_instance_goes_on_with_the_new_version_at_its_next_step() -> None:
    world = followed(ASK % ("reply", "tell", "n", "new"))
    world.event("answer", at=1)
    assert world.told("wait.matched") == []
    world.event("reply", at=2)
    (end,) = world.told("journey.exited")
    assert (end.version, end.detail) == ("v2", {"reason": "new"})


def test_its_timer_is_the_new_versions_too_at_the_time_that_it_had() -> None:
    second = (ASK % ("answer", "tell", "n", "new")).replace("1h", "5h")
    world = followed(second.replace("reason: late", "reason: new"))
    world.clock("end")
    (end,) = world.told("journey.exited")
    assert (end.version, end.at, end.detail) == ("v2", iso(HOUR), {"reason": "new"})


def test_a_sweep_is_no_step_with_which_a_version_could_take_over() -> None:
    world = followed(ASK % ("reply", "tell", "n", "new"))
    world.turn("tour", "paused", 1)
    world.turn("tour", "running", 2)
    world.sweep()
    assert world.instance().version == "v1"
    world.event("reply", at=2)
    assert world.told("journey.exited")[0].version == "v2"


@pytest.mark.parametrize("first", ["clock", "event"])
def test_each_timer_is_a_step_with_which_a_version_can_take_over(first: str) -> None:
    nodes = "%s: {type: delay, for: 1h}\nask: {type: wait_for_event, event: %s, within: 9h}\n"
    world = World(journey(nodes % ("old", "answer")), clock="wall")
    world.event(arrival=0)
    world.push(journey(nodes % ("new", "reply"), more=FOLLOW))
    if first == "clock":
        world.fire(HOUR)
    world.event("reply", at=HOUR + 1, arrival=HOUR + 1)
    assert len(world.told("wait.matched")) == 1


def test_the_default_is_to_keep_the_version() -> None:
    world = followed(ASK % ("reply", "tell", "n", "new"), more="{}")
    world.event("reply", at=1)
    world.event("answer", at=2)
    (end,) = world.told("journey.exited")
    assert end.version == "v1"


@pytest.mark.parametrize(
    "second",
    [
        ASK % ("answer", "tell", "m", "new"),  # reads what was not kept
        (ASK % ("answer", "tell", "n", "new")).replace("ask:", "asked:"),  # the node is gone
        "ask: {type: delay, for: 1h}\ntell: {type: exit}",  # it is of another type
    ],
)
def test_where_the_new_version_cannot_take_over_the_old_one_goes_on(second: str) -> None:
    world = followed(second)
    world.event("answer", at=1)
    (end,) = world.told("journey.exited")
    assert (end.version, end.detail) == ("v1", {"reason": "old"})
