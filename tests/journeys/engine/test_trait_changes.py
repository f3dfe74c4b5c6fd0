"""Journeys that listen for changes of traits and for identify calls."""

from __future__ import annotations

from random import Random
from sqlite3 import connect
from typing import Any

import pytest
import yaml

from agents.kinds import KINDS
from journeys.checks.check import check
from journeys.nodes.delay import Delay
from journeys.views.drawing import drawing_of
from tests.journeys.builders import HOUR, MINUTE, START, World, iso, journey

DONE = "done: {type: exit}"
ENTRY = "changes: plan"
HOURLY = "nap: {type: delay, for: 1h}"
WAITING = """
waiting: {type: wait_for_event, changes: plan, within: 1h, next: done, on_timeout: late}
done: {type: exit, reason: changed}
late: {type: exit, reason: late}
"""
TYPES = ("journey.entered", "journey.rejected", "journey.exited", "wait.matched")


def _identify(world: World, at: int = 0, **fields: Any) -> None:
    traits = fields.pop("traits", {})
    world.event(None, at, type="identify", traits=traits, **fields)


def _entered(world: World) -> list[int]:
    return [
        cause for one in world.told("journey.entered") if (cause := one.cause.offset) is not None
    ]


def test_a_trait_that_is_set_changed_or_removed_has_changed_and_the_same_value_has_not() -> None:
    world = World(journey(DONE, entry=ENTRY))
    for number, plan in enumerate(["free", "free", "pro", None, None, 1, 1.0, True]):
        _identify(world, number, traits={"plan": plan})
    assert _entered(world) == [0, 2, 3, 5, 6, 7]


def test_where_sees_the_value_before_and_after() -> None:
    where = 'where: \'before.plan == "free" && user.traits.plan == "pro"\''
    world = World(journey(DONE, entry=f"{ENTRY}, {where}"))
    for number, plan in enumerate(["pro", "free", "pro", "free", "gold"]):
        _identify(world, number, traits={"plan": plan})
    assert _entered(world) == [2]


def test_a_trait_set_for_the_first_time_has_no_value_before() -> None:
    world = World(journey(DONE, entry=f"{ENTRY}, where: '!has(before.plan)'"))
    _identify(world, traits={"plan": "free"})
    _identify(world, 1, traits={"plan": "pro"})
    assert _entered(world) == [0]


def test_several_changes_of_one_call_enter_once() -> None:
    entry = "any_of: [{changes: plan}, {changes: city}, {event: identify}]"
    world = World(journey(HOURLY, entry=entry))
    _identify(world, traits={"plan": "pro", "city": "Rome"})
    assert len(world.told("journey.entered")) == 1


def test_an_event_with_traits_changes_them_too() -> None:
    world = World(journey(DONE, entry=ENTRY))
    world.event("order", traits={"plan": "pro"})
    (entered,) = world.told("journey.entered")
    assert entered.detail is not None
    assert entered.detail["event"] == "order"
    assert entered.detail["changes"] == "plan"


@pytest.mark.parametrize("where", ["event.properties.n > 1", "size(event.properties.list) > 1"])
def test_the_general_condition_of_an_entry_holds_for_every_alternative(where: str) -> None:
    entry = f"any_of: [{{event: order, where: 'true'}}, {{changes: plan}}], where: '{where}'"
    world = World(journey(DONE, entry=entry))
    for number, n in enumerate([1, 2]):
        properties = {"n": n, "list": [0] * n}
        world.event("order", number, properties=properties)
        world.event("visit", number, properties=properties, traits={"plan": n})
    assert _entered(world) == [2, 3]


def test_identify_names_an_identify_call() -> None:
    world = World(journey(DONE, entry="event: identify, where: has(event.traits.email)"))
    _identify(world, traits={"plan": "pro"})
    _identify(world, 1, traits={"email": "a@example.com"})
    _identify(world, 2, traits={"email": "a@example.com"})
    assert _entered(world) == [1, 2]


def test_a_wait_matches_a_change_and_not_the_one_of_the_event_that_began_it() -> None:
    world = World(journey(WAITING))
    world.event("start", traits={"plan": "free"})
    _identify(world, MINUTE, traits={"city": "Rome"})
    _identify(world, 2 * MINUTE, traits={"plan": "pro"})
    assert world.story("wait.matched", "journey.exited") == [
        "wait.matched waiting +120s",
        "journey.exited changed +120s",
    ]


