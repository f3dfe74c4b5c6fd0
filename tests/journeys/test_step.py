"""One step, rule by rule, in the order of the specification."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.nodes.experiment import choose
from journeys.state import MAX_INSTANCES, encode
from tests.journeys.builders import DAY, HOUR, MINUTE, SECOND, START, World, iso, journey

WAIT = """
waiting: {type: wait_for_event, event: answer, within: 1h, next: done, on_timeout: late}
done: {type: exit, reason: answered}
late: {type: exit, reason: late}
"""
KEYED = "event: start, key: event.properties.k"
SEND = "send: {type: destination, destination: mailer, payload: {to: '${user.traits.email}'}}"
DELAYS = """
first: {type: delay, for: 1h}
second: {type: delay, for: 1h}
done: {type: exit, reason: done}
"""


# 1. Repeats.


def test_an_event_whose_message_id_was_seen_is_dropped() -> None:
    world = World(journey(WAIT))
    world.event(messageId="m")
    before = world.record()
    world.event(at=MINUTE, messageId="m")
    assert world.record() is before
    assert len(world.told("journey.entered")) == 1
    assert world.effects.counts["event.repeated"] == 1


def test_two_events_without_a_message_id_are_two_events() -> None:
    world = World(journey(WAIT))
    world.event()
    world.event()
    assert len(world.record().instances) == 2


def test_a_repeat_fires_no_timer() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(messageId="m", arrival=0)
    world.event(at=2 * HOUR, messageId="m", arrival=2 * HOUR)
    assert world.told("wait.timed_out") == []


def test_the_same_message_id_of_another_user_is_no_repeat() -> None:
    world = World(journey(WAIT))
    world.event(messageId="m")
    world.event(messageId="m", user="other")
    assert len(world.told("journey.entered")) == 2


def test_the_last_64_are_remembered_however_old() -> None:
    world = World(journey(WAIT))
    world.event("other", messageId="first")
    for minute in range(1, 64):
        world.event("other", at=minute * HOUR)
    world.event(at=64 * HOUR, messageId="first")
    assert world.told() == []
    world.event("other", at=65 * HOUR)
    world.event(at=66 * HOUR, messageId="first")
    assert len(world.told("journey.entered")) == 1


def test_those_of_the_last_hour_are_remembered_beyond_64() -> None:
    world = World(journey(WAIT))
    world.event("other", messageId="first")
    for second in range(200):
        world.event("other", at=second * SECOND)
    world.event(at=HOUR, messageId="first")
    assert world.told() == []
    world.event("other", at=HOUR + 1)
    world.event(at=HOUR + 1, messageId="first")
    assert len(world.told("journey.entered")) == 1


def test_no_more_than_1024_are_remembered() -> None:
    world = World(journey(WAIT))
    world.event("other", messageId="first")
    for _ in range(1_023):
        world.event("other")
    world.event("other", messageId="first")
    assert world.effects.counts["event.repeated"] == 1
    world.event("other")
    world.event(messageId="first")
    assert len(world.told("journey.entered")) == 1


# 2. The user's timers that are due.


def test_timers_due_before_an_event_fire_before_it_earliest_first() -> None:
    long = journey(WAIT.replace("1h", "2h"), name="long")
    short = journey(WAIT, name="short")
    world = World(long, short, clock="wall")
    world.event(arrival=0)
    world.event("answer", at=3 * HOUR, arrival=3 * HOUR)
    ended = [(one.journey, one.detail["reason"]) for one in world.told("journey.exited")]
    assert ended == [("short", "late"), ("long", "late")]


def test_timers_due_at_one_time_fire_the_older_instance_first() -> None:
    world = World(journey(WAIT, entry=KEYED), clock="wall")
    world.event(properties={"k": "b"}, arrival=0)
    world.event(properties={"k": "a"}, arrival=0)
    world.event("other", at=HOUR, arrival=HOUR)
    assert [one.key for one in world.told("wait.timed_out")] == ["b", "a"]


def test_a_timer_that_a_timer_sets_fires_too_when_it_is_due() -> None:
    world = World(journey(DELAYS))
    world.event()
    world.event("other", at=5 * HOUR)
    assert world.told("journey.exited")[0].at == iso(2 * HOUR)


def test_at_the_deadline_itself_the_timer_wins_and_the_next_wait_sees_the_event() -> None:
    world = World(
        journey("""
        one: {type: wait_for_event, event: answer, within: 1h, on_timeout: two, next: early}
        two: {type: wait_for_event, event: answer, within: 1h, on_timeout: never, next: late}
        early: {type: exit, reason: early}
        late: {type: exit, reason: late}
        never: {type: exit, reason: never}
        """),
        clock="wall",
    )
    world.event(arrival=0)
    world.event("answer", at=HOUR, arrival=HOUR)
    assert world.story("journey.exited") == ["journey.exited late +3600s"]


def test_an_event_before_the_deadline_takes_the_branch_though_it_is_applied_after_it() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(arrival=0)
    world.event("answer", at=HOUR - 1, arrival=9 * HOUR)
    assert world.story("journey.exited") == ["journey.exited answered +3600s"]


# 3. The profile.


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


def test_a_change_of_the_profile_is_told_by_the_names_of_its_traits() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": 1, "b": [1], "c": {"x": 1}, "d": "x"})
    world.event("other", traits={"a": 1, "b": [True], "c": {"x": 1}, "d": None, "e": None})
    world.event("other", traits={"a": 1.0})
    told = [one.detail for one in world.told("profile.changed")]
    assert told == [{"traits": ["a", "b", "c", "d"]}, {"traits": ["b", "d"]}, {"traits": ["a"]}]


def test_traits_that_change_nothing_are_not_told() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": {"x": [1, None]}})
    before = world.record().traits
    world.event("other", traits={"a": {"x": [1, None]}, "b": None})
    assert len(world.told()) == 1
    assert world.record().traits is before


def test_of_very_many_traits_a_hundred_names_are_told() -> None:
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


# 5. Waits.


def test_every_matching_wait_moves_oldest_first() -> None:
    world = World(journey(WAIT))
    for _ in range(3):
        world.event()
    started = [one.instance for one in world.told("journey.entered")]
    world.event("answer", at=MINUTE)
    assert [one.instance for one in world.told("wait.matched")] == started
    assert world.record().instances == ()


def test_only_the_instance_with_the_events_key_moves() -> None:
    world = World(journey(WAIT, entry=KEYED))
    for key in ("a", "b"):
        world.event(properties={"k": key})
    world.event("answer", at=MINUTE, properties={"k": "b"})
    assert [one.key for one in world.told("wait.matched")] == ["b"]
    assert world.instance().key == "a"


@pytest.mark.parametrize(
    ("entered", "answered"), [(5, "5"), ("5", 5), (True, "true"), (-7, -7), ("é", "é")]
)
def test_keys_are_compared_as_text(entered: Any, answered: Any) -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": entered})
    world.event("answer", at=MINUTE, properties={"k": answered})
    assert len(world.told("wait.matched")) == 1


@pytest.mark.parametrize("other", [{}, {"k": None}, {"k": 5.0}, {"k": ["5"]}, {"k": {"a": 1}}])
def test_a_key_that_is_no_text_number_or_truth_value_matches_nothing(other: Any) -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": 5})
    world.event("answer", at=MINUTE, properties=other)
    assert world.told("wait.matched", "expression.failed") == []


def test_match_replaces_the_key_on_the_awaited_event() -> None:
    nodes = WAIT.replace("event: answer", "event: answer, match: event.properties.about")
    world = World(journey(nodes, entry=KEYED))
    world.event(properties={"k": "a"})
    world.event("answer", at=MINUTE, properties={"k": "a"})
    assert [one.type for one in world.told("wait.matched", "expression.failed")] == [
        "expression.failed"
    ]
    world.event("answer", at=MINUTE, properties={"about": "a"})
    assert len(world.told("wait.matched")) == 1


def test_match_may_read_what_each_instance_kept() -> None:
    match = "match: 'event.properties.ks[entry.properties.place]'"
    world = World(journey(WAIT.replace("event: answer", "event: answer, " + match), entry=KEYED))
    for place, key in enumerate(("a", "b")):
        world.event(properties={"k": key, "place": place})
    world.event("answer", at=MINUTE, properties={"ks": ["x", "b"]})
    assert [one.key for one in world.told("wait.matched")] == ["b"]


def test_a_key_that_reads_the_entry_still_reads_it_at_the_awaited_event() -> None:
    world = World(journey(WAIT, entry="event: start, key: entry.properties.k"))
    world.event(properties={"k": "a"})
    world.event("answer", at=MINUTE)
    assert len(world.told("wait.matched")) == 1


def test_a_whole_that_is_read_is_kept_whole_beside_its_parts() -> None:
    nodes = """
    w: {type: delay, for: 1h}
    a: {type: destination, destination: d, payload: '${entry.properties.x.y}'}
    b: {type: destination, destination: d, payload: '${entry.properties.x}'}
    """
    world = World(journey(nodes))
    world.event(properties={"x": {"y": 1, "z": 2}, "other": 3})
    assert world.instance().context == {"entry": {"properties": {"x": {"y": 1, "z": 2}}}}


def test_match_none_lets_any_key_match() -> None:
    world = World(journey(WAIT.replace("event: answer", "event: answer, match: none"), entry=KEYED))
    world.event(properties={"k": "a"})
    world.event("answer", at=MINUTE)
    assert len(world.told("wait.matched")) == 1


def test_a_wait_looks_at_its_where_and_stays_when_it_fails() -> None:
    nodes = WAIT.replace("event: answer", "event: answer, where: event.properties.ok")
    world = World(journey(nodes))
    world.event()
    world.event("answer", at=1, properties={"ok": False})
    assert world.told("wait.matched", "expression.failed") == []
    world.event("answer", at=2)
    (failed,) = world.told("expression.failed")
    assert "event.properties.ok is missing" in failed.detail["error"]
    world.event("answer", at=3, properties={"ok": True})
    assert world.story("journey.exited") == ["journey.exited answered +0.003s"]


def test_any_of_takes_the_first_branch_whose_event_and_condition_hold() -> None:
    world = World(
        journey("""
        w:
          type: wait_for_event
          any_of:
            - {event: a, where: event.properties.n > 1, next: big}
            - {event: a, next: small}
            - {event: b}
          within: 1h
        other: {type: exit, reason: other}
        big: {type: exit, reason: big}
        small: {type: exit, reason: small}
        """)
    )
    for name, n in (("a", 5), ("a", 0), ("b", 0)):
        world.event()
        world.event(name, properties={"n": n})
    assert [one.detail["reason"] for one in world.told("journey.exited")] == [
        "big",
        "small",
        "other",
    ]


def test_what_a_wait_captured_is_read_by_later_nodes() -> None:
    nodes = """
    w: {type: wait_for_event, event: answer, within: forever}
    later: {type: delay, for: 1h}
    send:
      type: destination
      destination: d
      payload: {n: '${steps.w.event.properties.n}', at: '${steps.w.event.timestamp}'}
    """
    world = World(journey(nodes))
    world.event()
    world.event("answer", at=MINUTE, properties={"n": 7, "big": "x" * 1000})
    assert world.instance().context == {
        "steps": {"w": {"event": {"properties": {"n": 7}, "timestamp": START + MINUTE}}}
    }
    world.clock("end")
    assert world.actions()[0].payload == {"n": 7, "at": iso(MINUTE)}


# 6. Entries.


def test_a_new_instance_runs_until_it_blocks() -> None:
    world = World(journey("a: {type: destination, destination: d, payload: 1}\n" + WAIT.strip()))
    world.event()
    assert world.story() == [
        "journey.entered",
        "node.reached a",
        "action.requested a",
        "node.reached waiting",
        "wait.started waiting",
    ]


def test_the_event_that_starts_an_instance_is_not_one_that_it_awaits() -> None:
    world = World(journey(WAIT.replace("event: answer", "event: start")))
    world.event()
    assert world.told("wait.matched") == []


def test_a_node_reached_through_a_wait_does_not_see_the_same_event_again() -> None:
    world = World(
        journey("""
        one: {type: wait_for_event, event: answer, within: 1h}
        two: {type: wait_for_event, event: answer, within: 1h}
        """)
    )
    world.event()
    world.event("answer", at=1)
    assert world.instance().node == "two"


def test_waits_are_looked_at_before_entries() -> None:
    world = World(journey(WAIT.replace("event: answer", "event: start"), entry="event: start"))
    world.event()
    world.event(at=1)
    kinds = [one.type for one in world.told("wait.matched", "journey.entered")]
    assert kinds == ["journey.entered", "wait.matched", "journey.entered"]


def test_an_entry_looks_at_its_where() -> None:
    world = World(journey(WAIT, entry="event: start, where: event.properties.total >= 50.0"))
    world.event(properties={"total": 49})
    world.event(properties={"total": 50})
    assert len(world.told("journey.entered")) == 1


def test_a_failing_entry_where_is_counted_and_told_once_per_version_and_minute() -> None:
    world = World(journey(WAIT, entry="event: start, where: event.properties.total > 1"))
    for second in (0, 1, 59, 60, 61):
        world.event(at=second * SECOND)
    assert world.effects.counts["entry.failed"] == 5
    assert [one.at for one in world.told("expression.failed")] == [iso(0), iso(MINUTE)]


def test_any_of_several_events_enters_once() -> None:
    entry = """
    any_of:
      - {event: start, where: event.properties.a}
      - {event: start, where: event.properties.b}
      - {event: begin}
    """
    world = World(journey(WAIT, entry=entry))
    world.event(properties={"a": True, "b": True})
    world.event(properties={"a": False, "b": True})
    world.event(properties={"a": False, "b": False})
    world.event("begin")
    assert len(world.told("journey.entered")) == 3


def test_while_an_instance_lives_its_key_is_rejected_and_may_enter_again_after() -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": "a"})
    world.event(at=1, properties={"k": "a"})
    world.event(at=2, properties={"k": "b"})
    world.event("answer", at=3, properties={"k": "a"})
    world.event(at=4, properties={"k": "a"})
    assert world.story("journey.entered", "journey.rejected") == [
        "journey.entered",
        "journey.rejected already_in +0.001s",
        "journey.entered +0.002s",
        "journey.entered +0.004s",
    ]
    assert world.told("journey.rejected")[0].key == "a"


def test_a_key_lives_over_versions() -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": "a"})
    world.push(journey(WAIT.replace("1h", "2h"), entry=KEYED))
    world.event(at=1, properties={"k": "a"})
    assert world.story("journey.rejected") == ["journey.rejected already_in +0.001s"]


def test_without_a_key_every_entry_is_an_instance() -> None:
    world = World(journey(WAIT))
    world.event()
    world.event()
    assert len(world.record().instances) == 2


@pytest.mark.parametrize("properties", [{}, {"k": None}, {"k": 1.5}, {"k": []}])
def test_a_key_that_evaluates_to_nothing_is_a_rejection(properties: Any) -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties=properties)
    assert world.story() == ["journey.rejected no_key"]
    assert world.effects.dead == []


def test_once_is_once_ever_over_versions_and_keys() -> None:
    once = KEYED + ", reentry: once"
    world = World(journey(WAIT, entry=once))
    world.event(properties={"k": "a"})
    world.event("answer", at=1, properties={"k": "a"})
    world.push(journey(WAIT.replace("1h", "2h"), entry=once))
    world.event(at=2, properties={"k": "b"})
    assert world.story("journey.rejected") == ["journey.rejected once +0.002s"]


def test_after_exit_is_one_live_instance_and_min_gap_after_its_end() -> None:
    world = World(journey(WAIT, entry=KEYED + ", reentry: after_exit, min_gap: 1d"))
    world.event(properties={"k": "a"})
    world.event(at=1, properties={"k": "b"})
    world.event("answer", at=MINUTE, properties={"k": "a"})
    world.event(at=DAY, properties={"k": "c"})
    world.event(at=DAY + MINUTE, properties={"k": "d"})
    reasons = [one.detail.get("reason") for one in world.told("journey.rejected")]
    assert reasons == ["already_in", "min_gap"]
    assert [one.key for one in world.told("journey.entered")] == ["a", "d"]


def test_an_event_that_is_too_late_never_starts_an_instance() -> None:
    world = World(journey(WAIT, entry="event: start, max_lateness: 1h"))
    world.event(at=0, received=HOUR)
    world.event(at=0, received=HOUR + 1)
    assert world.story("journey.entered", "journey.rejected") == [
        "journey.entered",
        "journey.rejected too_late",
    ]


def test_journeys_are_entered_in_the_order_of_their_names() -> None:
    world = World(journey(WAIT, name="b"), journey(WAIT, name="a"))
    world.event()
    assert [one.journey for one in world.told("journey.entered")] == ["a", "b"]


# Nodes.


def test_set_writes_labels_that_nodes_downstream_read() -> None:
    world = World(
        journey("""
        pick:
          type: criteria
          set: {a: 1, b: 1}
          branches: [{when: 'true', set: {b: '${attr.a + 1}'}}]
          otherwise: send
        send: {type: destination, destination: d, payload: '${attr}'}
        """)
    )
    world.event()
    assert world.actions()[0].payload == {"a": 1, "b": 2}


def test_a_failing_criteria_is_false_and_told() -> None:
    world = World(
        journey(
            """
        pick:
          type: criteria
          branches: [{when: event.properties.x > 1, next: yes}]
          otherwise: no
        "yes": {type: exit, reason: y}
        "no": {type: exit, reason: n}
        """.replace("next: yes", "next: 'yes'").replace("otherwise: no", "otherwise: 'no'")
        )
    )
    world.event()
    assert [one.type for one in world.told()] == [
        "journey.entered",
        "node.reached",
        "expression.failed",
        "criteria.matched",
        "node.reached",
        "journey.exited",
    ]
    assert world.told("journey.exited")[0].detail == {"reason": "n"}


@pytest.mark.parametrize(("on_error", "reason"), [(", on_error: failed", "failed"), ("", "went")])
def test_a_payload_that_fails_is_skipped_told_and_goes_on(on_error: str, reason: str) -> None:
    nodes = f"""
    send: {{type: destination, destination: d, payload: {{x: '${{event.properties.x}}'}}{on_error}}}
    went: {{type: exit, reason: went}}
    failed: {{type: exit, reason: failed}}
    """
    world = World(journey(nodes))
    world.event()
    assert world.actions() == []
    assert world.story()[2:4] == ["expression.failed send", "action.skipped send payload_failed"]
    assert world.told("journey.exited")[0].detail == {"reason": reason}


def test_a_payload_over_256_kb_is_skipped_as_too_large() -> None:
    nodes = "send: {type: destination, destination: d, payload: '${event.properties.x}'}"
    world = World(journey(nodes))
    world.event(properties={"x": "x" * (256 * 1024 - 2)})
    world.event(properties={"x": "x" * (256 * 1024 - 1)})
    assert len(world.actions()) == 1
    assert world.story("action.skipped") == ["action.skipped send too_large"]


def test_an_action_says_all_that_its_destination_needs() -> None:
    nodes = """
    send:
      type: destination
      destination: mailer
      action: send_template
      event_name: Checkout Abandoned
      payload: {key: '${journey.key}'}
    """
    world = World(journey(nodes, entry=KEYED))
    world.event(properties={"k": 5})
    (action,) = world.actions()
    entered = world.told("journey.entered")[0]
    assert (action.destination, action.action, action.event_name, action.send_key) == (
        "mailer",
        "send_template",
        "Checkout Abandoned",
        "tour/send",
    )
    assert (action.user_id, action.journey, action.version, action.instance, action.key) == (
        "u",
        "tour",
        "v1",
        entered.instance,
        "5",
    )
    assert (action.node, action.at, action.payload) == ("send", iso(0), {"key": "5"})


SPLIT = """
split:
  type: experiment
  variants: {{a: {{weight: {a}, next: x}}, b: {{weight: {b}, next: y}}, c: {{weight: {c}}}}}
