"""Every mistake of a document is reported at its place, all of them at once."""

from __future__ import annotations

import time

import pytest

from agents.kinds import KINDS
from journeys.checks.check import check
from tests.journeys.reported import HEAD, MAILER, told

CHECKOUT = """\
kind: Journey
name: abandoned-checkout
description: Win back shoppers who leave the checkout
status: running
entry:
  event: checkout_started
  where: event.properties.total >= 50.0
  key: event.properties.session_id
  reentry: every_time
nodes:
  bought:
    type: wait_for_event
    event: purchase_completed
    within: 1h
    next: done
    on_timeout: worth
  worth:
    type: criteria
    branches:
      - {when: 'user.traits.tier == "gold"', next: call, set: {offer: vip}}
      - {when: entry.properties.total > 200.0, next: split}
    otherwise: done
  split:
    type: experiment
    variants:
      email:   {weight: 50, next: mail}
      control: {weight: 20, next: done}
  mail:
    type: destination
    destination: mailer
    event_name: Checkout Abandoned
    payload:
      to: ${user.traits.email}
      subject: "You left ${string(size(entry.properties.items))} items behind"
      session: ${journey.key}
    next: done
  call:
    type: destination
    destination: mailer
    payload: {user: '${user.id}', offer: '${attr.offer}', more: '${attr.offer}'}
    next: done
  done: {type: exit}
---
kind: Destination
name: mailer
type: http
url: https://mail.example.com/v1/${user.id}
headers: {Authorization: 'Bearer ${env.JOURNEYS_SECRET_MAILER}'}
retry: {for: 24h, first: 1s, max_delay: 10m}
"""