def test_a_change_moves_an_instance_once_though_the_event_is_awaited_too() -> None:
    nodes = """
    first: {type: wait_for_event, any_of: [{event: order}, {changes: plan}], within: forever}
    second: {type: wait_for_event, changes: plan, within: forever}
    done: {type: exit}
    """
    world = World(journey(nodes))
    world.event("start")
    world.event("order", 1, traits={"plan": "pro"})
    assert world.instance().node == "second"


def test_a_change_concerns_the_instances_of_every_key() -> None:
    world = World(journey(WAITING, entry="event: start, key: event.properties.k"))
    for k in (1, 2):
        world.event("start", k, properties={"k": k})
    _identify(world, 5, traits={"plan": "pro"})
    assert len(world.told("wait.matched")) == 2


def test_a_change_ends_instances_and_reaches_goals() -> None:
    leaving = "{changes: plan, where: 'user.traits.plan == \"none\"', reason: left}"
    more = f"{{exit: [{leaving}], goal: {{changes: plan}}}}"
    world = World(journey(HOURLY, more=more))
    world.event("start")
    _identify(world, 1, traits={"plan": "pro"})
    _identify(world, 2, traits={"plan": "none"})
    assert world.story("goal.reached", "journey.exited") == [
        "goal.reached +0.001s",
        "journey.exited left +0.002s",
    ]


def test_a_backfilled_event_fills_the_profile_and_is_no_change() -> None:
    world = World(journey(DONE, entry=ENTRY))
    _identify(world, traits={"plan": "free"}, backfill=True)
    assert world.told("journey.entered") == []
    _identify(world, 1, traits={"plan": "pro"})
    assert _entered(world) == [1]


def test_a_late_identify_is_a_change_where_it_changes_the_profile() -> None:
    world = World(journey(DONE, entry=ENTRY))
    _identify(world, HOUR, traits={"plan": "pro"})
    _identify(world, 0, traits={"plan": "pro"})
    _identify(world, 0, traits={"plan": "free"})
    assert [(one.cause.offset, one.at) for one in world.told("journey.entered")] == [
        (0, iso(HOUR)),
        (2, iso(0)),
    ]


def test_a_repeated_call_changes_nothing() -> None:
    world = World(journey(DONE, entry=ENTRY))
    _identify(world, traits={"plan": "pro"}, messageId="m")
    _identify(world, 1, traits={"plan": "free"})
    _identify(world, 2, traits={"plan": "pro"}, messageId="m")
    assert _entered(world) == [0, 1]


def test_a_journey_can_react_to_what_another_sets() -> None:
    sets = journey("up: {type: update_profile, traits: {plan: pro}}", name="sets")
    world = World(sets, journey(DONE, entry=f"{ENTRY}, where: '!has(before.plan)'", name="reacts"))
    world.event("start")
    (entered,) = [one for one in world.told("journey.entered") if one.journey == "reacts"]
    assert entered.detail is not None
    assert (entered.detail["event"], entered.detail["changes"]) == ("update_profile", "plan")


def test_a_change_made_by_a_node_is_no_event_of_that_name() -> None:
    sets = journey("up: {type: update_profile, traits: {plan: pro}}", name="sets")
    world = World(
        sets, journey(DONE, entry="event: update_profile"), journey(DONE, entry=ENTRY, name="c")
    )
    world.event("start")
    assert [one.journey for one in world.told("journey.entered")] == ["sets", "c"]


def test_journeys_that_change_a_trait_in_a_cycle_stop() -> None:
    nodes = "up: {type: update_profile, traits: {plan: '${string(now) + journey.instance}'}}"
    world = World(journey(nodes, entry=ENTRY))
    _identify(world, traits={"plan": "pro"})
    assert len(world.told("journey.entered")) == 17
    (rejected,) = world.told("event.rejected")
    assert rejected.detail is not None
    assert rejected.detail["reason"] == "loop"


# A delay that follows its trait.

FOLLOWS = """
nap: {type: delay, until: user.traits.end, follow: true}
done: {type: exit, reason: over}
"""


def _following(end: int = HOUR) -> World:
    world = World(journey(FOLLOWS))
    world.event("start", traits={"end": iso(end)})
    return world


def _ended(world: World) -> list[str]:
    return world.story("journey.exited")


