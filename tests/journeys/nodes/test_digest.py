"""digest collects events for a while and goes on once; `reset` starts a wait's time limit anew."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from journeys.nodes.digest import MAX_BYTES
from journeys.records.user_record import CLAIMED, encode
from tests.journeys.builders import DAY, HOUR, MINUTE, START, World, iso, journey

NODES = """
news: {type: digest, every: 1h, max: 3, next: mail}
mail:
  type: destination
  destination: mailer
  payload:
    count: ${steps.news.count}
    who: ${steps.news.events.map(one, one.properties.who)}
    when: ${steps.news.events.map(one, one.timestamp)}
"""
AGAIN = (
    "again: {type: criteria, branches: [{when: steps.news.count > 0, next: news}], otherwise: mail}"
)
BY_POST = "event: start, key: event.properties.post"


def commented(world: World, who: str, at: int, post: str = "p", **fields: Any) -> None:
    world.event(at=at, properties={"who": who, "post": post}, **fields)


def digest(entry: str = BY_POST, nodes: str = NODES, more: str = "{}", **options: Any) -> World:
    return World(journey(nodes, entry=entry, more=more), **options)


def test_it_collects_what_enters_for_an_hour_and_sends_once() -> None:
    world = digest()
    commented(world, "anna", 0)
    commented(world, "ben", HOUR - 1)
    commented(world, "cleo", HOUR)
    world.clock(HOUR)
    (sent,) = world.actions()
    assert sent.at == iso(HOUR)
    assert sent.payload == {"count": 2, "who": ["anna", "ben"], "when": [iso(0), iso(HOUR - 1)]}
    assert len(world.told("journey.entered")) == 2  # the timer wins at the deadline
    assert world.told("journey.rejected") == []


def test_there_is_one_digest_for_each_key() -> None:
    world = digest()
    for post in "pqpqp":
        commented(world, "anna", 0, post)
    world.clock("end")
    assert [(one.key, one.payload["count"]) for one in world.actions()] == [("p", 3), ("q", 2)]


def test_without_a_key_there_is_one_for_each_user() -> None:
    world = digest("event: start")
    for at in (0, 1, 2):
        commented(world, "anna", at)
    commented(world, "ben", 3, user="v")
    world.clock("end")
    assert sorted((one.user_id, one.payload["count"]) for one in world.actions()) == [
        ("u", 3),
        ("v", 1),
    ]


def test_beyond_max_events_are_counted_and_reported() -> None:
    world = digest()
    for at in range(5):
        commented(world, "anna", at)
    world.clock("end")
    assert world.actions()[0].payload["count"] == 5
    assert len(world.actions()[0].payload["who"]) == 3
    assert [one.detail["reason"] for one in world.told("digest.overflowed") if one.detail] == [
        "max",
        "max",
    ]
    assert [one.detail for one in world.told("digest.closed")] == [{"count": 5, "kept": 3}]


def test_large_properties_are_cut_and_reported() -> None:
    world = digest()
    world.event(properties={"post": "p", "text": "x" * 5_000, "who": "anna"})
    (told,) = world.told("digest.collected")
    assert told.detail is not None
    assert told.detail["cut"] == ["text"]
    assert world.instance().context["steps"]["news"]["events"][0]["properties"] == {
        "post": "p",
        "who": "anna",
    }


def test_all_kept_events_together_have_a_limit_in_bytes() -> None:
    world = digest(nodes=NODES.replace("max: 3", "max: 1000"))
    for at in range(40):
        commented(world, "x" * 3_000, at)
    reasons = {one.detail["reason"] for one in world.told("digest.overflowed") if one.detail}
    assert reasons == {"bytes"}
    assert len(encode(world.record())) < 2 * MAX_BYTES
    assert world.instance().context["steps"]["news"]["count"] == 40


def test_events_that_nothing_reads_are_not_kept() -> None:
    world = digest(
        nodes="news: {type: digest, every: 1h, set: {n: '${steps.news.count}'}}\n"
        + """
