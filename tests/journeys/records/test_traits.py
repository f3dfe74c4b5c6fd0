"""The user's profile: how events change it, when it is read, and what is reported about it."""

from __future__ import annotations

from tests.journeys.builders import MINUTE, WAIT, World, journey

SEND = "send: {type: destination, destination: mailer, payload: {to: '${user.traits.email}'}}"


def test_traits_merge_shallowly_in_log_order_and_null_removes() -> None:
    world = World(journey(WAIT))
    world.event("other", at=MINUTE, traits={"a": 1, "b": {"x": 1}, "c": 3})
    world.event("other", at=0, traits={"a": 2, "b": {"y": 2}, "c": None})
    assert world.record().traits == {"a": 2, "b": {"y": 2}}


def test_an_entry_sees_the_traits_of_its_own_event() -> None:
    world = World(journey(SEND))
    world.event(traits={"email": "a@example.com"})
    assert world.actions()[0].payload == {"to": "a@example.com"}


def test_traits_are_read_at_the_moment_of_use() -> None:
    world = World(journey("pause: {type: delay, for: 1h}\n" + SEND))
    world.event(traits={"email": "old"})
    world.event("other", at=MINUTE, traits={"email": "new"})
    world.clock("end")
    assert world.actions()[0].payload == {"to": "new"}


def test_identify_needs_no_event_and_only_changes_the_profile() -> None:
    world = World(journey(WAIT))
    world.event(None, type="identify", traits={"a": 1})
    assert world.record().traits == {"a": 1}
    assert world.story() == ["profile.changed"]


def test_a_profile_change_is_reported_with_the_names_of_its_traits() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": 1, "b": [1], "c": {"x": 1}, "d": "x"})
    world.event("other", traits={"a": 1, "b": [True], "c": {"x": 1}, "d": None, "e": None})
    world.event("other", traits={"a": 1.0})
    told = [one.detail for one in world.told("profile.changed")]
    assert told == [{"traits": ["a", "b", "c", "d"]}, {"traits": ["b", "d"]}, {"traits": ["a"]}]


def test_traits_that_change_nothing_are_not_reported() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": {"x": [1, None]}})
    before = world.record().traits
    world.event("other", traits={"a": {"x": [1, None]}, "b": None})
    assert len(world.told()) == 1
    assert world.record().traits is before


def test_of_very_many_traits_a_hundred_names_are_reported() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"x" * 300: 0, **{f"t{n}": n for n in range(250)}})
    (changed,) = world.told("profile.changed")
    assert changed.detail is not None
    assert changed.detail["traits"] == ["x" * 256, *(f"t{n}" for n in range(99))]
    assert changed.detail["more"] == 151


def test_a_backfill_updates_the_profile_and_starts_and_moves_nothing() -> None:
    world = World(journey(WAIT))
    world.event(backfill=True, traits={"a": 1})
    assert world.record().traits == {"a": 1}
    assert world.story() == ["profile.changed"]