@pytest.mark.parametrize("end", [2 * HOUR, 30 * MINUTE])
def test_a_delay_follows_its_trait(end: int) -> None:
    world = _following()
    _identify(world, MINUTE, traits={"end": iso(end)})
    (moved,) = world.told("wait.rescheduled")
    assert moved.detail == {"due": iso(end)}
    world.clock(end - 1)
    assert _ended(world) == []
    world.clock(end)
    assert _ended(world) == [f"journey.exited over +{end // 1000}s"]


def test_a_time_that_is_over_ends_the_delay_at_once() -> None:
    world = _following()
    _identify(world, MINUTE, traits={"end": iso(-HOUR)})
    assert _ended(world) == ["journey.exited over +60s"]


def test_a_time_that_cannot_be_read_leaves_the_old_one() -> None:
    world = _following()
    _identify(world, MINUTE, traits={"end": None})
    assert len(world.told("expression.failed")) == 1
    world.clock(HOUR)
    assert _ended(world) == ["journey.exited over +3600s"]


def test_other_traits_and_the_same_time_move_nothing() -> None:
    world = _following()
    _identify(world, MINUTE, traits={"city": "Rome"})
    _identify(world, MINUTE, traits={"end": f"{iso(HOUR)[:-1]}+00:00"})
    assert world.told("wait.rescheduled") == []


def test_a_local_time_follows_the_zone_of_the_user() -> None:
    nodes = 'nap: {type: delay, until_local: {time: "18:00"}, follow: true}'
    world = World(journey(nodes))
    world.event("start", traits={"timezone": "Asia/Kolkata"})
    assert world.instance().wait.due == START + 30 * MINUTE
    _identify(world, MINUTE, traits={"timezone": "Europe/Berlin"})
    assert world.instance().wait.due == START + 5 * HOUR


def test_a_pause_keeps_a_delay_following() -> None:
    world = _following()
    world.turn("tour", "paused", MINUTE)
    _identify(world, 2 * MINUTE, traits={"end": iso(3 * HOUR)})
    world.clock(90 * MINUTE)
    world.turn("tour", "running", 90 * MINUTE)
    world.clock(3 * HOUR)
    assert _ended(world) == [f"journey.exited over +{3 * 3600}s"]


def test_a_change_by_a_node_moves_the_delay_of_another_journey() -> None:
    sets = f"up: {{type: update_profile, traits: {{end: '{iso(2 * HOUR)}'}}}}"
    world = World(journey(FOLLOWS), journey(sets, name="sets", entry="event: extend"))
    world.event("start", traits={"end": iso(HOUR)})
    world.event("extend", MINUTE)
    assert world.instance().wait.due == START + 2 * HOUR


# Late changes: they have their own time, but nothing that comes of them is older than the node.

WALL = "until_local: {time: '13:30'}, follow: true"
ZONE = {"timezone": "Asia/Kolkata"}
"""START is noon in UTC, and half past five in the afternoon there."""


def _late(world: World, at: int, received: int, **traits: Any) -> None:
    world.event(None, at, type="identify", traits=traits, received=received)


def test_a_late_change_of_the_zone_counts_from_when_the_node_was_reached() -> None:
    world = World(journey(f"nap: {{type: delay, {WALL}}}"))
    world.event("start", 0, traits={"timezone": "UTC"})
    assert world.instance().wait.due == START + 90 * MINUTE
    _late(world, -5 * HOUR, MINUTE, **ZONE)  # there it was 12:30
    assert world.instance().wait.due == START + 20 * HOUR
    (moved,) = world.told("wait.rescheduled")
    assert moved.at == iso(0)
    world.clock("end")
    assert _ended(world) == [f"journey.exited end +{20 * 3600}s"]


def test_a_local_time_at_which_the_node_was_reached_is_over_for_a_late_change() -> None:
    world = World(journey('nap: {type: delay, until_local: {time: "12:00"}, follow: true}'))
    world.event("start", 0, traits={"timezone": "Europe/Berlin"})
    _late(world, -HOUR, MINUTE, timezone="UTC")
    assert world.instance().wait.due == START + 24 * HOUR


