"""Tests of journeys: what an expectation means, and how one that is not met is reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.records.outcome import OUTCOME_TYPES
from journeys.simulation.scenario import Scenario, parse_moment, with_drafts
from journeys.simulation.testing.run import Result, run_test
from journeys.simulation.testing.suite import SuiteFile, read_tests
from journeys.simulation.testing.words import check_names

ROOT = Path(__file__).parents[3]
DOCUMENTS = """
kind: Destination
name: mailer
type: http
url: https://mail.example.com/
---
kind: Journey
name: tour
entry: {event: start, key: event.properties.k}
nodes:
  wait: {type: wait_for_event, event: answer, within: 1h, next: split, on_timeout: mail}
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}', list: [1, {a: 2}]}}
  late: {type: exit, reason: late}
  split: {type: criteria, branches: [{when: user.traits.vip, next: pause}], otherwise: done}
  pause: {type: delay, for: 1d}
  done: {type: exit, reason: done}
"""
ASKING = """
kind: Destination
name: bank
type: http
url: https://bank.example.com/
---
kind: Journey
name: ask
entry: {event: start}
nodes:
  check: {type: trigger, destination: bank, method: PUT, path: '/a/${user.id}', payload: {n: 1}}
  done: {type: exit}
"""
START = "{event: start, properties: {k: a}}"
ANSWER = "{at: +10m, event: answer, properties: {k: a}}"
MAILED = "{destination: mailer, node: mail, at: +1h, payload: {to: user-1}}"


def catalog(text: str = DOCUMENTS) -> Catalog:
    found = catalog_of([("tour.yaml", text)], KINDS)
    assert isinstance(found, Catalog), found
    return found


def suite_of(text: str) -> SuiteFile:
    found = read_tests(text, "tour.test.yaml")
    assert isinstance(found, SuiteFile), [str(problem) for problem in found]
    return found


def result(expect: str, *events: str, case: str = "") -> Result:
    text = f"""
tests:
  - name: one
    {case or "until: end"}
    events: [{", ".join(events)}]
    expect: {expect}
