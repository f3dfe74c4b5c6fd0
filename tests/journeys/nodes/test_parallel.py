"""parallel: branches side by side, how they join, and what ends them all."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.engine.branches import MAX_ROUNDS
from journeys.engine.lifecycle import spread_of
from journeys.ids import action_id, branch_id
from journeys.records.user_record import MAX_INSTANCES
from tests.journeys.builders import DAY, HOUR, MINUTE, START, World, journey
from tests.journeys.reported import HEAD, MAILER, told

TWO = """
side: {{type: parallel, branches: {{sms: short, mail: long}}, join: {join}, next: after}}
short: {{type: delay, for: 15m}}
text: {{type: destination, destination: mailer, payload: text, next: after, set: {{seen: text}}}}
long: {{type: wait_for_event, event: opened, within: 2h, next: after}}
after: {{type: destination, destination: mailer, payload: after}}
done: {{type: exit, reason: done}}
"""


def two(join: str, **options: Any) -> World:
    return World(journey(TWO.format(join=join), **options))


def nodes(world: World) -> list[tuple[str, int]]:
    """Where the user's live instances are, with the minutes until their deadlines."""
    return [
        (one.node, -1 if one.wait.due is None else (one.wait.due - START) // MINUTE)
        for one in world.record().instances
    ]


def ends(world: World) -> list[tuple[str, str]]:
    return [
        (one.detail["branch"], one.detail["reason"])
        for one in world.told("branch.ended")
        if one.detail
    ]


def test_the_instance_stands_at_the_node_while_all_branches_run() -> None:
    world = two("all")
    world.event()
    assert nodes(world) == [("side", -1), ("short", 15), ("long", 120)]
    assert world.story()[:7] == [
        "journey.entered",
        "node.reached side",
        "wait.started side",
        "branch.started side",
        "node.reached short",
        "wait.started short",
        "branch.started side",
    ]
    world.clock(20 * MINUTE)
    assert nodes(world) == [("side", -1), ("long", 120)]
    world.event("opened", 30 * MINUTE)
    assert world.told("branches.joined")[0].detail == {"join": "all", "branch": "mail"}
    assert ends(world) == [("sms", "joined"), ("mail", "joined")]
    assert [one.payload for one in world.actions()] == ["text", "after"]
    assert world.story("journey.exited") == ["journey.exited done +1800s"]
    assert world.record().instances == ()


def test_the_first_branch_joins_and_the_others_are_cancelled() -> None:
    world = two("any")
    world.event()
    world.event("opened", MINUTE)
    assert ends(world) == [("mail", "joined"), ("sms", "cancelled")]
    assert world.told("branches.joined")[0].detail == {"join": "any", "branch": "mail"}
    world.clock("end")
    assert [one.payload for one in world.actions()] == ["after"]


def test_an_instance_that_does_not_wait_passes_its_branches() -> None:
    world = two("none")
    world.event()
    assert nodes(world) == [("short", 15), ("long", 120)]
    assert [one.payload for one in world.actions()] == ["after"]
    assert world.story("wait.started") == ["wait.started short", "wait.started long"]
    assert world.story("journey.exited") == ["journey.exited done"]
    world.clock("end")
    assert [one.payload for one in world.actions()] == ["after", "text"]
    assert len(world.told("journey.exited")) == 1
    assert world.told("branches.joined") == []


def test_branches_that_end_at_once_join_at_once_in_the_order_of_the_document() -> None:
    for join, by in (("all", "b"), ("any", "a")):
        world = World(
            journey(f"""
            side: {{type: parallel, branches: {{a: x, b: y}}, join: {join}, next: after}}
            x: {{type: destination, destination: mailer, payload: x, next: after}}
            y: {{type: destination, destination: mailer, payload: y, next: after}}
            after: {{type: exit, reason: done}}
            """)
        )
        world.event()
        assert [one.payload for one in world.actions()] == ["x", "y"]
        assert world.told("branches.joined")[0].detail == {"join": join, "branch": by}
        assert world.story("journey.exited") == ["journey.exited done"]


def test_an_exit_ends_its_branch() -> None:
    world = World(
        journey("""
        side: {type: parallel, branches: {a: x, b: y}, join: all, next: after}
        x: {type: exit, reason: enough}
        y: {type: delay, for: 1h, next: z}
        z: {type: exit, reason: late}
        after: {type: exit, reason: done}
        """)
    )
    world.event()
    world.clock("end")
    assert ends(world) == [("a", "enough"), ("b", "late")]
    assert world.story("journey.exited") == ["journey.exited done +3600s"]


def test_without_next_the_journey_ends_after_the_branches_below() -> None:
    world = World(
        journey("""
        side: {type: parallel, branches: {a: x, b: y}, join: all}
        x: {type: exit}
        y: {type: exit}
        """)
    )
    world.event()
    assert world.story("journey.exited") == ["journey.exited end"]


def test_after_the_join_steps_and_labels_of_the_branches_are_read() -> None:
    world = World(
        journey("""
        before: {type: criteria, branches: [{when: 'true', set: {from: home}}], otherwise: side}
        side: {type: parallel, branches: {a: x, b: y}, join: all, next: after}
        x: {type: wait_for_event, event: one, within: 1h, next: after, set: {who: "${attr.from}"}}
        y: {type: wait_for_event, event: two, within: 1h, next: after}
        after:
          type: destination
          destination: mailer
          payload: ["${steps.x.event.properties.n}", "${steps.y.event.properties.n}", "${attr.who}"]
        """)
    )
    world.event()
    world.event("two", 1_000, properties={"n": 2})
    world.event("one", 2_000, properties={"n": 1})
    assert [one.payload for one in world.actions()] == [[1, 2, "home"]]


def test_actions_of_branches_have_ids_of_their_own() -> None:
    world = two("all")
    world.event()
    world.clock("end")
    parent = world.told("journey.entered")[0].instance
    assert parent is not None
    text, after = world.actions()
    assert text.instance == branch_id(parent, 1, "sms")
    assert text.action_id == action_id(text.instance, "text", 2)
    assert after.instance == parent
    assert len({one.outcome_id for one in world.told()}) == len(world.told())


GOAL = "goal: {event: bought, within: 7d, exit: true}"


@pytest.mark.parametrize(
    ("more", "reason"), [("exit: [{event: bought, reason: sold}]", "sold"), (GOAL, "goal")]
)
@pytest.mark.parametrize("join", ["all", "any", "none"])
def test_an_exit_or_a_goal_ends_all_branches_also_of_an_instance_that_has_ended(
    join: str, more: str, reason: str
) -> None:
    world = two(join, more=more)
    world.event()
    world.event("bought", MINUTE)
    assert ends(world) == [("sms", reason), ("mail", reason)]
    exits = [(one.detail or {})["reason"] for one in world.told("journey.exited")]
    assert exits == (["done"] if join == "none" else [reason])
    assert world.record().instances == ()
    world.clock("end")
    assert "text" not in [one.payload for one in world.actions()]


def test_a_goal_without_a_window_is_watched_as_long_as_a_branch_is_live() -> None:
    world = two("none", more="goal: {event: bought, exit: true}")
    world.event()
    assert len(world.record().goals) == 1
    world.clock(20 * MINUTE)
    assert len(world.record().goals) == 1
    world.clock("end")
    assert world.record().goals == ()


@pytest.mark.parametrize("reentry", ["every_time", "after_exit", "once"])
def test_entries_see_the_instance_and_not_its_branches(reentry: str) -> None:
    entry = f"event: start, key: event.properties.k, reentry: {reentry}"
    world = two("all", entry=entry)
    world.event(properties={"k": "k"})
    world.event(at=MINUTE, properties={"k": "k"})
    assert len(world.told("journey.rejected")) == 1
    world = two("none", entry=entry)
    world.event(properties={"k": "k"})
    world.event(at=MINUTE, properties={"k": "k"})
    assert len(world.told("journey.entered")) == (1 if reentry == "once" else 2)


def test_an_event_moves_every_branch_that_awaits_it_unless_one_cancels_the_other() -> None:
    both = """
    side: {{type: parallel, branches: {{a: x, b: y}}, join: {join}, next: after}}
    x: {{type: wait_for_event, event: go, within: 1h, next: after}}
    y: {{type: wait_for_event, event: go, within: 1h, next: after}}
    after: {{type: wait_for_event, event: go, within: 1h}}
    """
    for join, matched in (("all", ["x", "y"]), ("any", ["x"])):
        world = World(journey(both.format(join=join)))
        world.event()
        world.event("go", MINUTE)
        assert [one.node for one in world.told("wait.matched")] == matched
        assert nodes(world) == [("after", 61)]


def test_a_pause_holds_branches_and_an_archive_ends_them() -> None:
    world = two("all", more="on_resume: send")
    world.event()
    world.turn("tour", "paused", MINUTE)
    world.event("opened", 2 * MINUTE)
    world.clock(HOUR)
    assert world.told("branch.ended") == []
    world.turn("tour", "running", HOUR)
    world.sweep()
    world.clock(HOUR + MINUTE)
    assert ends(world) == [("mail", "joined"), ("sms", "joined")]  # the event came first
    assert world.story("journey.exited") == ["journey.exited done +3600s"]

    world = two("all")
    world.event()
    world.turn("tour", "archived", MINUTE)
    world.sweep()
    assert ends(world) == [("sms", "archived"), ("mail", "archived")]
    assert world.story("journey.exited") == ["journey.exited archived"]


@pytest.mark.parametrize("clock", ["stream", "wall"])
@pytest.mark.parametrize("first", ["ab", "ba"])
def test_after_a_pause_the_branch_continues_first_that_was_moved_first(
    first: str, clock: Any
) -> None:
    world = World(
        journey(
            """
            side: {type: parallel, branches: {a: x, b: y, c: z}, join: any, next: after}
            x: {type: wait_for_event, event: a, within: 10m, next: after, on_timeout: after}
            y: {type: wait_for_event, event: b, within: forever, next: after}
            z: {type: wait_for_event, event: c, within: 4m, next: after}
            after: {type: exit, reason: done}
            """,
            more="on_resume: {spread: 5h}",
        ),
        clock=clock,
    )

    def event(name: str, at: int) -> None:
        world.event(name, at, arrival=at if clock == "wall" else None)

    event("start", 0)
    [parent, *_] = world.record().instances
    world.turn("tour", "paused", MINUTE)
    event(first[0], 2 * MINUTE)
    event(first[1], 3 * MINUTE)
    if clock == "stream":
        world.clock(HOUR)
    world.turn("tour", "running", HOUR)
    world.sweep()
    held = [(one.branch.name, one.wait.due) for one in world.record().instances if one.branch]
    due = START + HOUR + spread_of(parent.id, 5 * HOUR)
    assert held == [(first[0], due), (first[1], due), ("c", due)]
    event("x", due - START)
    assert ends(world)[0] == (first[0], "joined")
    assert world.record().instances == ()


@pytest.mark.parametrize("swept", [True, False])
def test_branches_end_in_the_order_of_the_document_whenever_a_sweep_comes(swept: bool) -> None:
    world = two("all", more="on_resume: {spread: 5h}")
    world.event()
    world.turn("tour", "paused", MINUTE)
    world.event("opened", 2 * MINUTE)
    world.clock(HOUR)
    world.turn("tour", "running", HOUR)
    if swept:
        world.sweep()
    world.turn("tour", "archived", HOUR + 1)
    world.sweep()
    assert ends(world) == [("sms", "archived"), ("mail", "archived")]


def test_under_skip_what_joins_in_the_turn_after_a_pause_is_muted_as_well() -> None:
    world = two("any", more="on_resume: skip")
    world.event()
    world.turn("tour", "paused", MINUTE)
    world.clock(3 * HOUR)
    world.turn("tour", "running", 3 * HOUR)
    world.sweep()
    world.clock(3 * HOUR)
    assert world.actions() == []
    assert len(world.told("action.skipped")) == 2
    assert len(world.told("journey.exited")) == 1


def test_a_version_takes_over_an_instance_and_its_branches_together_or_not_at_all() -> None:
    old = TWO.format(join="all")
    for new, version in (
        (old.replace("payload: after", "payload: newer"), "v2"),
        (old.replace("mail: long", "post: long"), "v1"),
        (old.replace("wait_for_event, event: opened, within: 2h", "delay, for: 2h"), "v1"),
    ):
        world = World(journey(old))
        world.event()
        world.push(journey(new, more="in_flight: follow"))
        world.event("opened", MINUTE)
        assert {one.version for one in world.record().instances} == {version}
        world.clock("end")
        assert world.actions()[-1].payload == ("newer" if version == "v2" else "after")


def test_branches_round_and_round_are_bounded() -> None:
    world = World(
        journey("""
        again: {type: delay, for: 1m}
        side: {type: parallel, branches: {a: x}, join: none, next: again}
        x: {type: delay, for: 365d, next: end}
        end: {type: exit}
        """)
    )
    world.event()
    world.clock(2 * DAY)
    exits = world.told("journey.exited")
    assert [(one.detail or {})["reason"] for one in exits] == ["error"]
    assert len(world.record().instances) == MAX_INSTANCES - 1


# Checks.


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "  s: {type: parallel, branches: {a: x, b: y}, join: all, next: e}\n"
            "  x: {type: delay, for: 1h}\n"
            "  y: {type: delay, for: 1h}\n"
            "  e: {type: exit}\n",
            "7:3: node 'y' (delay) belongs to the branches 'a' and 'b' of 's': expected a node of "
            "one branch; a branch ends where it leads to 'e', or at an exit",
        ),
        (
            "  s: {type: parallel, branches: {a: x, b: y}, join: all}\n"
            "  x: {type: delay, for: 1h, next: e}\n"
            "  y: {type: delay, for: 1h}\n"
            "  e: {type: delay, for: 1h}\n",
            "8:3: node 'e' (delay) belongs to the branches 'a' and 'b' of 's': expected a node of "
            "one branch; to continue after the branches, name that node as 'next' of the parallel "
            "node",
        ),
        (
            "  s: {type: parallel, branches: {a: x, b: y}, join: all, next: e}\n"
            "  x: {type: delay, for: 1h, next: e}\n"
            "  y: {type: delay, for: 1h, next: e}\n"
            "  e: {type: delay, for: 1h, next: y}\n",
            "7:3: node 'y' (delay) belongs to the branch 'b' of 's', but 'e' outside of it leads "
            "there: expected only ways from the branch itself",
        ),
        (
            "  s: {type: parallel, branches: {a: x, b: y}, join: all, next: e}\n"
            "  x: {type: parallel, branches: {c: z}, join: all, next: e}\n"
            "  y: {type: delay, for: 1h, next: e}\n"
            "  z: {type: delay, for: 1h, next: e}\n"
            "  e: {type: exit}\n",
            "6:13: node 'x' (parallel): 'x' is a parallel node inside the branch 'a' of 's': "
            "expected no parallel node inside a branch",
        ),
        (
            "  s: {type: parallel, branches: {a: x, b: y}, join: all, next: e}\n"
            "  x: {type: delay, for: 1h, next: e, set: {l: 1}}\n"
            "  y: {type: delay, for: 1h, next: e, set: {l: 2}}\n"
            "  e: {type: exit}\n",
            "7:3: node 'y' (delay) sets 'l' in the branch 'b', and 'x' sets it in 'a': expected a "
            "label of one branch, as they run side by side",
        ),
        (
            "  s: {type: parallel, branches: {a: x}, join: none, next: e}\n"
            "  x: {type: wait_for_event, event: go, within: 1h, next: e}\n"
            "  e: {type: delay, until: steps.x.event.timestamp}\n",
            "7:33: 'until' in node 'e' (delay): node 'x' is on no way to 'e', so it has no value "
            "there",
        ),
        (
            "  s: {type: parallel, branches: {}, join: all}\n  e: {type: exit}\n",
            "5:33: 'branches' in node 's' (parallel): found nothing, expected at least one",
        ),
        (
            "  s: {type: parallel, branchs: {a: e}, join: all}\n  e: {type: exit}\n",
            "5:23: unknown key 'branchs' in node 's' (parallel): did you mean 'branches'?",
        ),
        (
            "  s: {type: parallel, branches: {a: e}, join: al}\n  e: {type: exit}\n",
            "5:47: 'join' in node 's' (parallel): found 'al', expected 'all', 'any' or 'none': did "
            "you mean 'all'?",
        ),
        (
            "  s: {type: paralel, branches: {a: e}, join: all}\n  e: {type: exit}\n",
            "5:13: unknown node type 'paralel' in node 's': did you mean 'parallel'?",
        ),
    ],
)
def test_branches_that_would_mix_are_refused(text: str, problem: str) -> None:
    assert told(HEAD + text)[-1] == f"tour.yaml:{problem}"