mail: {type: destination, destination: mailer, payload: {n: '${attr.n}'}}
"""
    )
    for at in range(3):
        commented(world, "anna", at)
    assert "anna" not in str(world.instance().context)
    world.clock("end")
    assert world.actions()[0].payload == {"n": 3}


def test_the_conditions_of_the_entry_hold_for_all_it_collects() -> None:
    world = digest("event: start, key: event.properties.post, where: event.properties.who != 'bot'")
    for at, who in enumerate(("anna", "bot", "ben")):
        commented(world, who, at)
    world.event(at=5, properties={"post": "p"})  # the condition fails
    world.clock("end")
    assert world.actions()[0].payload["who"] == ["anna", "ben"]


def test_a_repeated_event_is_collected_once_and_a_late_one_is() -> None:
    world = digest()
    commented(world, "anna", HOUR, messageId="m")
    commented(world, "anna", HOUR, messageId="m")
    commented(world, "ben", 0)
    world.clock("end")
    assert world.actions()[0].payload["who"] == ["anna", "ben"]
    assert world.actions()[0].at == iso(2 * HOUR)


def test_reached_after_a_wait_it_begins_with_the_entry_event() -> None:
    world = digest("event: start", "later: {type: delay, for: 10m}\n" + NODES)
    commented(world, "anna", 0)
    world.clock(10 * MINUTE)
    commented(world, "ben", 20 * MINUTE)
    world.clock("end")
    assert world.actions()[0].payload["who"] == ["anna", "ben"]
    assert world.actions()[0].at == iso(70 * MINUTE)


def test_reached_again_it_begins_empty() -> None:
    more = (
        NODES
        + """
more:
  type: criteria
  branches: [{when: steps.news.count > 0, next: news}]
  otherwise: done
done: {type: exit}
"""
    )
    world = digest(nodes=more)
    commented(world, "anna", 0)
    commented(world, "ben", HOUR + MINUTE)
    world.clock("end")
    assert [one.payload["who"] for one in world.actions()] == [["anna"], ["ben"], []]


def test_events_of_its_own_count_from_when_it_is_reached() -> None:
    own = NODES.replace("every: 1h", "event: like, where: event.properties.who != 'bot', every: 1h")
    world = digest(nodes=own)
    commented(world, "anna", 0)
    for who, post in (("ben", "p"), ("bot", "p"), ("cleo", "q")):
        world.event("like", at=MINUTE, properties={"who": who, "post": post})
    commented(world, "dan", MINUTE)
    world.clock("end")
    assert [one.payload["who"] for one in world.actions()] == [["ben"]]
    assert world.story("journey.rejected") == ["journey.rejected already_in +60s"]


def test_it_collects_until_a_local_time() -> None:
    local = NODES.replace("every: 1h", 'until_local: {time: "09:00", timezone: Europe/Berlin}')
    world = digest(nodes=local)
    commented(world, "anna", 0)
    world.clock("end")
    assert world.actions()[0].at == iso(20 * HOUR)  # 08:00 UTC of the next day


def test_a_pause_does_not_stop_it_from_collecting() -> None:
    world = digest(more="on_resume: send", clock="wall")
    commented(world, "anna", 0, arrival=0)
    world.turn("tour", "paused", MINUTE)
    commented(world, "ben", 2 * MINUTE, arrival=2 * MINUTE)
    world.fire(2 * HOUR)
    commented(world, "cleo", 2 * HOUR, arrival=2 * HOUR)
    world.turn("tour", "running", 3 * HOUR)
    world.sweep()
    world.fire(3 * HOUR)
    assert [one.payload["who"] for one in world.actions()] == [["anna", "ben", "cleo"]]


@pytest.mark.parametrize("collects", ["", "event: start,"])
def test_a_digest_whose_turn_after_a_pause_has_not_come_collects(collects: str) -> None:
    world = digest(
        nodes=NODES.replace("every", collects + " every"), more="on_resume: {spread: 10h}"
    )
    commented(world, "anna", 0)
    world.turn("tour", "paused", MINUTE)
    world.clock(2 * HOUR)
    world.turn("tour", "running", 2 * HOUR)
    world.sweep()
    commented(world, "ben", 2 * HOUR + 1)
    [held] = world.record().instances
    assert held.held is not None
    assert held.wait.due is not None
    commented(world, "cleo", held.wait.due - START - 1)
    commented(world, "dora", held.wait.due - START)
    [sent] = world.actions()
    assert sent.at == iso(held.wait.due - START)
    assert sent.payload["who"] == (["ben", "cleo"] if collects else ["anna", "ben", "cleo"])
    rejected = [(one.detail or {})["reason"] for one in world.told("journey.rejected")]
    assert rejected == (["already_in"] * 2 if collects else [])


LOOP = """
again: {type: delay, for: 10m}
side: {type: parallel, branches: {a: news, b: first}, join: JOIN, next: again}
first: {type: delay, for: 30m}
more: {type: digest, every: 10m, next: again}
news: {type: digest, every: 2h, next: again}
"""


@pytest.mark.parametrize("join", ["none", "any", "all"])
def test_the_entry_event_is_collected_once_by_an_instance_with_its_branches(join: str) -> None:
    world = digest(nodes=LOOP.replace("JOIN", join))
    commented(world, "anna", 0)
    world.clock(9 * HOUR)
    assert [one.node for one in world.told("digest.collected")] == ["news"]
    assert len(world.told("digest.closed")) > 3
    commented(world, "ben", 9 * HOUR)
    ids = {(one.detail or {})["message_id"] for one in world.told("digest.collected")}
    assert len(ids) == 2  # a live digest collects what comes next


def test_a_branch_that_outlives_its_instance_knows_that_the_entry_event_was_collected() -> None:
    world = digest(
        nodes="""
