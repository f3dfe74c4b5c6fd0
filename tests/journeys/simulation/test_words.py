"""A test can't be green by mistake: what it names is there, and it can fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, Rejected, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.records.outcome import DETAILS, OUTCOME_TYPES
from journeys.simulation.testing.run import run_test
from journeys.simulation.testing.suite import SuiteFile, read_tests
from journeys.simulation.testing.words import check_names

DOCUMENTS = """
kind: Destination
name: mailer
type: http
url: https://mail.example.com
---
kind: Journey
name: cart
entry: {event: checkout_started, key: event.properties.id}
exit: [{event: account_closed, reason: gone}]
goal: {event: purchase_completed}
nodes:
  bought:
    {type: wait_for_event, event: purchase_completed, within: 1h, next: paid, on_timeout: deal}
  deal: {type: experiment, variants: {sale: {weight: 1, next: mail}, none: {weight: 1, next: left}}}
  mail:
    {type: destination, destination: mailer, action: send, payload: {to: a, total: 1}, next: left}
  paid: {type: exit, reason: bought}
  left: {type: exit, reason: timeout}
---
kind: Journey
name: other
entry: {event: visited}
nodes:
  bye: {type: exit, reason: seen}
"""
EVENT = "{event: checkout_started, properties: {id: s-1}}"


def _catalog() -> Catalog:
    found = catalog_of([("cart.yaml", DOCUMENTS.encode())], KINDS)
    assert not isinstance(found, Rejected), [str(one) for one in found.problems]
    return found


CATALOG = _catalog()


def _suite(expect: str, events: str = EVENT) -> SuiteFile:
    text = f"tests: [{{name: a, events: [{events}], expect: {expect}}}]"
    suite = read_tests(text, "cart.test.yaml")
    assert isinstance(suite, SuiteFile), [str(one) for one in suite]
    return suite


def _mistakes(expect: str, events: str = EVENT) -> list[str]:
    return [one.message for one in check_names(_suite(expect, events), CATALOG)]


@pytest.mark.parametrize(
    ("expect", "word", "near"),
    [
        ("{path: [bougt]}", "bougt", "bought"),
        ("{waiting: bougt}", "bougt", "bought"),
        ("{exit: timeoot}", "timeoot", "timeout"),
        ("{exit: {reason: gonne}}", "gonne", "gone"),
        ("{journey: crat, path: []}", "crat", "cart"),
        ("{journey: other, exit: seem}", "seem", "seen"),
        ("{key: s-l, path: [mail]}", "s-l", "s-1"),
        ("{actions: [{destination: mailr}]}", "mailr", "mailer"),
        ("{actions: [{node: mial}]}", "mial", "mail"),
        ("{actions: [{action: sent}]}", "sent", "send"),
        ("{actions: [{payload: {totl: 1}}]}", "totl", "total"),
        ("{outcomes: [wait.start]}", "wait.start", "wait.started"),
        ("{outcomes: [{type: wait.started, node: bougt}]}", "bougt", "bought"),
        ("{outcomes: [{type: wait.started, detail: {dew: null}}]}", "dew", "due"),
        ("{outcomes: [{type: journey.exited, detail: {reason: bougt}}]}", "bougt", "bought"),
        ("{outcomes: [{type: journey.rejected, detail: {reason: once_}}]}", "once_", "once"),
        ("{outcomes: [{type: journey.entered, detail: {event: visted}}]}", "visted", "visited"),
        ("{outcomes: [{type: experiment.assigned, detail: {variant: sal}}]}", "sal", "sale"),
        ("{outcomes: [{type: action.requested, detail: {destination: maile}}]}", "maile", "mailer"),
    ],
)
@pytest.mark.parametrize("under_not", [False, True])
def test_a_word_that_nothing_makes_is_an_error_with_the_nearest_valid_one(
    expect: str, word: str, near: str, under_not: bool
) -> None:
    if under_not:
        part = expect[1:-1]
        if part.startswith(("journey", "key", "waiting")):
            name, _, rest = part.partition(", ")
            expect = f"{{{name}, not: {{{rest or 'path: [mail]'}}}}}"
        else:
            expect = f"{{not: {expect}}}"
    if expect.startswith("{waiting"):
        expect = expect.replace("}", "", 1) if expect.count("{") < expect.count("}") else expect
    (message,) = _mistakes(expect, EVENT + ", {event: visited}")
    assert f"'{word}' is not " in message
    assert f": did you mean '{near}'?" in message


@pytest.mark.parametrize(
    "expect",
    [
        "{}",
        "{journey: cart}",
        "{key: s-1}",
        "{outcomes: []}",
        "{profile: {}}",
        "[{path: []}, {}]",
        "{not: {}}",
        "{not: {path: []}}",
        "{path: [bought], not: {actions: []}}",
    ],
)
def test_an_expectation_that_cannot_fail_is_an_error(expect: str) -> None:
    messages = _mistakes(expect)
    assert messages
    assert all("expects nothing" in one or "forbids nothing" in one for one in messages)


@pytest.mark.parametrize(
    "expect",
    [
        "{path: []}",
        "{actions: []}",
        "{exit: {}}",
        "{not: {exit: {}}}",
        "{not: {actions: [{}]}}",
        "{profile: {anything: 1}}",
        "{exit: end}",
        "{exit: error}",
        "{exit: archived}",
        "{key: s-1, waiting: bought}",
        "{outcomes: [{type: goal.reached, detail: {event: purchase_completed}}]}",
    ],
)
def test_what_can_happen_or_fail_is_none(expect: str) -> None:
    assert _mistakes(expect) == []


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("{not: {actions: [{node: bought}]}}", "type wait_for_event, expected destination or"),
        ("{not: {outcomes: [{type: wait.started, node: paid}]}}", "is a node of type exit"),
    ],
)
def test_a_node_that_never_does_it_is_an_error(expect: str, words: str) -> None:
    (message,) = _mistakes(expect)
    assert words in message


@pytest.mark.parametrize("event", ["checkout_startet", "Checkout Started", "CHECKOUT-STARTED"])
def test_an_event_that_is_nearly_one_of_the_documents_is_an_error(event: str) -> None:
    (message,) = _mistakes("{not: {exit: timeout}}", f"{EVENT}, {{event: {event}}}")
    assert message.endswith("did you mean 'checkout_started'?")


def test_other_events_may_come_between_but_not_alone() -> None:
    others = "{event: page_viewed}, {event: logged_in}"
    assert _mistakes("{not: {exit: timeout}}", f"{EVENT}, {others}") == []
    assert len(_mistakes("{not: {exit: timeout}}", others)) == 2
    with_traits = "{event: page_viewed, traits: {plan: pro}}"
    assert _mistakes("{profile: {plan: pro}}", with_traits) == []


def test_a_key_that_a_node_makes_is_looked_for_when_the_test_has_run() -> None:
    emits = """
