"""Whatever is pushed or sent, it gets an answer, and nobody else's work stops."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.embedded.broker import EmbeddedKafka
from tests.pipeline.stack import Stack, stack, wait_until

GOOD = """
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:9/mail
---
kind: Journey
name: welcome
entry: {event: signed_up}
nodes:
  mail: {type: destination, destination: mailer, payload: {to: "${user.id}"}}
"""


@pytest.fixture(scope="module")
def installation(kafka: EmbeddedKafka) -> Iterator[Stack]:
    with stack(kafka, {"register": 1, "evaluate": 1}) as made:
        assert {one["type"] for one in made.apply(GOOD)} == {"config.accepted"}
        yield made


JOURNEY = "kind: Journey\nname: broken\nentry: {event: a}\nnodes:\n"

BROKEN: dict[str, tuple[str | bytes, int, int, str]] = {
    "not YAML": ("kind: Journey\nname: [broken\n", 2, 7, "is not closed"),
    "not text": (b"kind: \xff\xfe", 1, 7, "UTF-8"),
    "empty": ("", 1, 1, "no document"),
    "an unknown key": (
        JOURNEY + "  w: {type: wait_for_event, evnt: b, within: 1h}\n",
        5,
        29,
        "did you mean 'event'",
    ),
    "an unknown node type": (
        JOURNEY + "  w: {type: critera}\n",
        5,
        13,
        "did you mean 'criteria'",
    ),
    "an unknown destination": (
        JOURNEY + "  m: {type: destination, destination: mailr, payload: {}}\n",
        5,
        39,
        "did you mean 'mailer'",
    ),
    "a CEL type error": (
        "kind: Journey\nname: broken\nentry:\n  event: a\n  where: event.event > 5\n"
        "nodes:\n  x: {type: exit}\n",
        5,
        22,
        "string",
    ),
    "an empty condition": (
        "kind: Journey\nname: broken\nentry: {event: a, where: ''}\nnodes:\n  x: {type: exit}\n",
        3,
        26,
        "empty",
    ),
    "a cycle without a wait": (
        JOURNEY
        + "  a: {type: criteria, branches: [{when: 'true', next: b}], otherwise: b}\n"
        + "  b: {type: criteria, branches: [{when: 'true', next: a}], otherwise: a}\n",
        5,
        3,
        "without a wait",
    ),
    "deep nesting": ("[" * 500_000, 1, 65, "64"),
    "5 MB of nesting": ("[" * 5_000_000, 1, 1, "too large"),
    "a coerced type": ("kind: Journey\nname: 5\nentry: {event: a}\n", 2, 7, "expected"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_document_is_rejected_at_its_place(installation: Stack, name: str) -> None:
    text, line, column, words = BROKEN[name]
    (verdict,) = installation.apply(text)
    assert verdict["type"] == "config.rejected"
    assert verdict["cause"]["topic"] == "journeys.config"
    problems = verdict["detail"]["problems"]
    assert (line, column) in [(one["line"], one["column"]) for one in problems], problems
    assert any(words in one["message"] for one in problems), problems


def test_what_ran_keeps_running_after_everything_that_was_rejected(installation: Stack) -> None:
    for text, *_ in BROKEN.values():
        installation.push(text)
    installation.assert_still_works("after-broken-documents")


def deep(levels: int) -> bytes:
    nested = b"[" * levels + b"]" * levels
    return b'{"event":"signed_up","userId":"deep","properties":{"a":' + nested + b"}}"


EVENTS: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{not json", "malformed"),
    "a user that is not UTF-8": (b'{"event": "signed_up", "userId": "\xff"}', "invalid_user"),
    "empty": (b"", "malformed"),
    "an array": (b"[1, 2]", "malformed"),
    "no user": (b'{"event": "signed_up"}', "userId"),
    "an empty user": (b'{"event": "signed_up", "userId": ""}', "userId"),
    "a user that is no integer": (b'{"event": "signed_up", "userId": 5.5}', "userId"),
    "a user of more than 64 bits": (
        b'{"event": "signed_up", "userId": 18446744073709551616}',
        "invalid_user",
    ),
    "no event": (b'{"userId": "u"}', "event"),
    "a wrong timestamp": (
        b'{"event": "signed_up", "userId": "u", "timestamp": "yesterday"}',
        "timestamp",
    ),
    "a timestamp without a zone": (
        b'{"event": "signed_up", "userId": "u", "timestamp": "2026-01-01T00:00:00"}',
        "timestamp",
    ),
    "a month that is not there": (
        b'{"event": "signed_up", "userId": "u", "timestamp": "2026-13-01T00:00:00Z"}',
        "timestamp",
    ),
    "some nesting": (deep(10_000), "nest"),
    "5 MB of nesting": (deep(2_500_000), "too_large"),
    "5 MB of text": (
        json.dumps(
            {"event": "signed_up", "userId": "u", "properties": {"a": "x" * 5_000_000}}
        ).encode(),
        "too_large",
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_bad_event_is_rejected_with_its_reason(installation: Stack, name: str) -> None:
    value, word = EVENTS[name]
    offsets: list[tuple[int, int]] = []
    installation.producer.produce(
        "journeys.events",
        value,
        on_delivery=lambda _, message: offsets.append((message.partition(), message.offset())),
    )
    installation.flush()
    place = {"topic": "journeys.events", "partition": offsets[0][0], "offset": offsets[0][1]}

    def told() -> list[dict[str, Any]]:
        return [one for one in installation.outcomes() if one["cause"] == place]

    (outcome,) = wait_until(told)
    assert outcome["type"] == "event.rejected"
    assert word in json.dumps(outcome["detail"]), outcome["detail"]


def test_the_worker_lives_on_after_every_bad_event(installation: Stack) -> None:
    for value, _ in EVENTS.values():
        installation.producer.produce("journeys.events", value)
    installation.assert_still_works("after-bad-events")
    assert not [line for line in installation.lines if "ended" in line]


def test_an_event_on_the_wrong_partition_is_rerouted_and_applied_once(
    installation: Stack,
) -> None:
    event = {"event": "signed_up", "userId": "astray"}
    for partition in range(4):
        installation.producer.produce(
            "journeys.events",
            json.dumps({**event, "messageId": "same"}),
            partition=partition,
        )
    installation.flush()
    installation.wait_applied()
    wait_until(lambda: [a for a in installation.actions("mailer") if a["user_id"] == "astray"])
    installation.wait_applied()
    mine = [one for one in installation.outcomes() if one["user_id"] == "astray"]
    # Of each wrong partition at most the first of a minute is reported.
    rerouted = [one["cause"]["partition"] for one in mine if one["type"] == "event.rerouted"]
    assert len(rerouted) == len(set(rerouted)) <= 3
    assert sum(one["type"] == "journey.entered" for one in mine) == 1


def test_a_destination_whose_topic_the_broker_refuses_is_rejected(
    installation: Stack,
) -> None:
    """Kafka takes no two topics that differ in `.` and `_` alone."""
    admin = AdminClient({"bootstrap.servers": installation.kafka.bootstrap})
    admin.create_topics([NewTopic("journeys_actions_refused", 1, 1)])[
        "journeys_actions_refused"
    ].result()
    destination = GOOD.split("---")[0].replace("mailer", "refused")
    (verdict,) = installation.apply(destination)
    assert verdict["type"] == "config.rejected"
    assert "journeys.actions.refused" in verdict["detail"]["problems"][0]["message"]
    assert {one["type"] for one in installation.apply(GOOD)} == {"config.accepted"}


def test_many_large_events_are_applied_in_transactions_of_a_bounded_size(
    installation: Stack,
) -> None:
    users = [f"large-{number}" for number in range(60)]
    for user in users:
        filler = {"filler": "x" * 900_000}
        installation.send({"event": "signed_up", "userId": user, "properties": filler})
    installation.flush()
    installation.wait_applied()
    sent = {action["user_id"] for action in installation.actions("mailer")}
    assert set(users) <= sent