z: {{type: exit, reason: c}}
x: {{type: exit, reason: a}}
y: {{type: exit, reason: b}}
"""


def _reason(nodes: str, user: str) -> str:
    world = World(journey(nodes))
    world.event(user=user)
    return str(world.told("journey.exited")[0].detail["reason"])


def test_the_variant_follows_the_weights_and_the_user_alone() -> None:
    nodes = SPLIT.format(a=50, b=30, c=20)
    assert _reason(nodes, "u-1") == _reason(nodes, "u-1")
    assert choose("tour/split", "u-1", {"a": 50, "b": 30, "c": 20}) == _reason(nodes, "u-1")
    split = [choose("s", f"u-{n}", {"a": 50, "b": 30, "c": 20}) for n in range(20_000)]
    for variant, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        assert abs(split.count(variant) / len(split) - share) < 0.015


def test_weights_are_relative_and_a_change_moves_only_the_users_it_must() -> None:
    users = [f"u-{n}" for n in range(5_000)]
    before = {user: choose("s", user, {"a": 1, "b": 1}) for user in users}
    assert before == {user: choose("s", user, {"a": 50, "b": 50}) for user in users}
    after = {user: choose("s", user, {"a": 1, "b": 1, "c": 1}) for user in users}
    assert all(after[user] in (before[user], "c") for user in users)
    more = {user: choose("s", user, {"a": 3, "b": 1}) for user in users}
    assert not any(before[user] == "a" and more[user] == "b" for user in users)


def test_a_weight_of_zero_gets_nobody_and_a_winner_everybody() -> None:
    assert {choose("s", f"u{n}", {"a": 0, "b": 1}) for n in range(1000)} == {"b"}
    nodes = SPLIT.format(a=50, b=30, c=0).replace("experiment", "experiment\n  winner: c")
    assert {_reason(nodes, f"u{n}") for n in range(20)} == {"c"}


def test_an_experiment_stores_nothing_that_no_later_node_reads() -> None:
    nodes = """
    split: {type: experiment, variants: {a: {weight: 1}}}
    w: {type: wait_for_event, event: answer, within: forever}
    """
    world = World(journey(nodes))
    world.event(properties={"big": "x" * 1000})
    assert world.instance().context == {}


def test_a_journey_ends_after_its_last_node() -> None:
    world = World(journey("pause: {type: delay, for: 1h}"))
    world.event()
    world.clock("end")
    assert world.story("journey.exited") == ["journey.exited end +3600s"]


# Limits, and what can't be kept.


def test_the_1001st_live_instance_is_rejected_as_too_many() -> None:
    world = World(journey(WAIT))
    for _ in range(MAX_INSTANCES + 1):
        world.event()
    assert len(world.record().instances) == MAX_INSTANCES
    assert world.story("journey.rejected") == ["journey.rejected too_many"]


def test_a_step_that_would_exceed_the_records_limit_is_refused_and_told() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": "x" * 600_000})
    before = world.record()
    world.event(traits={"b": "x" * 600_000})
    assert world.record().traits == before.traits
    assert world.record().instances == ()
    assert world.story() == ["profile.changed", "event.rejected record_too_large"]
    assert len(encode(world.record())) <= 1024 * 1024


def test_a_number_that_no_record_can_hold_is_refused_and_told() -> None:
    world = World(journey(WAIT))
    world.event(traits={"a": 2**70})
    assert world.record().traits == {}
    assert world.story() == ["event.rejected record_too_large"]


def test_a_run_of_nodes_is_bounded() -> None:
    """Validation refuses such a journey; the engine doesn't rely on it."""
    nodes = "round: {type: criteria, branches: [{when: 'true', next: round}], otherwise: round}"
    world = World(journey(nodes))
    world.event()
    (end,) = world.told("journey.exited")
    assert end.detail["reason"] == "error"


# Lifecycle.


def test_a_draft_runs_nothing() -> None:
    world = World(journey(WAIT, status="draft"))
    world.event()
    assert world.told() == []


@pytest.mark.parametrize("touch", ["event", "clock"])
def test_instances_of_an_archived_journey_end_when_they_are_touched(touch: str) -> None:
    world = World(journey(WAIT))
    world.event()
    world.turn("tour", "archived")
    if touch == "event":
        world.event("other", at=MINUTE)
    else:
        world.clock(2 * HOUR)
    assert world.told("journey.exited")[0].detail == {"reason": "archived"}
    assert world.record().instances == ()


def test_instances_keep_the_version_they_entered_with() -> None:
    world = World(journey(WAIT))
    world.event()
    world.push(journey(WAIT.replace("answered", "other")))
    world.event("answer", at=1)
    (end,) = world.told("journey.exited")
    assert (end.version, end.detail) == ("v1", {"reason": "answered"})