@pytest.mark.parametrize(
    ("nodes", "ended"),
    [
        (FOLLOWS, "journey.exited over"),
        ("first: {type: delay, for: 30m}" + FOLLOWS, "journey.exited over +1800s"),
    ],
)
def test_an_end_that_a_late_change_puts_in_the_past_is_that_of_the_node(
    nodes: str, ended: str
) -> None:
    world = World(journey(nodes))
    world.event("start", 0, traits={"end": iso(3 * HOUR)})
    world.clock(31 * MINUTE)
    _late(world, -2 * HOUR, 32 * MINUTE, end=iso(-HOUR))
    assert _ended(world) == [ended]


def test_a_change_after_the_node_was_reached_keeps_its_own_time_however_late_it_is() -> None:
    world = World(journey(FOLLOWS))
    world.event("start", 0, traits={"end": iso(3 * HOUR)})
    world.event("other", 2 * HOUR)
    _late(world, HOUR, 2 * HOUR, end=iso(HOUR + 1))
    (moved,) = world.told("wait.rescheduled")
    assert moved.at == iso(HOUR)


def test_now_is_never_older_than_the_node() -> None:
    until = "has(user.traits.end) ? now + duration('1h') : now + duration('2h')"
    world = World(journey(f'nap: {{type: delay, until: "{until}", follow: true}}'))
    world.event("start")
    _late(world, -9 * HOUR, MINUTE, end=1)
    assert world.instance().wait.due == START + HOUR


def test_a_delay_that_is_moved_again_still_knows_when_it_was_reached() -> None:
    world = World(journey(f"nap: {{type: delay, {WALL}}}"))
    world.event("start", 0, traits={"timezone": "UTC"})
    _identify(world, MINUTE, traits={"timezone": "Europe/Berlin"})
    _late(world, -5 * HOUR, 2 * MINUTE, **ZONE)
    assert world.instance().wait.due == START + 20 * HOUR


def test_a_late_change_during_a_pause_is_no_older_than_the_node() -> None:
    world = World(journey(f"nap: {{type: delay, {WALL}}}"))
    world.event("start", 0, traits={"timezone": "UTC"})
    world.turn("tour", "paused", MINUTE)
    _late(world, -5 * HOUR, 2 * MINUTE, **ZONE)
    assert world.instance().held is None
    assert world.instance().wait.due == START + 20 * HOUR


def test_a_version_that_begins_to_follow_counts_from_the_entry_at_the_earliest() -> None:
    """The instance has not kept when it reached the node."""
    world = World(journey('nap: {type: delay, until_local: {time: "13:30"}}'))
    world.event("start", 0, traits={"timezone": "UTC"})
    world.versions.push(journey(f"nap: {{type: delay, {WALL}}}", more="in_flight: follow"))
    world.processor.follow(world.versions.running(world.processor.catalog))
    _late(world, -5 * HOUR, MINUTE, **ZONE)
    assert world.instance().wait.due == START + 20 * HOUR


def test_only_a_delay_that_follows_keeps_when_it_was_reached() -> None:
    plain = "nap: {type: delay, until: user.traits.end}\n"
    world = World(journey(plain), journey(FOLLOWS, name="follows"))
    world.event("start", 0, traits={"end": iso(HOUR)})
    kept = {one.journey: one.context.get("reached") for one in world.record().instances}
    assert kept == {"tour": None, "follows": START}


def test_a_late_event_neither_shortens_a_wait_that_it_starts_anew_nor_a_digest() -> None:
    wait = "{type: wait_for_event, any_of: [{event: again, reset: true}], within: 1h}"
    digest = "{type: digest, event: again, every: 1h}"
    world = World(journey(f"w: {wait}"), journey(f"d: {digest}", name="digests"))
    world.event("start")
    before = [one.wait for one in world.record().instances]
    world.event("again", -3 * HOUR, received=MINUTE)
    assert [one.wait for one in world.record().instances] == before
    assert world.told("wait.rescheduled") == []


# Mistakes.


def _mistakes(document: str) -> list[str]:
    text = f"kind: Journey\nname: tour\n{document}"
    return [one.message for one in check([("tour.yaml", text)], KINDS)[1]]