side: {type: parallel, branches: {a: first}, join: none, next: short}
first: {type: delay, for: 2h}
late: {type: digest, every: 1h, next: short}
short: {type: digest, every: 1h}
"""
    )
    commented(world, "anna", 0)
    world.clock("end")
    closed = [(one.node, (one.detail or {})["count"]) for one in world.told("digest.closed")]
    assert closed == [("short", 1), ("late", 0)]


def test_of_two_digests_in_a_row_the_first_begins_with_the_entry_event() -> None:
    world = digest(nodes="early: {type: digest, every: 1h}\n" + NODES)
    commented(world, "anna", 0)
    world.clock("end")
    assert [one.node for one in world.told("digest.collected")] == ["early"]
    assert world.actions()[0].payload["count"] == 0


def test_a_digest_passed_before_records_said_who_collected_the_entry_event_begins_empty() -> None:
    world = digest(nodes=NODES.replace("next: mail", "set: {a: 1}, next: again") + AGAIN)
    commented(world, "anna", 0)
    record = world.record()
    [one] = record.instances
    old = {name: value for name, value in one.context.items() if name != CLAIMED}
    assert old != one.context
    world.records.put("u", replace(record, instances=(replace(one, context=old),)))
    world.clock("end")
    assert [(one.detail or {})["count"] for one in world.told("digest.closed")] == [1, 0]


def test_an_edit_leaves_its_conditions_to_a_live_digest() -> None:
    world = digest()
    commented(world, "anna", 0)
    world.push(journey(NODES, entry="event: other, key: event.properties.post"))
    commented(world, "ben", 1)
    world.event("other", at=2, properties={"who": "cleo", "post": "p"})
    world.clock("end")
    assert [one.payload["who"] for one in world.actions()] == [["anna", "ben"]]
    assert world.story("journey.rejected")[0].startswith("journey.rejected already_in")


def test_an_exit_ends_it_and_an_archive_too() -> None:
    world = digest(more="exit: [{event: stop}]")
    commented(world, "anna", 0)
    world.event("stop", at=1, properties={"post": "p"})
    assert world.record().instances == ()
    commented(world, "ben", 2)
    world.turn("tour", "archived", MINUTE)
    world.sweep()
    assert world.record().instances == ()
    assert world.actions() == []


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("{type: digest}", "either `every` or `until_local`"),
        ("{type: digest, every: 1h, event: a, any_of: [{event: b}]}", "either `event` or `any_of`"),
        ("{type: digest, every: 1h, where: 'true'}", "`where` needs `event`"),
        ("{type: digest, every: 1h, match: none}", "`match` needs `event`"),
        ("{type: digest, every: 1h, on_error: a}", "`on_error` needs an expression"),
        ("{type: digest, every: 1h, max: 0}", "greater than or equal to 1"),
        (
            "{type: wait_for_event, any_of: [{event: a, reset: true}], within: forever}",
            "`reset` needs a time limit",
        ),
        (
            "{type: wait_for_event, any_of: [{event: a, reset: true, next: a}], within: 1h}",
            "takes no `next`",
        ),
    ],
)
def test_a_node_that_contradicts_itself_is_refused(node: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        journey(f"a: {node}")


# --- reset ---------------------------------------------------------------------------------------

QUIET = """
quiet:
  type: wait_for_event
  any_of: [{event: view, reset: true}, {event: order, next: done}]
  within: 10m
  on_timeout: remind
