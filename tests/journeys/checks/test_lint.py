"""Probable mistakes are warnings, at their place; what is meant gets none."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.checks.check import check, warnings

EXAMPLES = Path(__file__).parents[3] / "examples"
DESTINATIONS = (
    "---\n{kind: Destination, name: mailer, type: http, url: 'https://mail.example.com/'}\n"
)
KEYED = "event: start, key: event.properties.k"
ALONE = "event: start, reentry: after_exit"


def journey(nodes: str, entry: str = ALONE, top: str = "") -> str:
    """A journey of one node a line; its last node is `e`."""
    lines = "".join(f"  {line.strip()}\n" for line in nodes.strip().splitlines())
    end = "" if "\n  e:" in f"\n{lines}" else "  e: {type: exit}\n"
    return f"kind: Journey\nname: tour\n{top}entry: {{{entry}}}\nnodes:\n{lines}{end}{DESTINATIONS}"


def warned(text: str) -> list[str]:
    documents, problems = check([("f", text)], KINDS)
    assert [str(problem) for problem in problems] == []
    assert isinstance(check_push(text, "f", Catalog(KINDS)), Accepted)
    return [str(one).removeprefix("f:").replace("warning: ", "") for one in warnings(documents)]


WAIT = "w: {type: wait_for_event, event: x, within: 1h, next: a, on_timeout: e}\na: {type: exit}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            journey(WAIT, "event: start"),
            "3:1: the entry: a user can have several instances, and one event that 'w' awaits "
            "moves all of them: expected a 'key', or 'reentry: after_exit'",
        ),
        (
            journey("e: {type: exit}", "event: start", "goal: {event: won}\n"),
            "4:1: the entry: a user can have several instances, and one event that the goal awaits "
            "moves all of them: expected a 'key', or 'reentry: after_exit'",
        ),
        (
            journey(WAIT.replace("x,", "x, match: none,"), KEYED),
            "5:46: 'match' in node 'w' (wait_for_event): a user can have an instance for each key, "
            "and one event moves all of them: expected CEL of their key, or "
            "'reentry: after_exit' in the entry",
        ),
        (
            journey(WAIT, "event: start, key: entry.properties.k"),
            "3:28: 'key' in the entry: this is also evaluated for awaited events: "
            "expected 'event' for 'entry'",
        ),
        (
            journey(WAIT, "event: start, key: \"'session'\""),
            "3:29: 'key' in the entry: the key is the same for every event: "
            "expected CEL that reads 'event'",
        ),
        (
            journey(WAIT.replace("x,", "x, match: entry.properties.k,"), KEYED),
            "5:46: 'match' in node 'w' (wait_for_event): it is the same for every event: "
            "expected CEL that reads 'event', or 'none'",
        ),
        (
            journey(WAIT.replace("x,", "x, match: event.timestamp,"), KEYED),
            "5:46: 'match' in node 'w' (wait_for_event): it never matches: a time is not a key, "
            "expected text or an int",
        ),
        (
            journey(WAIT.replace("x,", "x, match: event.properties.k,")),
            "5:46: 'match' in node 'w' (wait_for_event): it never matches: the entry has no 'key' "
            "to compare it with",
        ),
        (
            journey("e: {type: exit}", top="exit: [{event: bye, match: event.properties.k}]\n"),
            "3:28: 'match' in 'exit[0]' of Journey 'tour': it never matches: the entry has no "
            "'key' to compare it with",
        ),
        (
            journey(WAIT.replace("1h", "8d"), top="goal: {event: won, within: 7d}\n"),
            "6:47: 'within' in node 'w' (wait_for_event): it outlasts the goal's window, which ends "
            "1w after the entry",
        ),
        (
            journey(WAIT.replace("1h", "forever").replace(", on_timeout: e", "").replace("next: a", "next: e").replace("\na: {type: exit}", ""), top="goal: {event: won, within: 7d}\n"),
            "6:47: 'within' in node 'w' (wait_for_event): it outlasts the goal's window, which ends "
            "1w after the entry",
        ),
        (
            journey(
                "w: {type: wait_for_event, event: x, within: 1h}\n"
                "c: {type: criteria, otherwise: e, branches: [{when: has(steps.w.event)}]}"
            ),
            "6:59: 'when' in 'branches[0]' of node 'c' (criteria): 'has' fails if 'w' has captured "
            "nothing: expected has(steps.w)",
        ),
        (
            journey("w: {type: wait_for_event, any_of: [{changes: user.traits.plan}], within: 1h, next: a, on_timeout: e}\na: {type: exit}"),
            "5:48: 'changes' in 'any_of[0]' of node 'w' (wait_for_event): expected the name of a "
            "trait: found 'user.traits.plan': did you mean 'plan'?",
        ),
        (
            journey("e: {type: exit}", "changes: traits.plan, reentry: after_exit"),
            "3:18: 'changes' in the entry: expected the name of a trait: found 'traits.plan': "
            "did you mean 'plan'?",
        ),
        (
            journey("w: {type: wait_for_event, event: x, within: 1h}"),
            "5:47: 'within' in node 'w' (wait_for_event): a timeout leads to the same node as the event: "
            "give it its own with 'on_timeout'",
        ),
        (
            journey(
                "w: {type: wait_for_event, within: 1h, on_timeout: e, any_of: "
                "[{event: x, next: e}, {event: x, where: user.id != ''}]}"
            ),
            "5:86: 'any_of[1]' in node 'w' (wait_for_event): 'any_of[0]' already takes every such "
            "event: this one is never taken",
        ),
        (
            journey("e: {type: exit}", "any_of: [{event: a}, {event: a, where: user.id != ''}]"),
            "3:30: 'any_of[1]' in the entry: 'any_of[0]' already takes every such event: "
            "this one adds nothing",
        ),
        (
            journey(
                "w: {type: wait_for_event, within: 1h, next: e, on_timeout: a, any_of: "
                "[{event: x, next: a}]}\na: {type: exit}"
            ),
            "5:41: 'next' in node 'w' (wait_for_event): every event has a 'next' of its own: "
            "this one is never taken",
        ),
        (
            journey("c: {type: criteria, branches: [{when: '1 == 2'}], otherwise: e}"),
            "5:42: 'when' in 'branches[0]' of node 'c' (criteria): the condition is always false: "
            "expected one that reads data",
        ),
        (
            journey(
                "c: {type: criteria, branches: [{when: user.id == ''}, {when: user.id == ''}], "
                "otherwise: e}"
            ),
            "5:57: 'branches[1]' in node 'c' (criteria): 'branches[0]' has the same condition: "
            "this one is never taken",
        ),
        (
            journey(
                "c: {type: criteria, branches: [{when: user.id == '', next: e}], otherwise: e, "
                "next: e}"
            ),
            "5:81: 'next' in node 'c' (criteria): every branch has a 'next' of its own: "
            "this one is never taken",
        ),
        (
            journey("w: {type: delay, for: 1h}", f"{ALONE}, where: 1 / 0 == 1"),
            "3:51: 'where' in the entry: the condition always fails, so it never holds: "
            "divided by zero",
        ),
        (
            journey("x: {type: experiment, variants: {a: {weight: 1}}}"),
            "5:35: 'variants' in node 'x' (experiment): there is only one variant: every user gets it",
        ),
        (
            journey("x: {type: experiment, variants: {a: {weight: 1}, b: {weight: 0}}}"),
            "5:64: 'weight' in 'variants.b' of node 'x' (experiment): no user gets 'b': "
            "its weight is 0",
        ),
        (
            journey("s: {type: emit_event, event: start}", "event: start"),
            "5:32: 'event' in node 's' (emit_event): this event enters the journey again, up to 16 "
            "times in a row: expected another event, or a 'key' or 'reentry' of the entry",
        ),
        (
            journey("d: {type: delay, for: 1h, set: {vip: true}}"),
            "5:35: 'vip' in 'set' of node 'd' (delay): no expression reads 'attr.vip'",
        ),
        (
            journey("d: {type: delay, for: 1h}\nu: {type: update_profile, traits: {a: '${event.event}'}}"),
            "6:44: 'a' in 'traits' of node 'u' (update_profile): there is no event here, so it "
            "fails: expected 'entry' or 'steps.<node>.event'",
        ),
        (
            journey(
                "w: {type: wait_for_event, event: x, within: 1h, next: u, on_timeout: u}\n"
                "u: {type: update_profile, traits: {a: '${event.event}'}}"
            ),
            "6:44: 'a' in 'traits' of node 'u' (update_profile): there is no event on some of the "
            "ways here, so it fails: expected 'entry' or 'steps.<node>.event'",
        ),
        (
            journey("u: {type: update_profile, traits: {a: '${journey.key}'}}"),
            "5:52: 'a' in 'traits' of node 'u' (update_profile): 'journey.key' always fails: "
            "expected a 'key' in the entry",
        ),
        (
            journey("e: {type: exit}", f"{KEYED}, where: journey.key != ''"),
            "3:63: 'where' in the entry: 'journey.key' has no value yet in the entry: "
            "it always fails",
        ),
        (
            journey("e: {type: exit}", f"{ALONE}, where: now > timestamp('2026-01-01')"),
            "3:57: 'where' in the entry: 'timestamp' always fails: found '2026-01-01', "
            "expected a time such as '2026-03-01T09:00:00Z'",
        ),
        (
            journey("e: {type: exit}", f"{ALONE}, where: user.id.matches('(')"),
            "3:59: 'where' in the entry: 'matches' always fails: found '(', "
            "expected a regular expression (RE2)",
        ),
        (
            journey("e: {type: exit}", f'{ALONE}, where: "now > plus(now, \'1 month\')"'),
            "3:58: 'where' in the entry: 'plus' always fails: found '1 month', expected an ISO "
            "8601 duration such as 'P1M', 'P1Y2M3DT4H' or '-P3D'",
        ),
        (
            journey("e: {type: exit}", f"{ALONE}, where: now.date('Mars') == user.traits.day"),
            "3:55: 'where' in the entry: 'date' always fails: found 'Mars', expected the name of a "
            "time zone such as 'Europe/Berlin'",
        ),
        (
            journey("e: {type: exit}", f'{ALONE}, where: "now > local(\'1 May\', user.traits.zone)"'),
            "3:58: 'where' in the entry: 'local' always fails: found '1 May', expected a date, "
            "with or without a time, such as '2026-05-01' or '2026-05-01 09:00'",
        ),
        (
            journey("u: {type: update_profile, traits: {a: user.traits.b}}"),
            "5:41: 'a' in 'traits' of node 'u' (update_profile): this is sent as it stands: "
            "expected '${user.traits.b}'",
        ),
        (
            journey("u: {type: update_profile, traits: {a: 'Hi {{ user.traits.b }}'}}"),
            "5:45: 'a' in 'traits' of node 'u' (update_profile): '{{ user.traits.b' is sent as it "
            "stands: expected '${user.traits.b}'",
        ),
        (
            journey("u: {type: update_profile, traits: {a: yes}}"),
            "5:41: 'a' in 'traits' of node 'u' (update_profile): 'yes' is text: "
            "expected true or false, or the text in quotes",
        ),
        (
            journey(WAIT.replace("event: x", "event: Start")),
            "5:36: the event 'Start' is written 'start' on line 3: is a different one meant?",
        ),
        (
            journey(
                "u: {type: update_profile, traits: {a: '${user.traits.Mail}${user.traits.mail}'}}"
            ),
            "5:75: the trait 'mail' is written 'Mail' on line 5: is a different one meant?",
        ),
        (
            DESTINATIONS.replace("'}", "', headers: {Authorization: Bearer abc}}"),
            "2:106: 'Authorization' in 'headers' of Destination 'mailer': documents are kept for "
            "ever: expected '${env.NAME}' for the secret in it",
        ),
    ],
)  # fmt: skip
def test_a_warning_is_at_its_place_and_the_document_is_accepted(text: str, message: str) -> None:
    assert message in warned(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(journey(WAIT), id="one instance at a time needs no key"),
        pytest.param(journey(WAIT, KEYED), id="a key tells the instances apart"),
        pytest.param(
            journey(WAIT, "event: start, key: user.id"), id="a user's id: one at a time"
        ),
        pytest.param(
            journey("e: {type: exit}", "event: start", "exit: [{event: bye}]\n"),
            id="a global exit is meant for all instances",
        ),
        pytest.param(
            journey("w: {type: wait_for_event, event: x, within: 1h, next: e, on_timeout: e}"),
            id="a time-out that is said to lead to the same node",
        ),
        pytest.param(
            journey(
                "w: {type: wait_for_event, event: x, within: 1h}\n"
                "c: {type: criteria, branches: [{when: has(steps.w)}], otherwise: e}"
            ),
            id="what the wait captured distinguishes them",
        ),
        pytest.param(
            journey(
                "x: {type: experiment, winner: a, variants: {a: {weight: 1}, b: {weight: 0}}}"
            ),
            id="an experiment that is over",
        ),
        pytest.param(
            journey("s: {type: emit_event, event: start}", KEYED), id="a key ends the loop"
        ),
        pytest.param(
            journey("d: {type: delay, for: 1h, set: {a: 1}}\nu: {type: update_profile, traits: {a: '${attr}'}}"),
            id="all labels are read",
        ),
        pytest.param(
            journey(
                "w: {type: wait_for_event, event: x, within: 1h, next: u, on_timeout: e}\n"
                "u: {type: update_profile, traits: {a: '${event.event}'}}"
            ),
            id="an event is at hand behind a wait",
        ),
        pytest.param(
            journey(
                "w: {type: wait_for_event, any_of: [{event: x, next: v, set: {a: '${event.event}'}}], "
                "within: 1h, on_timeout: u}\nu: {type: delay, for: 1h, set: {b: '${now}'}}\n"
                "v: {type: update_profile, traits: {c: ['${attr.b}'], d: '${attr.a}'}}"
            ),
            id="an event is at hand where its way sets a label",
        ),
        pytest.param(
            journey(
                "u: {type: update_profile, traits: {a: 'no', b: 'event', c: 'see event.example.com',"
                " d: '$5', e: '{{name}}', f: 'me@user.example.com', g: 'x ${user.id}', h: no way,"
                " j: 'event. Then'}}"
            ),
            id="data that only looks a little like an expression",
        ),
        pytest.param(
            journey("u: {type: update_profile, traits: {a: '${user.traits.x == 5}'}}"),
            id="a trait may be a number",
        ),
    ],
)  # fmt: skip
def test_what_is_meant_is_no_warning(text: str) -> None:
    assert warned(text) == []


def test_a_document_with_mistakes_is_not_linted_and_others_beside_it_are() -> None:
    suspect = journey("w: {type: wait_for_event, event: x, within: 1h}").split("---")[0]
    wrong = suspect.replace("name: tour", "name: other").replace("within", "wthin")
    documents, problems = check([("a", wrong), ("b", suspect)], KINDS)
    assert problems
    assert [one.file for one in warnings(documents)] == ["b"]
    documents, _ = check([("a", suspect + "name: twice\n")], KINDS)
    assert warnings(documents) == []


def test_what_a_document_refers_to_makes_no_warning() -> None:
    documents, problems = check(
        [("a", journey("m: {type: destination, destination: absent, payload: user.id}"))], KINDS
    )
    assert len(problems) == 1
    assert ["this is sent as it stands" in str(one) for one in warnings(documents)] == [True]


def test_the_number_of_warnings_is_limited() -> None:
    nodes = "\n".join(f"n{i}: {{type: delay, for: 1h, set: {{a{i}: 1}}}}" for i in range(500))
    documents, problems = check([("f", journey(nodes))], KINDS)
    assert problems == []
    assert len(warnings(documents)) == 200


@pytest.mark.parametrize(
    "file", sorted(path.parent.name for path in EXAMPLES.glob("*/journey.yaml"))
)
def test_the_examples_have_no_warning(file: str) -> None:
    path = EXAMPLES / file / "journey.yaml"
    documents, problems = check([(file, path.read_bytes())], KINDS)
    assert [*problems, *warnings(documents)] == []


def test_a_trait_named_by_a_path_is_pointed_out() -> None:
    text = (
        "kind: Journey\nname: tour\nentry: {changes: user.traits.plan, reentry: once}\n"
        "exit: [{changes: traits.plan}]\nnodes:\n"
        "  w: {type: wait_for_event, any_of: [{changes: before.plan, where: before.traits.plan == 1, "
        "next: e}, {changes: plan.b, next: e}], within: 1h, on_timeout: f}\n"
        "  e: {type: exit}\n  f: {type: exit}\n"
    )

    def path(found: str) -> str:
        return f"expected the name of a trait: found '{found}': did you mean 'plan'?"

    assert [problem.message for problem in warnings(check([("f", text)], KINDS)[0])] == [
        f"'changes' in the entry: {path('user.traits.plan')}",
        f"'changes' in 'exit[0]' of Journey 'tour': {path('traits.plan')}",
        f"'changes' in 'any_of[0]' of node 'w' (wait_for_event): {path('before.plan')}",
        "'where' in 'any_of[0]' of node 'w' (wait_for_event): "
        "'before' holds the traits themselves: did you mean 'before.plan'?",
    ]