---
kind: Journey
name: emits
entry: {event: opened}
nodes:
  tell: {type: emit_event, event: checkout_started, properties: {id: 'k-${entry.messageId}'}}
"""
    catalog = catalog_of([("cart.yaml", (DOCUMENTS + emits).encode())], KINDS)
    assert isinstance(catalog, Catalog)
    for key, failed in (("k-m", []), ("k-n", ["expect.key"])):
        suite = _suite(f"{{key: {key}, not: {{exit: bought}}}}", "{event: opened, messageId: m}")
        assert check_names(suite, catalog) == []
        result = run_test(suite, 0, RunningCatalog(catalog))
        assert [one.what for one in result.failures] == failed


def test_the_fields_of_every_type_that_is_made_are_known() -> None:
    assert DETAILS.keys() | {"audience.entered", "audience.exited"} == OUTCOME_TYPES


@given(st.sampled_from(sorted(DETAILS)), st.text("abcdefgh_", min_size=1, max_size=12))
def test_no_other_field_of_an_outcome_passes(type: str, field: str) -> None:
    fields = next(names for one, names in DETAILS.items() if one == type)
    messages = _mistakes(f"{{not: {{outcomes: [{{type: {type}, detail: {{{field}: null}}}}]}}}}")
    assert bool(messages) == (field not in fields)


@pytest.mark.parametrize(
    ("expect", "events"),
    [
        ("{not: {exit: bought}}", ""),
        ("{path: []}", ""),
        ("{actions: []}", "{type: identify, traits: {a: 1}}"),
        ("{not: {exit: bought}}", "{type: identify, traits: {a: 1}}"),
        ("{journey: other, not: {exit: seen}}", EVENT),
    ],
)
def test_what_no_event_concerns_can_not_fail(expect: str, events: str) -> None:
    (message,) = _mistakes(expect, events)
    assert "no event of the test concerns " in message


def test_a_profile_is_changed_by_any_event() -> None:
    assert _mistakes("{profile: {a: 1}}", "{type: identify, traits: {a: 1}}") == []


@pytest.mark.parametrize(
    "outcome", ["criteria.matched", "event.emitted", "config.accepted", "action.delivered"]
)
def test_an_outcome_that_nothing_makes_is_an_error(outcome: str) -> None:
    for expect in (f"{{outcomes: [{outcome}]}}", f"{{not: {{outcomes: [{outcome}]}}}}"):
        (message,) = _mistakes(expect)
        assert outcome in message


def test_a_goal_that_ends_no_instance_is_no_reason_of_an_exit() -> None:
    (message,) = _mistakes("{not: {exit: goal}}")
    assert "'goal' is not the reason of an exit" in message
