"""The user's profile: how events change it, when it is read, and what is reported about it."""

from __future__ import annotations

from journeys.records.traits import merge
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


def test_traits_once_fill_only_what_is_absent() -> None:
    world = World(journey(WAIT))
    world.event(None, type="identify", traits={"a": 1, "f": False, "l": []})
    world.event("other", traits_once={"a": 2, "f": True, "l": [1], "b": 2, "n": None})
    assert world.record().traits == {"a": 1, "f": False, "l": [], "b": 2}
    world.event("other", traits_once={"b": 3})
    changed = [one.detail for one in world.told("profile.changed")]
    assert changed == [{"traits": ["a", "f", "l"]}, {"traits": ["b"]}]


def test_the_first_to_arrive_fills_whatever_its_time() -> None:
    world = World(journey(WAIT))
    world.event("other", at=MINUTE, traits_once={"source": "ad"})
    world.event("other", at=0, traits_once={"source": "mail"}, messageId="late")
    assert world.record().traits == {"source": "ad"}
    world.event("other", at=0, traits={"source": "mail"})
    assert world.record().traits == {"source": "mail"}


def test_of_one_event_traits_come_first_and_what_they_remove_is_absent() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": 1, "b": 1, "c": 1})
    world.event(
        "other", traits={"a": None, "b": None, "c": 2}, traits_once={"a": 3, "b": 1, "c": 4}
    )
    assert world.record().traits == {"a": 3, "b": 1, "c": 2}
    assert world.told("profile.changed")[1].detail == {"traits": ["a", "c"]}


def test_a_repeat_fills_nothing() -> None:
    world = World(journey(WAIT))
    world.event("other", traits_once={"a": 1}, messageId="m")
    world.event("other", traits={"a": None})
    world.event("other", traits_once={"a": 1}, messageId="m")
    assert world.record().traits == {}


def test_the_traits_of_a_backfill_fill_only_what_is_absent() -> None:
    world = World(journey(WAIT))
    world.event(None, type="identify", traits={"a": 1, "b": 1})
    old = {"a": 0, "b": None, "c": 3}
    world.event("other", backfill=True, traits=old, traits_once={"c": 4, "d": 4})
    assert world.record().traits == {"a": 1, "b": 1, "c": 3, "d": 4}
    world.event("start", backfill="overwrite", traits=old)
    assert world.record().traits == {"a": 0, "c": 3, "d": 4}
    assert world.told("journey.entered") == []


def test_an_entry_sees_the_traits_that_its_own_event_fills() -> None:
    world = World(journey(SEND))
    world.event(traits_once={"email": "a@example.com"})
    world.event(traits_once={"email": "b@example.com"})
    assert [one.payload for one in world.actions()] == [{"to": "a@example.com"}] * 2


def test_whole_events_in_payloads_have_traits_once_only_if_they_were_given() -> None:
    send = "send: {type: destination, destination: mailer, payload: {all: '${entry}'}}"
    world = World(journey(send))
    world.event()
    world.event(traits_once={})
    world.event(traits_once={"a": None})
    found = [one.payload["all"].get("traits_once") for one in world.actions()]
    assert found == [None, None, {"a": None}]
    assert ["traits_once" in one.payload["all"] for one in world.actions()] == [False, False, True]


def test_an_expression_reads_traits_once_of_an_event() -> None:
    where = "has(event.traits_once) && event.traits_once.source == 'ad'"
    world = World(journey(WAIT, entry=f'event: start, where: "{where}"'))
    world.event()
    world.event(traits_once={"source": "mail"})
    assert world.told("journey.entered") == []
    world.event(traits_once={"source": "ad"})
    assert len(world.told("journey.entered")) == 1


def test_the_order_of_the_names_in_a_mapping_is_no_change() -> None:
    old = {"a": {"city": "Ulm", "zip": "1"}, "b": [{"x": 1, "y": True}]}
    assert merge(old, {"a": {"zip": "1", "city": "Ulm"}, "b": [{"y": True, "x": 1}]})[1] == []
    assert merge(old, {"b": [{"x": 1.0, "y": True}]})[1] == ["b"]
