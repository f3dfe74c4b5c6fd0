"""Records of the engine's own kinds, written by somebody else: they cost at most themselves."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.partitioner import partition_for
from agents.kafka.topics import EVENTS
from journeys.records.headers import SIGNATURE
from journeys.time import parse_time
from tests.pipeline.stack import PARTITIONS, Stack, stack, wait_until

DOCUMENTS = """
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:9/mail
---
kind: Journey
name: welcome
entry: {event: signed_up}
nodes:
  pause: {type: delay, for: 1s}
  mail: {type: destination, destination: mailer, payload: {to: "${user.id}"}}
"""
ROLES = {"register": 1, "evaluate": 1}
KEY = "0123456789abcdef" * 4


@pytest.fixture  # not the module's: while it lives, it owns what any other would own on this broker
def unsigned(kafka: EmbeddedKafka) -> Iterator[Stack]:
    with stack(kafka, ROLES) as made:
        assert {one["type"] for one in made.apply(DOCUMENTS)} == {"config.accepted"}
        yield made


def write(installation: Stack, kind: str, value: bytes, user: str = "u") -> tuple[int, int]:
    """A record as anybody with the right to write events can write it: its place."""
    places: list[tuple[int, int]] = []
    installation.producer.produce(
        EVENTS,
        value,
        partition=partition_for(user.encode(), PARTITIONS),
        headers={"journeys-record": kind},
        on_delivery=lambda _, message: places.append((message.partition(), message.offset())),
    )
    installation.flush()
    return places[0]


def told(installation: Stack, place: tuple[int, int]) -> dict[str, Any]:
    """The outcome about the record."""

    def about() -> list[dict[str, Any]]:
        return [
            one
            for one in installation.journey_outcomes()
            if (one["cause"].get("partition"), one["cause"].get("offset")) == place
            and "timer" not in one["cause"]
        ]

    (outcome,) = wait_until(about)
    return outcome


def response(user: str) -> bytes:
    return json.dumps({"action_id": "a", "user_id": user, "instance": "i", "ok": True}).encode()


def test_a_barrier_of_the_future_and_a_key_of_side_data_stop_nobody(unsigned: Stack) -> None:
    unsigned.assert_still_works("u")  # its messageIds are stored under the id and a NUL
    barrier = write(unsigned, "barrier", b'{"config": 1000000}')
    nul = write(unsigned, "response", response("u\0"))
    over = write(unsigned, "response", response("u"))
    write(unsigned, "mark", b"of somebody else")
    assert told(unsigned, barrier)["detail"]["reason"] == "unknown_push"
    assert told(unsigned, nul)["detail"]["reason"] == "malformed"
    assert told(unsigned, over)["detail"]["reason"] == "visit_over"
    unsigned.send({"event": "signed_up", "userId": "u", "messageId": "again"})
    unsigned.flush()
    wait_until(lambda: len([a for a in unsigned.actions("mailer") if a["user_id"] == "u"]) == 2)
    assert not [line for line in unsigned.lines if "stopped" in line]
    assert not unsigned.dead()


def test_a_timer_says_at_which_place_of_the_log_it_fired(unsigned: Stack) -> None:
    unsigned.assert_still_works("quiet")
    (exited,) = [
        one
        for one in unsigned.journey_outcomes()
        if one["user_id"] == "quiet" and one["type"] == "journey.exited"
    ]
    cause = exited["cause"]
    assert (cause["topic"], cause["after"]) == (EVENTS, True)
    assert cause["partition"] == partition_for(b"quiet", PARTITIONS)
    (place,) = [
        message
        for message in unsigned.read(EVENTS)
        if (message.partition(), message.offset()) == (cause["partition"], cause["offset"])
    ]
    assert place.headers() == [("journeys-record", b"mark")]
    assert place.timestamp()[1] >= parse_time(cause["timer"])


def test_with_keys_only_the_engine_writes_records_of_its_own(kafka: EmbeddedKafka) -> None:
    with stack(kafka, ROLES, JOURNEYS_RECORD_KEYS=KEY) as installation:
        assert {one["type"] for one in installation.apply(DOCUMENTS)} == {"config.accepted"}
        installation.assert_still_works("u")
        own = [m for m in installation.read(EVENTS) if m.headers() and m.key() is None]
        kinds = {dict(m.headers())["journeys-record"] for m in own}
        assert kinds == {b"barrier", b"mark"}
        for message in own:
            names = dict(message.headers())
            assert (SIGNATURE in names) == (names["journeys-record"] == b"barrier")
        forged = [
            write(installation, "barrier", b'{"config": 1}'),
            write(installation, "response", response("u")),
            write(installation, "clock", b'{"time": "end"}'),
            write(installation, "event", b'{"event": "signed_up", "userId": "u"}'),
        ]
        for place in forged:
            assert told(installation, place)["detail"]["reason"] == "unsigned"
        dead = wait_until(lambda: len(found := installation.dead()) == 4 and found)
        assert {one["reason"] for one in dead} == {"unsigned"}
        installation.assert_still_works("v")
        # An event on the wrong partition is forwarded, and the engine signs what it forwards.
        home = partition_for(b"w", PARTITIONS)
        installation.producer.produce(
            EVENTS, b'{"event": "signed_up", "userId": "w"}', partition=(home + 1) % PARTITIONS
        )
        installation.flush()
        wait_until(lambda: [a for a in installation.actions("mailer") if a["user_id"] == "w"])
