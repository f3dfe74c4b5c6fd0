"""Global exits end instances wherever they stand, and goals are counted once."""

from __future__ import annotations

import pytest

from tests.journeys.builders import DAY, HOUR, KEYED, MINUTE, WAIT, World, journey


def two_orders(more: str) -> World:
    """A user with two live instances, the orders a and b."""
    world = World(journey(WAIT, entry=KEYED, more=more))
    world.event(properties={"k": "a"})
    world.event(properties={"k": "b"}, at=1)
    return world


def ended(world: World) -> list[tuple[str | None, str]]:
    return [(one.key, one.detail["reason"]) for one in world.told("journey.exited")]


# Global exits.


def test_a_global_exit_ends_every_instance_of_the_journey() -> None:
    world = two_orders("exit: [{event: closed}]")
    world.event("closed", at=MINUTE)
    assert ended(world) == [("a", "global_exit"), ("b", "global_exit")]
    assert world.record().instances == ()
    one, _ = world.told("journey.exited")
    assert (one.node, one.detail) == (
        "waiting",
        {"reason": "global_exit", "event": "closed", "message_id": "events-0-2"},
    )


def test_with_match_it_ends_the_instance_whose_key_the_event_carries() -> None:
    world = two_orders("exit: [{event: closed, match: event.properties.order, reason: gone}]")
    world.event("closed", at=MINUTE, properties={"order": "b"})
    assert ended(world) == [("b", "gone")]


def test_match_none_means_all_as_no_match_does() -> None:
    world = two_orders("exit: [{event: closed, match: none}]")
    world.event("closed", at=MINUTE)
    assert len(ended(world)) == 2


def test_where_may_read_the_event_and_the_entry() -> None:
    where = "event.properties.order == entry.properties.k && user.id == 'u'"
    world = two_orders(f'exit: [{{event: closed, where: "{where}"}}]')
    world.event("closed", at=MINUTE, properties={"order": "a"})
    assert ended(world) == [("a", "global_exit")]


def test_a_where_that_fails_ends_nothing_and_is_reported() -> None:
    world = two_orders("exit: [{event: closed, where: event.properties.n > 1}]")
    world.event("closed", at=MINUTE)
    assert ended(world) == []
    assert len(world.told("expression.failed")) == 2


def test_the_first_that_holds_gives_the_reason() -> None:
    more = """
    exit:
      - {event: closed, where: event.properties.n > 1, reason: many}
      - {event: closed, reason: any}
    """
    world = two_orders(more)
    world.event("closed", at=MINUTE, properties={"n": 1})
    assert ended(world) == [("a", "any"), ("b", "any")]


def test_exits_come_before_waits_and_the_ended_instance_makes_room_for_an_entry() -> None:
    world = World(
        journey(
            WAIT,
            entry="any_of: [{event: start}, {event: answer}], reentry: after_exit",
            more="exit: [{event: answer}]",
        )
    )
    world.event()
    world.event("answer", at=1)
    assert [
        one.type for one in world.told("journey.exited", "wait.matched", "journey.entered")
    ] == [
        "journey.entered",
        "journey.exited",
        "journey.entered",
    ]


def test_a_timer_that_is_due_fires_before_the_exit() -> None:
    world = World(journey(WAIT, more="exit: [{event: closed}]"))
    world.event()
    world.event("closed", at=HOUR)
    assert ended(world) == [(None, "late")]


def test_an_emitted_event_ends_instances_too() -> None:
    teller = journey("say: {type: emit_event, event: closed}", name="zeal", entry="event: bye")
    world = World(journey(WAIT, more="exit: [{event: closed}]"), teller)
    world.event()
    world.event("bye", at=1)
    assert (None, "global_exit") in ended(world)


def test_a_backfill_ends_nothing() -> None:
    world = two_orders("exit: [{event: closed}]")
    world.event("closed", at=1, backfill=True)
    assert ended(world) == []


# Goals.

GOAL = "goal: {event: bought, within: 2h}"


def reached(world: World) -> list[str | None]:
    return [one.key for one in world.told("goal.reached")]