def test_a_good_document_has_no_problems() -> None:
    assert told(CHECKOUT) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "    event: purchase_completed\n",
            "    evnt: purchase_completed\n",
            "13:5: unknown key 'evnt' in node 'bought' (wait_for_event): did you mean 'event'?",
        ),
        (
            "description:",
            "goals: {event: x}\ndescription:",
            "3:1: unknown key 'goals' in Journey 'abandoned-checkout': did you mean 'goal'?",
        ),
        (
            "name: abandoned-checkout",
            "name: Abandoned Checkout",
            "2:7: 'name' in Journey 'Abandoned Checkout': found 'Abandoned Checkout', expected a "
            "name of a-z, 0-9, '_' and '-', at most 63 characters, the first a letter or digit: "
            "did you mean 'abandoned-checkout'?",
        ),
        (
            "status: running",
            "status: runing",
            "4:9: 'status' in Journey 'abandoned-checkout': found 'runing', expected 'draft', "
            "'running', 'paused' or 'archived': did you mean 'running'?",
        ),
        (
            "event: checkout_started",
            "event: 5",
            "6:10: 'event' in the entry: found 5 (integer), expected an event's name, as text: "
            "write it in quotes",
        ),
        (
            "event: checkout_started",
            "any_of: []",
            "6:11: 'any_of' in the entry: found nothing, expected at least one",
        ),
        (
            "  event: checkout_started\n",
            "",
            "5:1: the entry: an entry needs exactly one of 'event', 'changes' and 'any_of'",
        ),
        (
            "reentry: every_time",
            "min_gap: 1d",
            "9:12: the entry: 'min_gap' needs 'reentry: after_exit'",
        ),
        (
            "where: event.properties.total >= 50.0",
            "where:",
            "7:9: 'where' in the entry: found nothing, expected CEL that is true or false",
        ),
        (
            "where: event.properties.total >= 50.0",
            "where: ''",
            "7:10: 'where' in the entry: an empty condition: expected CEL that is true or false",
        ),
        (
            "where: event.properties.total >= 50.0",
            "where: 1 + 1",
            "7:10: 'where' in the entry: the condition is int, expected true or false",
        ),
        (
            "where: event.properties.total >= 50.0",
            "where: attr.x == 1",
            "7:10: 'where' in the entry: 'attr' has no value yet in the entry",
        ),
        (
            "nodes:",
            "exit: [{event: closed, where: attr.x == 1}]\nnodes:",
            "10:31: 'where' in 'exit[0]' of Journey 'abandoned-checkout': 'attr' can't be read in "
            "a global exit: expected event, entry, user, journey or now",
        ),
        (
            "where: event.properties.total >= 50.0",
            "where: event.properties.total = 50.0",
            "7:33: 'where' in the entry: found '=', expected '=='",
        ),
        (
            "where: event.properties.total >= 50.0",
            "where: |\n    event.properties.total >= 50.0 &&\n      evnt.event == 'x'",
            "9:7: 'where' in the entry: unknown name 'evnt': did you mean 'event'?",
        ),
        (
            "where: event.properties.total >= 50.0",
            'where: "event.event == \\"x\\" && event.evnt"',
            "7:41: 'where' in the entry: 'event' has no field 'evnt': did you mean 'event'?",
        ),
        (
            "type: wait_for_event",
            "type: wait_for_evnt",
            "12:11: unknown node type 'wait_for_evnt' in node 'bought': "
            "did you mean 'wait_for_event'?",
        ),
        (
            "    within: 1h\n",
            "",
            "11:3: 'within' is missing in node 'bought' (wait_for_event): expected 'forever' or "
            "a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H",
        ),
        (
            "within: 1h",
            "within: 60",
            "14:13: 'within' in node 'bought' (wait_for_event): found 60 (integer), expected "
            "'forever' or a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H: did you mean '60s'?",
        ),
        (
            "on_timeout: worth",
            "on_timeout: wroth",
            "16:17: 'on_timeout' in node 'bought' (wait_for_event): 'wroth' is not a node: "
            "did you mean 'worth'?",
        ),
        (
            "next: split",
            "next: splitt",
            "21:54: 'next' in 'branches[1]' of node 'worth' (criteria): 'splitt' is not a node: "
            "did you mean 'split'?",
        ),
        (
            "    otherwise: done\n",
            "",
            "17:3: 'otherwise' is missing in node 'worth' (criteria): expected the name of a node",
        ),
        (
            "weight: 50",
            "weight: -1",
            "26:25: 'weight' in 'variants.email' of node 'split' (experiment): "
            "found -1 (integer), expected a number of at least 0",
        ),
        (
            "weight: 50",
            "weight: '50'",
            "26:25: 'weight' in 'variants.email' of node 'split' (experiment): "
            "found '50', expected a number",
        ),
        (
            "      email:   {weight: 50, next: mail}\n      control: {weight: 20, next: done}\n",
            "      email: {weight: 0, next: mail}\n      control: {weight: 0}\n",
            "23:3: node 'split' (experiment): "
            "the weights of an experiment must have a positive sum",
        ),
        (
            "    variants:\n",
            "    winner: emial\n    variants:\n",
            "25:13: node 'split' (experiment): "
            "winner 'emial' is not one of the variants: email, control",
        ),
        (
            "    destination: mailer\n    event_name",
            "    destination: mailr\n    event_name",
            "30:18: 'destination' in node 'mail' (destination): 'mailr' is not a destination: "
            "did you mean 'mailer'?",
        ),
        (
            "to: ${user.traits.email}",
            "to: a ${user.trats.email} b",
            "33:20: 'to' in 'payload' of node 'mail' (destination): "
            "'user' has no field 'trats': did you mean 'traits'?",
        ),
        (
            "to: ${user.traits.email}",
            "to: ['x', {y: 'a ${}'}]",
            "33:26: 'y' in 'payload.to[1]' of node 'mail' (destination): "
            "an empty expression: expected CEL",
        ),
        (
            "to: ${user.traits.email}",
            "to: 'a ${user.id'",
            "33:14: 'to' in 'payload' of node 'mail' (destination): "
            "'${' is not closed: expected '}'",
        ),
        (
            "to: ${user.traits.email}",
            "to: '${env.JOURNEYS_SECRET_X}'",
            "33:14: 'to' in 'payload' of node 'mail' (destination): "
            "'env' can be read only in the headers of a Destination",
        ),
        (
            "attr.offer",
            "attr.ofer",
            "40:50: 'offer' in 'payload' of node 'call' (destination): "
            "no node sets 'ofer': did you mean 'offer'?",
        ),
        (
            "more: '${attr.offer}'",
            "more: '${steps.bougt.event}'",
            "40:74: 'more' in 'payload' of node 'call' (destination): "
            "'bougt' is not a node: did you mean 'bought'?",
        ),
        (
            "more: '${attr.offer}'",
            "more: '${steps.bought.variant}'",
            "40:81: 'more' in 'payload' of node 'call' (destination): "
            "node 'bought' captures no 'variant': expected 'event'",
        ),
        (
            "more: '${attr.offer}'",
            "more: '${steps.worth.event}'",
            "40:74: 'more' in 'payload' of node 'call' (destination): "
            "node 'worth' (criteria) captures nothing",
        ),
        (
            "more: '${attr.offer}'",
            "more: '${steps.split.variant}'",
            "40:74: 'more' in 'payload' of node 'call' (destination): "
            "node 'split' is on no way to 'call', so it has no value there",
        ),
        (
            "more: '${attr.offer}'",
            "more: '${steps.bought.event.event}'",
            "40:74: 'more' in 'payload' of node 'call' (destination): "
            "node 'bought' is on no way to 'call', so it has no value there",
        ),
        (
            "kind: Destination",
            "kind: Destinaton",
            "44:7: unknown kind 'Destinaton': did you mean 'Destination'?",
        ),
        (
            "https://mail",
            "ftp://mail",
            "47:6: 'url' in Destination 'mailer': found 'ftp', expected http:// or https://",
        ),
        (
            "https://mail.example.com/v1/",
            "https://",
            "47:14: 'url' in Destination 'mailer': an expression in the host: "
            "expected scheme, host and port as plain text",
        ),
        (
            "${user.id}\nheaders",
            "${event.event}\nheaders",
            "47:36: 'url' in Destination 'mailer': 'event.event' is not known to a destination: "
            "expected user.id and journey.name, version, instance and key",
        ),
        (
            "env.JOURNEYS_SECRET_MAILER",
            "env",
            "48:36: 'Authorization' in 'headers' of Destination 'mailer': 'env' is read by a name: "
            "expected env.NAME",
        ),
        (
            "'Bearer ${env.JOURNEYS_SECRET_MAILER}'",
            '"a\\r\\nX: b"',
            "48:28: 'headers' in Destination 'mailer': found a line break in the value of "
            "'Authorization', expected printable ASCII (of data in '${...}', other characters are "
            "percent-encoded)",
        ),
        (
            "'Bearer ${env.JOURNEYS_SECRET_MAILER}'",
            "'${user.id + \"ü\"} Müller'",
            "48:45: 'headers' in Destination 'mailer': found the character 'ü' (U+00FC) in the "
            "value of 'Authorization', expected printable ASCII (of data in '${...}', other "
            "characters are percent-encoded)",
        ),
        (
            "Authorization:",
            "'a b':",
            "48:11: 'a b' in 'headers' of Destination 'mailer' is not a valid name: expected the "
            "name of a header: letters, digits and signs such as '-'",
        ),
        (
            "Authorization:",
            "idempotency-key:",
            "48:11: 'headers' in Destination 'mailer': 'idempotency-key' is set by the delivery "
            "itself, expected another header",
        ),
        (
            "Authorization:",
            "Journeys-Test:",
            "48:11: 'headers' in Destination 'mailer': 'Journeys-Test' is set by the delivery "
            "itself, expected another header",
        ),
        (
            "{for: 24h",
            "{for: 0s",
            "49:14: 'for' in 'retry' of Destination 'mailer': found '0s', expected a duration "
            "such as 90s, 15m, 1h, 2d, 1w or P1DT2H: "
            "a duration is longer than 0 and at most 1,000 years",
        ),
    ],
)
def test_one_mistake_is_one_problem(old: str, new: str, problem: str) -> None:
    assert old in CHECKOUT
    assert told(CHECKOUT.replace(old, new, 1), "checkout.yaml")[:1] == [f"checkout.yaml:{problem}"]