def test_branches_may_end_at_the_same_exit() -> None:
    text = (
        "  s: {type: parallel, branches: {a: x, b: y}, join: all}\n"
        "  x: {type: delay, for: 1h, next: e}\n"
        "  y: {type: delay, for: 1h, next: e}\n"
        "  e: {type: exit}\n"
    )
    assert told(HEAD + text + MAILER) == []


WAITS = "{type: delay, for: 1h, next: e}"
PASSES = "{type: update_profile, traits: {x: 1}, next: e}"
EITHER = "{type: criteria, branches: [{when: 'true', next: e}], otherwise: x1}"
LEAVES = "{type: criteria, branches: [{when: 'true', next: stop}], otherwise: x1}"
ORS = {
    "all": ", or in a branch on every way through it",
    "any": ", or in each branch on every way through it",
    "none": "",
}


@pytest.mark.parametrize(
    ("join", "x", "y", "waits"),
    [
        ("all", WAITS, PASSES, True),
        ("all", WAITS, WAITS, True),
        ("all", PASSES, PASSES, False),
        ("all", EITHER, PASSES, False),
        ("all", LEAVES, PASSES, False),
        ("all", EITHER, WAITS, True),
        ("any", WAITS, WAITS, True),
        ("any", WAITS, PASSES, False),
        ("any", WAITS, EITHER.replace("x1", "y1"), False),
        ("any", WAITS, "{type: update_profile, traits: {x: 1}, next: y1}", True),
        ("none", WAITS, WAITS, False),
    ],
)
def test_a_cycle_needs_no_other_wait_if_its_branches_always_wait(
    join: str, x: str, y: str, waits: bool
) -> None:
    text = (
        f"  s: {{type: parallel, branches: {{a: x, b: y}}, join: {join}, next: e}}\n"
        f"  x: {x}\n  y: {y}\n"
    )
    text += "".join(f"  {name}: {WAITS}\n" for name in ("x1", "y1") if name in text)
    text += "  e: {type: criteria, branches: [{when: 'true', next: s}], otherwise: stop}\n"
    text += "  stop: {type: exit}\n"
    found = told(HEAD + text)
    if waits:
        assert found == []
        return
    expected = f"expected a delay, a wait_for_event or a digest among them{ORS[join]}"
    assert found
    assert all(one.endswith(f"form a cycle without a wait: {expected}") for one in found)