"""
    return run_test(suite_of(text), 0, RunningCatalog(catalog()))


def unmet(expect: str, *events: str, case: str = "") -> list[tuple[str, str, str]]:
    failures = result(expect, *events, case=case).failures
    return [(one.what, one.expected, one.found) for one in failures]


def problems(text: str) -> list[str]:
    found = read_tests(text, "t.test.yaml")
    if isinstance(found, SuiteFile):
        found = check_names(found, catalog())
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("expect", "events"),
    [
        ("{path: [wait, mail, late]}", [START]),
        ("{path: [wait, split, done], exit: done, actions: []}", [START, ANSWER]),
        ("{exit: {reason: late, at: +1h}}", [START]),
        ("{exit: {at: 2026-01-01T01:00:00Z}}", [START]),
        (f"{{actions: [{MAILED}]}}", [START]),
        ("{actions: [{payload: {list: [1, {a: 2}]}}]}", [START]),
        ("{actions: [{exact: true, payload: {to: user-1, list: [1, {a: 2}]}}]}", [START]),
        ("{outcomes: [journey.entered, {type: wait.timed_out, at: +1h}]}", [START]),
        (
            "{outcomes: [{type: wait.matched, node: wait, detail: {event: answer}}]}",
            [START, ANSWER],
        ),
        ("{not: {path: [split], outcomes: [wait.matched], exit: done}}", [START]),
        ("{not: {actions: [{destination: mailer}]}}", [START, ANSWER]),
        ("{path: [], actions: []}", []),
    ],
)
def test_an_expectation_that_is_met_reports_nothing(expect: str, events: list[str]) -> None:
    assert unmet(expect, *events) == []


@pytest.mark.parametrize(
    ("expect", "events", "found"),
    [
        (
            "{path: [wait, late]}",
            [START],
            ("expect.path", "wait -> late", "wait -> mail -> late"),
        ),
        ("{exit: done}", [START], ("expect.exit", '"done"', '"late"')),
        (
            "{exit: {at: +2h}}",
            [START],
            ("expect.exit.at", '"2026-01-01T02:00:00.000Z"', '"2026-01-01T01:00:00.000Z"'),
        ),
        ("{exit: done}", [], ("expect.exit", '{"reason": "done"}', "no exit")),
        ("{waiting: wait}", [START], ("expect.waiting", "wait", "nothing that waits")),
        ("{actions: [{}]}", [START, ANSWER], ("expect.actions[0]", "{}", "no such action")),
        (
            "{actions: [{payload: {to: ann}}]}",
            [START],
            ("expect.actions[0].payload.to", '"ann"', '"user-1"'),
        ),
        (
            "{actions: [{payload: {cc: ann}}]}",
            [START],
            ("expect.actions[0].payload.cc", '"ann"', "nothing"),
        ),
        (
            "{actions: [{exact: true, payload: {to: user-1}}]}",
            [START],
            ("expect.actions[0].payload", "no 'list'", "'list': [1, {\"a\": 2}]"),
        ),
        (
            "{actions: [{payload: {list: [true, {a: 2}]}}]}",
            [START],
            ("expect.actions[0].payload.list[0]", "true", "1"),
        ),
        (
            "{outcomes: [wait.matched]}",
            [START],
            ("expect.outcomes[0]", '{"type": "wait.matched"}', "none of this type"),
        ),
        (
            "{outcomes: [wait.timed_out, wait.started]}",
            [START],
            ("expect.outcomes[1]", '{"type": "wait.started"}', "it came earlier than this"),
        ),
        (
            "{not: {path: [mail]}}",
            [START],
            ("expect.not.path[0]", "mail is not reached", "wait -> mail -> late"),
        ),
        ("{profile: {vip: true}}", [START], ("expect.profile.vip", "true", "nothing")),
    ],
)
def test_an_expectation_that_is_not_met_is_reported_at_its_place(
    expect: str, events: list[str], found: tuple[str, str, str]
) -> None:
    assert unmet(expect, *events) == [found]


def test_an_action_too_many_is_reported() -> None:
    ((what, expected, found),) = unmet("{actions: []}", START)
    assert (what, expected) == ("expect.actions", "0 in all")
    assert found.startswith("one more: to mailer at 2026-01-01T01:00:00.000Z: {")


def test_each_thing_that_was_never_to_happen_is_reported() -> None:
    never = "{not: {actions: [{destination: mailer}], outcomes: [wait.timed_out], exit: late}}"
    assert [what for what, _, _ in unmet(never, START)] == [
        "expect.not.actions[0]",
        "expect.not.outcomes[0]",
        "expect.not.exit",
    ]


def test_expectations_of_one_instance_are_told_apart_by_key() -> None:
    other = "{event: start, properties: {k: b}}"
    expect = "[{key: a, exit: done}, {key: b, journey: tour, path: [wait, mail, late]}]"
    assert unmet(expect, START, other, ANSWER) == []
    assert unmet("{exit: done}", START, other, ANSWER) != []


def test_the_profile_is_there_before_the_first_event() -> None:
    case = "profile: {vip: true}"
    assert unmet("{path: [wait, split, pause, done]}", START, ANSWER, case=case) == []
    assert (
        unmet("{profile: {vip: true, email: a}}", "{traits: {email: a}, type: identify}", case=case)
        == []
    )


def test_time_continues_as_far_as_the_test_says() -> None:
    assert unmet("{waiting: wait, actions: []}", START, case="until: +59m") == []
    assert unmet("{exit: late}", START, case="until: 2026-01-01T01:00:00Z") == []


def test_offsets_count_from_the_start_of_the_test() -> None:
    case = "start: 2026-03-01T12:00:00Z"
    assert unmet("{exit: {at: 2026-03-01T13:00:00Z}}", START, case=case) == []


def test_a_late_event_of_a_test_is_a_late_event() -> None:
    later = "{at: +2h, event: other}"
    assert unmet("{exit: late}", START, later, ANSWER) == []


def test_a_failure_carries_its_line_and_what_happened() -> None:
    found = result("{exit: done}", START)
    assert [one.line for one in found.failures] == [6]
    assert found.line == 3
    assert [one.event is None for one in found.timeline] == [False, True]


def test_a_request_is_there_once_though_its_response_comes_in_the_same_moment() -> None:
    answered = """
tests:
  - name: one
    responses: [{node: ask/check}]
    events: [{event: start}]
    expect:
      actions: [{destination: bank, method: PUT, path: /a/user-1, payload: {n: 1}}]
      outcomes: [action.requested, wait.matched]
      not: {actions: [{method: POST}, {path: /a}]}