def test_all_mistakes_are_reported_in_the_order_of_the_text() -> None:
    text = CHECKOUT.replace("50.0", "'a' + 1").replace("1h", "1 hour").replace("mailer", "m", 1)
    problems = check([("a.yaml", text), ("b.yaml", "kind: X")], KINDS)[1]
    places = [(problem.file, problem.line) for problem in problems]
    assert places == [("a.yaml", 7), ("a.yaml", 14), ("a.yaml", 30), ("b.yaml", 1)]


def test_a_name_that_is_there_twice_is_reported_with_the_first_place() -> None:
    problems = check([("a.yaml", MAILER), ("b.yaml", MAILER)], KINDS)[1]
    assert [str(problem) for problem in problems] == [
        "b.yaml:2:27: Destination 'mailer' is defined twice: the first is at a.yaml:2:27"
    ]


def test_problems_carry_what_a_program_needs() -> None:
    (problem,) = check([("a.yaml", MAILER.replace("type: http", "type: htp"))], KINDS)[1]
    assert (problem.file, problem.line, problem.column) == ("a.yaml", 2, 41)
    assert problem.found == "'htp'"
    assert problem.expected == "'http'"
    assert problem.nearest == "http"
    assert problem.document == "Destination/mailer"


def test_a_large_document_with_mistakes_everywhere_is_answered_in_seconds() -> None:
    nodes = "".join(f"  n{i}: {{type: dela, fo: 1h, next: nx{i}}}\n" for i in range(5_000))
    before = time.process_time()
    problems = told(HEAD + nodes)
    assert time.process_time() - before < 60
    assert len(problems) == 201
    assert problems[-1].endswith("only 200 problems are shown")


def test_a_large_good_document_is_answered_in_seconds() -> None:
    nodes = "".join(
        f"  n{i}: {{type: delay, for: 1h, set: {{a{i}: 1, b: '${{attr.a{i - 1}}}'}}}}\n"
        for i in range(1, 3_000)
    )
    before = time.process_time()
    assert told(HEAD + "  n0: {type: delay, for: 1h, set: {a0: 1}}\n" + nodes) == []
    assert time.process_time() - before < 60