def test_a_branch_that_ends_past_the_last_node_without_a_wait_does_not_wait() -> None:
    text = (
        "  s: {type: parallel, branches: {a: x}, join: any, next: s}\n"
        "  x: {type: update_profile, traits: {x: 1}}\n"
    )
    assert len(told(HEAD + text)) == 1
    assert told(HEAD + text.replace("update_profile, traits: {x: 1}", "delay, for: 1h")) == []


@pytest.mark.parametrize("join", ["all", "any", "none"])
def test_a_loop_whose_waits_are_over_at_once_ends(join: str) -> None:
    world = World(
        journey(f"""
side: {{type: parallel, branches: {{a: here}}, join: {join}, next: past}}
here: {{type: update_profile, traits: {{x: 1}}, next: past}}
past: {{type: delay, until: 'entry.timestamp - duration("1h")', next: side}}
""")
    )
    world.event()
    assert world.record().instances == ()
    [end] = world.told("journey.exited")
    error = f"branches started or joined more than {MAX_ROUNDS} times in one step"
    assert end.detail == {"reason": "error", "error": error}


def test_as_many_rounds_as_allowed_end_well() -> None:
    """A start and a join are one round if the branches end at once."""

    count = "has(user.traits.n) ? user.traits.n + 1 : 1"

    def after(rounds: int) -> World:
        world = World(
            journey(f"""
            side: {{type: parallel, branches: {{a: x}}, join: all, next: n}}
            x: {{type: update_profile, traits: {{n: '${{{count}}}'}}, next: n}}
            n:
              type: criteria
              branches: [{{when: 'user.traits.n < {rounds}', next: side}}]
              otherwise: done
            done: {{type: exit, reason: done}}
            """)
        )
        world.event()
        return world

    assert after(MAX_ROUNDS).story("journey.exited") == ["journey.exited done"]
    assert after(MAX_ROUNDS + 1).story("journey.exited") == ["journey.exited error"]


def test_with_any_only_the_first_branch_hands_over_what_it_set() -> None:
    world = World(
        journey("""
side: {type: parallel, branches: {a: x, b: y}, join: any, next: after}
x: {type: update_profile, traits: {q: 1}, set: {la: 1}, next: after}
y: {type: update_profile, traits: {q: 2}, set: {lb: 2}, next: after}
after: {type: update_profile, traits: {la: '${has(attr.la)}', lb: '${has(attr.lb)}'}}
""")
    )
    world.event()
    traits = world.record().traits
    assert (traits["la"], traits["lb"]) == (True, False)