remind:
  type: destination
  destination: mailer
  payload: {page: '${steps.quiet.event.properties.p}'}
done: {type: exit}
"""


def quiet(**options: Any) -> World:
    world = World(journey(QUIET), **options)
    world.event()
    return world


def test_the_time_limit_begins_anew_at_each_reset() -> None:
    world = quiet()
    for minute in (5, 14, 23):
        world.event("view", at=minute * MINUTE, properties={"p": minute})
    world.clock("end")
    (sent,) = world.actions()
    assert (sent.at, sent.payload) == (iso(33 * MINUTE), {"page": 23})
    dues = [one.detail["due"] for one in world.told("wait.rescheduled") if one.detail]
    assert dues == [iso(15 * MINUTE), iso(24 * MINUTE), iso(33 * MINUTE)]


def test_at_the_deadline_the_timer_wins() -> None:
    world = quiet()
    world.event("view", at=10 * MINUTE)
    assert world.told("wait.rescheduled") == []
    assert len(world.told("wait.timed_out")) == 1


def test_a_late_or_repeated_event_changes_nothing() -> None:
    world = quiet()
    world.event("view", at=9 * MINUTE, messageId="m")
    before = world.instance()
    world.event("view", at=9 * MINUTE, messageId="m")
    world.event("view", at=3 * MINUTE)
    world.event("view", at=9 * MINUTE)
    assert world.instance() == before
    assert len(world.told("wait.rescheduled")) == 1


def test_other_alternatives_still_move_the_instance() -> None:
    world = quiet()
    world.event("view", at=9 * MINUTE)
    world.event("order", at=18 * MINUTE)
    assert world.record().instances == ()
    assert world.actions() == []


def test_a_pause_does_not_stop_resets() -> None:
    world = quiet(clock="wall")
    world.turn("tour", "paused", MINUTE)
    world.event("view", at=9 * MINUTE, arrival=9 * MINUTE)
    world.turn("tour", "running", 12 * MINUTE)
    world.sweep()
    assert world.instance().wait.due == START + 19 * MINUTE


def test_a_reset_that_came_late_leaves_time_for_the_rest_of_its_upload() -> None:
    world = quiet(clock="wall")
    world.event("view", at=9 * MINUTE, arrival=DAY)
    wait = world.instance().wait if world.record().instances else None
    assert wait is not None
    assert wait.due == START + 19 * MINUTE
    assert wait.fire_at == START + DAY + 10_000