def test_a_goal_is_reached_by_the_key_and_counted_once() -> None:
    world = two_orders(GOAL)
    for at in (MINUTE, 2 * MINUTE):
        world.event("bought", at=at, properties={"k": "b"})
    assert reached(world) == ["b"]
    (one,) = world.told("goal.reached")
    assert (one.node, one.instance, one.detail) == (
        None,
        world.record().instances[1].id,
        {"event": "bought", "message_id": "events-0-2"},
    )


def test_a_key_that_reads_the_entry_is_matched_by_what_the_entry_had() -> None:
    world = World(journey(WAIT, entry="event: start, key: entry.properties.k", more=GOAL))
    world.event(properties={"k": "a"})
    world.event("bought", at=MINUTE)
    assert reached(world) == ["a"]


def test_it_is_watched_to_the_end_of_its_window_after_the_instance_has_ended() -> None:
    world = two_orders(GOAL)
    world.clock(90 * MINUTE)
    assert world.record().instances == ()
    world.event("bought", at=2 * HOUR - 1, properties={"k": "a"})
    world.event("bought", at=2 * HOUR + 1, properties={"k": "b"})
    assert reached(world) == ["a"]


def test_what_happens_at_the_end_of_the_window_is_outside() -> None:
    world = two_orders(GOAL)
    world.event("bought", at=2 * HOUR, properties={"k": "a"})
    assert reached(world) == []


@pytest.mark.parametrize(("days", "counted"), [(1, ["a"]), (2, [])])
def test_an_event_that_comes_late_counts_by_its_own_time_for_a_day(
    days: int, counted: list[str]
) -> None:
    world = two_orders(GOAL)
    world.event("other", at=days * DAY, user="somebody else")
    world.event("bought", at=MINUTE, properties={"k": "a"})
    assert reached(world) == counted


def test_without_a_window_it_is_watched_while_the_instance_lives() -> None:
    world = two_orders("goal: {event: bought}")
    world.event("bought", at=MINUTE, properties={"k": "a"})
    world.clock(2 * HOUR)
    world.event("bought", at=2 * HOUR, properties={"k": "b"})
    assert reached(world) == ["a"]
    assert world.record().goals == ()


def test_with_exit_it_ends_the_instance() -> None:
    world = two_orders("goal: {event: bought, exit: true}")
    world.event("bought", at=MINUTE, properties={"k": "b"})
    assert ended(world) == [("b", "goal")]


def test_the_goal_of_an_instance_that_ended_before_ends_no_other() -> None:
    world = two_orders("goal: {event: bought, within: 3h, match: none, exit: true}")
    world.clock(2 * HOUR)
    world.event(properties={"k": "c"}, at=2 * HOUR + 1)
    world.event("bought", at=2 * HOUR + 2)
    assert len(reached(world)) == 3
    assert ended(world)[2:] == [("c", "goal")]


def test_where_reads_the_entry_long_after_the_instance() -> None:
    world = two_orders(
        "goal: {event: bought, within: 9h, where: \"entry.properties.k == 'b'\", match: none}"
    )
    world.clock(2 * HOUR)
    world.event("bought", at=3 * HOUR)
    assert reached(world) == ["b"]


def test_a_goal_comes_before_the_waits_and_never_counts_the_event_that_starts() -> None:
    world = World(
        journey(
            WAIT,
            entry="any_of: [{event: start}, {event: answer}], reentry: after_exit",
            more="goal: {event: answer, within: 1d}",
        )
    )
    world.event("answer")
    world.event("answer", at=1)
    types = [one.type for one in world.told("goal.reached", "wait.matched")]
    assert types == ["goal.reached", "wait.matched"]


def test_goals_work_for_journeys_that_were_paused_or_archived() -> None:
    for status in ("paused", "archived"):
        world = two_orders(GOAL)
        world.turn("tour", status)
        world.sweep()
        world.event("bought", at=MINUTE, properties={"k": "a"})
        assert reached(world) == ["a"]


def test_a_goal_is_that_of_the_version_the_instance_entered_with() -> None:
    world = two_orders(GOAL)
    world.push(journey(WAIT, entry=KEYED, more="goal: {event: paid}"))
    world.event("bought", at=MINUTE, properties={"k": "a"})
    assert reached(world) == ["a"]


def test_goals_whose_window_is_long_over_are_forgotten() -> None:
    world = two_orders(GOAL)
    world.event(at=3 * DAY, properties={"k": "c"})
    assert [goal.key for goal in world.record().goals] == ["c"]
