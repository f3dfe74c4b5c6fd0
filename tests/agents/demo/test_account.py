"""The demo's account finds what is missing and what is there too often."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import psutil
import pytest

from agents.demo.account import Account, settle
from agents.demo.history import Expected, Row
from agents.demo.receiver import Receiver
from agents.demo.tree import places
from agents.kafka.topics import DEAD, EVENTS, OUTCOMES, USERS, actions
from journeys.documents.journey import Journey
from tables.changelog import POSITION_KEY, Position


class Record:
    """A record as a consumer hands it over."""

    def __init__(self, topic: str, key: bytes | None, value: bytes, partition: int = 0) -> None:
        self._is = (topic, key, value, partition)

    def topic(self) -> str:
        return self._is[0]

    def key(self) -> bytes | None:
        return self._is[1]

    def value(self) -> bytes:
        return self._is[2]

    def partition(self) -> int:
        return self._is[3]

    def headers(self) -> None:
        return None


def outcome(id: str, type: str, **detail: Any) -> Record:
    said = dict.fromkeys(("journey", "version", "instance", "key", "node"))
    said |= {"outcome_id": id, "type": type, "at": "2020-01-01T00:00:00.000Z", "user_id": "u"}
    return Record(OUTCOMES, b"u", json.dumps({**said, "cause": {}, "detail": detail}).encode())


def action(id: str) -> Record:
    names = "destination action event_name send_key user_id journey version instance key node at"
    said = dict.fromkeys(names.split(), "x") | {"action_id": id, "payload": {}}
    return Record(actions("mailer"), b"u", json.dumps(said).encode())


EVENT = Record(EVENTS, b"u", b"{}")
APPLIED = Record(USERS, POSITION_KEY, Position(1).pack())
ENTERED = outcome("o-1", "journey.entered")
DELIVERED = outcome("o-2", "action.delivered", action_id="a", attempts=2)
ALL = [EVENT, APPLIED, ENTERED, action("a"), DELIVERED]
MUST = Expected(
    Counter([Row("journey.entered", "u", None, None, None, "2020-01-01T00:00:00.000Z")]),
    frozenset({"a"}),
)


def account(records: list[Record], accepted: dict[str, int] | None = None) -> Account:
    return settle(
        records,  # type: ignore[arg-type]
        acknowledged=1,
        ends={0: 1},
        expected=MUST,
        accepted={"a": 1} if accepted is None else accepted,
        requests=2,
        refused=1,
    )


def test_a_history_of_which_all_is_there_once_is_clean() -> None:
    whole = account(ALL)
    assert whole.clean
    assert whole.tally.retried == 1


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (EVENT, "events acknowledged, not in the log"),
        (APPLIED, "records of the log not applied"),
        (ENTERED, "expected outcomes"),
        (ALL[3], "expected actions"),
        (DELIVERED, "actions without a delivery"),
    ],
)
def test_what_is_missing_is_lost(missing: Record, told: str) -> None:
    assert account([one for one in ALL if one is not missing]).lost == {told: 1}


@pytest.mark.parametrize(
    ("twice", "told"),
    [
        (EVENT, {"events more often in the log than acknowledged"}),
        (ENTERED, {"outcome ids", "unexpected outcomes"}),
        (ALL[3], {"action ids"}),
        (DELIVERED, {"outcome ids", "deliveries reported more than once"}),
    ],
)
def test_what_is_there_twice_is_repeated(twice: Record, told: set[str]) -> None:
    assert account([*ALL, twice]).repeated.keys() == told


def test_an_action_that_the_receiver_never_accepted_is_lost() -> None:
    assert account(ALL, accepted={}).lost == {"actions the receiver never accepted": 1}


def test_a_dead_letter_is_lost() -> None:
    assert account([*ALL, Record(DEAD, None, b"{}")]).lost == {"dead letters": 1}


def test_the_tree_has_every_node_once_below_what_all_ways_to_it_lead_through() -> None:
    journey = Journey.model_validate(
        {
            "kind": "Journey",
            "name": "j",
            "entry": {"event": "e"},
            "nodes": {
                "split": {
                    "type": "experiment",
                    "variants": {
                        "a": {"weight": 1, "next": "left"},
                        "b": {"weight": 1, "next": "both"},
                    },
                },
                "left": {"type": "destination", "destination": "d", "payload": {}},
                "both": {"type": "exit"},
            },
        }
    )
    drawn = [(place.guide, place.name, place.how) for place in places(journey)]
    assert drawn == [("", "split", ""), ("├ ", "left", "a"), ("└ ", "both", "")]


def test_the_receiver_listens_on_loopback_only() -> None:
    with Receiver(0) as receiver:
        listening = [
            connection.laddr.ip
            for connection in psutil.Process().net_connections()
            if connection.laddr.port == receiver.port and connection.status == psutil.CONN_LISTEN
        ]
    assert listening == ["127.0.0.1"]