@pytest.mark.parametrize(
    ("entry", "node", "message"),
    [
        (
            "{event: a, changes: plan}",
            "{type: exit}",
            "the entry: an entry needs exactly one of 'event', 'changes' and 'any_of'",
        ),
        (
            "{any_of: [{where: 'true'}]}",
            "{type: exit}",
            "'any_of[0]' of the entry: expected either 'event' or 'changes', and not both",
        ),
        ("{chnages: plan}", "{type: exit}", "did you mean 'changes'?"),
        (
            "{event: a}",
            "{type: wait_for_event, event: a, where: before.plan == 1, within: 1h}",
            "'where' in node 'n' (wait_for_event): 'before' has a value only in the 'where' of a "
            "trait's change, beside 'changes'",
        ),
        (
            "{changes: plan, where: befor.plan == 1}",
            "{type: exit}",
            "'where' in the entry: unknown name 'befor': did you mean 'before'?",
        ),
        (
            "{event: a}",
            "{type: delay, for: 1h, follow: true}",
            "node 'n' (delay): 'follow' needs an 'until' that reads a trait, or the user's time "
            "zone",
        ),
    ],
)
def test_a_mistake_is_named(entry: str, node: str, message: str) -> None:
    found = _mistakes(f"entry: {entry}\nnodes: {{n: {node}}}")
    assert any(message in one for one in found), found


def test_a_macro_of_an_accepted_document_may_bind_the_name_before() -> None:
    world = World(journey(DONE, entry="event: start, where: '[1].exists(before, before == 1)'"))
    world.event("start")
    assert len(world.told("journey.entered")) == 1


def test_a_followed_time_that_reads_now_or_the_event_is_warned_about() -> None:
    until = "timestamp(user.traits.end) > now ? user.traits.end : entry.timestamp"
    node = yaml.safe_load(f'{{n: {{type: delay, until: "{until}", follow: true}}}}')["n"]
    (warning,) = Delay.model_validate(node).lint(False)
    assert "'now' is that of the change: expected 'entry.timestamp'" in warning.message


def test_a_followed_anniversary_is_the_next_after_a_change() -> None:
    until = "next_anniversary(user.traits.born, user.traits.timezone)"
    node = yaml.safe_load(f'{{n: {{type: delay, until: "{until}", follow: true}}}}')["n"]
    assert list(Delay.model_validate(node).lint(False)) == []


def test_a_drawing_names_the_trait() -> None:
    entry = "any_of: [{changes: plan}, {event: identify}]"
    box = drawing_of(journey(WAITING, entry=entry)).boxes[0]
    assert box.lines == ["entry", "changes: plan", "event: identify"]


def test_the_changes_of_a_history_are_those_that_sql_finds() -> None:
    """Users who go from free to pro, and when trials end that were moved; late calls included."""
    chance = Random(7)
    upgraded = journey(
        DONE, entry=f'{ENTRY}, where: \'before.plan == "free" && user.traits.plan == "pro"\''
    )
    world = World(upgraded, journey(FOLLOWS, name="trial", entry="event: start"))
    table = connect(":memory:")
    table.execute("create table calls (place, user, at, plan)")
    table.execute("create table ends (place, user, at, ends)")
    users = [f"u{number}" for number in range(40)]
    for place, user in enumerate(users):
        world.event("start", place, user, traits={"end": iso(1000 * HOUR)})
        table.execute("insert into ends values (?, ?, ?, ?)", (place, user, place, 1000 * HOUR))
    for place in range(40, 1_500):
        user, at = chance.choice(users), place * MINUTE - chance.choice([0, 0, 0, 3 * HOUR])
        if chance.random() < 0.5:
            plan = chance.choice(["free", "pro", "gold", None])
            _identify(world, at, user=user, traits={"plan": plan, "seats": place})
            table.execute("insert into calls values (?, ?, ?, ?)", (place, user, at, plan))
        else:
            end = 100 * HOUR + chance.randrange(1000) * MINUTE
            _identify(world, at, user=user, traits={"end": iso(end)})
            table.execute("insert into ends values (?, ?, ?, ?)", (place, user, at, end))
    world.clock("end")
    entered = [
        (one.user_id, one.at) for one in world.told("journey.entered") if one.journey == "tour"
    ]
    found = table.execute("""
        select user, at from (select *, lag(plan) over (partition by user order by place) as before
        from calls) where before = 'free' and plan = 'pro' order by place""")
    assert entered == [(user, iso(at)) for user, at in found]
    assert len(entered) > 20
    over = {one.user_id: one.at for one in world.told("journey.exited") if one.journey == "trial"}
    last = table.execute("select user, ends, max(place) from ends group by user")
    assert over == {user: iso(end) for user, end, _ in last}