"""
    one = run_test(suite_of(answered), 0, RunningCatalog(catalog(ASKING)))
    assert one.failures == ()
    assert [part.event is None for part in one.timeline] == [False, True]


def test_responses_name_nodes_and_destinations_that_are_there() -> None:
    text = (
        "responses: [{node: ask/chek}]\n"
        "tests: [{name: a, responses: [{destination: bnk}, {node: ask/check}], "
        "events: [" + START + "], expect: {path: [check]}}]\n"
    )
    found = [str(problem) for problem in check_names(suite_of(text), catalog(ASKING))]
    assert found == [
        "tour.test.yaml:1:20: 'responses[0].node': 'ask/chek' is not a journey's trigger: "
        "did you mean 'ask/check'?",
        "tour.test.yaml:2:45: 'tests[0].responses[0].destination': 'bnk' is not a destination of a "
        "trigger: did you mean 'bank'?",
    ]


def test_a_draft_is_tested_as_if_it_were_running() -> None:
    draft = catalog(DOCUMENTS.replace("name: tour", "name: tour\nstatus: draft"))
    text = "tests: [{name: one, events: [" + START + "], expect: {exit: late}}]"
    done = run_test(suite_of(text), 0, RunningCatalog(with_drafts(draft)))
    assert done.failures == ()


def test_the_journey_beside_the_tests_is_the_one_that_is_tested() -> None:
    text = "tests: [{name: one, expect: {}}]"
    assert suite_of(text).documents == ["tour.yaml"]
    assert suite_of("documents: [a.yaml]\n" + text).documents == ["a.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: []", "1:8: 'tests' in the document: found nothing, expected at least one"),
        ("[]", "1:1: expected a mapping with 'tests'"),
        (
            "tests: [{name: a, expct: {}}]",
            "1:9: 'expect' is missing in 'tests[0]' of the document",
        ),
        (
            "tests: [{name: a, expect: {pth: []}}]",
            "1:28: unknown key 'pth' in 'tests[0].expect' of the document: did you mean 'path'?",
        ),
        (
            "tests: [{name: a, events: [{at: 10m, event: e}], expect: {}}]",
            "1:33: 'at' in 'tests[0].events[0]' of the document: found '10m', expected a time "
            "such as 2026-01-18T12:00:00Z, or +10m, +1d12h from the start",
        ),
        (
            "tests: [{name: a, expect: {path: [mial]}}]",
            "1:35: 'tests[0].expect.path[0]': 'mial' is not a node: did you mean 'mail'?",
        ),
        (
            "tests: [{name: a, expect: {not: {actions: [{destination: mailr}]}}}]",
            "1:58: 'tests[0].expect.not.actions[0].destination': 'mailr' is not a destination: "
            "did you mean 'mailer'?",
        ),
        (
            "tests: [{name: a, expect: {not: {outcomes: [wait.timeout]}}}]",
            "1:45: 'tests[0].expect.not.outcomes[0]': 'wait.timeout' is not a type of outcome: "
            "did you mean 'wait.timed_out'?",
        ),
        (
            "tests: [{name: a, expect: {outcomes: [{type: wait.match}]}}]",
            "1:46: 'tests[0].expect.outcomes[0].type': 'wait.match' is not a type of outcome: "
            "did you mean 'wait.matched'?",
        ),
        (
            "tests: [{name: a, expect: {journey: tuor}}]",
            "1:37: 'tests[0].expect.journey': 'tuor' is not a journey: did you mean 'tour'?",
        ),
        (
            "tests: [{name: a, expect: {}}]\n---\na: 1",
            "3:1: expected one document of tests in a file",
        ),
    ],
)
def test_a_mistake_in_a_file_of_tests_is_reported_like_one_in_a_document(
    text: str, message: str
) -> None:
    found = problems(text)
    assert any(one.startswith(f"t.test.yaml:{message}") for one in found), found


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("+0s", 0),
        ("+90s", 90_000),
        ("+1d12h", 129_600_000),
        ("+PT1M", 60_000),
        ("+1h30m", 5_400_000),
    ],
)
def test_moments_count_from_the_start(text: str, after: int) -> None:
    assert parse_moment(text, 1_000) == 1_000 + after


@pytest.mark.parametrize(
    "text", ["10m", "+", "+10", "+1x", "-10m", "+10m ", "tomorrow", "+9999999d"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text, 0)


def test_a_journey_that_goes_round_ends_a_scenario() -> None:
    text = DOCUMENTS.replace(
        "done: {type: exit, reason: done}", "done: {type: delay, for: 1h, next: pause}"
    )
    scenario = Scenario(RunningCatalog(catalog(text)), "u", 0)
    scenario.event({"event": "start", "properties": {"k": "a"}, "traits": {"vip": True}})
    scenario.event({"event": "answer", "at": "+1m", "properties": {"k": "a"}})
    assert len(list(scenario.finish())) == 1_000
    assert len(scenario.waiting) == 1


def test_every_type_of_outcome_that_the_engine_reports_can_be_expected() -> None:
    told = {
        type
        for path in (ROOT / "journeys").rglob("*.py")
        for type in re.findall(
            r'_?(?:report|tell)\((?:one, effects, )?"([a-z]+\.[a-z_]+)"', path.read_text()
        )
    }
    assert len(told) > 10
    assert told <= OUTCOME_TYPES
