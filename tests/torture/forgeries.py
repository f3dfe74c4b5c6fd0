"""Records of the engine's own kinds as anybody may write them, who may write events: forged,
replayed, and wrong in every field."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from confluent_kafka import Message

from tests.pipeline.stack import PARTITIONS
from tests.torture.strangers import STRANGER
from tests.torture.traffic import Traffic

KIND, ORIGIN = "journeys-record", "journeys-origin"
KINDS = ("response", "barrier", "clock", "mark", "event", "merge", "absorb", "dead-mark", "", "\0")
_ODD: list[Any] = [
    None,
    "",
    "\0",
    "u1\0",
    "u1\0m",
    "\ud800",
    "x" * 300,
    "x" * 100_000,
    -1,
    0,
    2**31,
    2**63 - 1,
    2**63,
    10**30,
    1.5,
    float("inf"),
    True,
    [],
    {},
    [[]] * 1_000,
    {"\0": {"\0": "\0"}},
    "2099-01-01T00:00:00Z",
    "end",
]
_WHOLE: list[bytes] = [b"", b"\0", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 50_000, b"x" * 900_000]

Headers = list[tuple[str, bytes | None]]


class Forgery(NamedTuple):
    """A record of the events; partition: where it is written, wherever its user is at home."""

    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


def forgeries(chance: random.Random, real: list[Message]) -> Iterator[Forgery]:
    """Without end. real: records of the engine's that the log holds; they are written again, and
    altered. None of them names a request that is still waited for."""
    samples: dict[str, dict[str, Any]] = {
        "response": {"action_id": "a", "user_id": "u1", "instance": "i", "ok": True, "labels": {}},
        "barrier": {"config": 1},
        "clock": {"time": "2026-01-01T00:00:00Z"},
    }
    while True:
        partition = chance.randrange(PARTITIONS)
        key = chance.choice([None, b"", b"u1", b"u1\0", b"\0position", b"\xff", b"k" * 100_000])
        kind = chance.choice(KINDS)
        value = dict(samples.get(kind, {"userId": f"{STRANGER}1", "event": "hostile"}))
        headers: Headers = [(KIND, kind.encode())]
        match chance.choice(["replay", "alter", "field", "whole", "headers"]):
            case "replay" if real:
                record = chance.choice(real)
                where = chance.choice([record.partition(), partition])
                yield Forgery(where, record.key(), record.value() or b"", record.headers() or [])
                continue
            case "alter" if real:
                record = chance.choice(real)
                response = _response(record)
                if not response:
                    continue
                value, kind = dict(response), "response"
                headers = list(record.headers() or [])
                value[chance.choice(list(value))] = chance.choice(_ODD)
            case "field":
                value[chance.choice([*value, "\0", "more"])] = chance.choice(_ODD)
            case "whole":
                yield Forgery(partition, key, chance.choice(_WHOLE), headers)
                continue
            case "headers":
                headers += [
                    chance.choice(
                        [
                            (KIND, b"\xff"),
                            (KIND, b"k" * 10_000),
                            (KIND, None),
                            (ORIGIN, b"journeys.events-0-0"),
                            (ORIGIN, b"\xff" * 5_000),
                            ("journeys-signature", b"\0" * 32),
                        ]
                    )
                ]
        if kind != "event" or _is_nobodys(value.get("userId")):
            yield Forgery(partition, key, json.dumps(value).encode(), headers)


def _is_nobodys(user_id: Any) -> bool:
    """Whether an event of this user's is a stranger's, or none at all."""
    return not isinstance(user_id, str | int) or str(user_id).startswith(STRANGER)


def is_real(record: Message) -> bool:
    return bool(record.headers())


def _response(record: Message) -> dict[str, Any] | None:
    """The fields of a response, however it came into the log; None of anything else."""
    if _kind(record) != "response":
        return None
    try:
        value = json.loads(record.value() or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _kind(record: Message) -> str:
    headers: dict[str, bytes | None] = dict(record.headers() or [])
    return (headers.get(KIND) or b"").decode(errors="replace")


def write(traffic: Traffic, forgery: Forgery) -> None:
    traffic.send_raw(forgery.value, forgery.key, forgery.partition, forgery.headers)


def forge_answers(
    traffic: Traffic, requests: list[dict[str, Any]], log: list[Message], answer: str = "forged"
) -> int:
    """Answers all requests that have no answer yet, without a signature; returns how many."""
    answered = {str(response.get("action_id")) for one in log if (response := _response(one))}
    waiting = [one for one in requests if one["action_id"] not in answered]
    for one in waiting:
        told = {name: one[name] for name in ("action_id", "user_id", "instance")}
        value = json.dumps(told | {"ok": True, "status_code": 200, "labels": {"answer": answer}})
        traffic.send_raw(value.encode(), one["user_id"].encode(), -1, [(KIND, b"response")])
    return len(waiting)
