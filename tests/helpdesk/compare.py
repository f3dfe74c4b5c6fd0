"""Compares what the engine reported about the help desk's history with what SQL computes.

It takes actions and outcomes as decoded JSON, so a backtest and the whole pipeline are held to the
same table. Nothing of the engine is imported here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "examples" / "helpdesk" / "events.jsonl.gz"
SALT = "ticket-follow-up/tone"
SQL = Path(__file__).with_name("expected.sql")

Row = tuple[Any, ...]

_WHAT = {
    "journey.entered": lambda detail: detail["event"],
    "journey.rejected": lambda detail: detail["reason"],
    "journey.exited": lambda detail: detail["reason"],
    "wait.started": lambda detail: detail["due"],
    "wait.matched": lambda detail: f"{detail['event']} {detail['message_id']}",
    "experiment.assigned": lambda detail: detail["variant"],
    "criteria.matched": lambda detail: str(detail["branch"]),
    "action.requested": lambda detail: detail["destination"],
}


def unit_hash(salt: str, user: str, variant: str) -> float:
    """The published rule: 53 bits of blake2b-64 of the texts joined by NUL, as (n + 0.5) / 2^53."""
    digest = blake2b("\0".join((salt, user, variant)).encode("utf-8"), digest_size=8).hexdigest()
    return (int(digest, 16) // 2**11 + 0.5) / 2**53


@cache
def expected(events: Path = EVENTS) -> tuple[Counter[Row], Counter[Row]]:
    """The rows of outcomes and of actions that the history must bring about, by SQL alone."""
    with duckdb.connect() as db:
        db.execute(
            """
            CREATE TABLE events AS
            SELECT row_number() OVER () AS n, epoch_ms(CAST(timestamp AS TIMESTAMPTZ)) AS t,
                   messageId AS id, event, userId AS user_id, properties.ticket_id AS ticket,
                   properties.agent AS agent, properties.product AS product,
                   properties.service_level AS service_level
            FROM read_json(?, format = 'newline_delimited')
            """,
            [str(events)],
        )
        disorder = db.execute(
            "SELECT count(*) FROM (SELECT t < lag(t) OVER (ORDER BY n) AS back FROM events) "
            "WHERE back"
        ).fetchone()
        assert disorder == (0,), "the history is in time order, line by line"
        users = [user for (user,) in db.execute("SELECT DISTINCT user_id FROM events").fetchall()]
        units = [
            {"user_id": user, "variant": variant, "u": unit_hash(SALT, user, variant)}
            for user in users
            for variant in ("friendly", "brief", "control")
        ]
        db.execute(
            """
            CREATE TABLE unit_hashes AS
            SELECT unnest(from_json(?, '[{"user_id": "TEXT", "variant": "TEXT", "u": "DOUBLE"}]'),
                          recursive := true)
            """,
            [json.dumps(units)],
        )
        db.execute(SQL.read_text())
        outcomes = db.execute("SELECT * FROM expected_outcomes").fetchall()
        actions = db.execute("SELECT * FROM expected_actions").fetchall()
    return Counter(outcomes), Counter(
        (*row[:-1], _canonical(json.loads(row[-1]))) for row in actions
    )


def actual_outcomes(outcomes: Iterable[dict[str, Any]]) -> Counter[Row]:
    """The engine's outcomes as rows of the same shape."""
    told = list(outcomes)
    entries = _entries(told)
    return Counter(
        (
            one["user_id"],
            one["key"],
            entries.get(one["instance"]),
            one["type"],
            one["node"],
            one["at"],
            _WHAT[one["type"]](one["detail"]) if one["type"] in _WHAT else None,
        )
        for one in told
        if one["journey"] == "ticket-follow-up"
    )


def actual_actions(
    actions: Iterable[dict[str, Any]], outcomes: Iterable[dict[str, Any]]
) -> Counter[Row]:
    """The engine's actions as rows of the same shape."""
    entries = _entries(outcomes)
    return Counter(
        (
            one["user_id"],
            one["key"],
            entries.get(one["instance"]),
            one["destination"],
            one["node"],
            one["at"],
            one["action"],
            one["event_name"],
            _canonical(one["payload"]),
        )
        for one in actions
    )


def differences(
    actions: Iterable[dict[str, Any]], outcomes: Iterable[dict[str, Any]], most: int = 20
) -> list[str]:
    """What is missing and what is too much, row by row; empty when all is as it must be."""
    told, sent = list(outcomes), list(actions)
    wanted_outcomes, wanted_actions = expected()
    found = []
    for what, wanted, got in (
        ("outcome", wanted_outcomes, actual_outcomes(told)),
        ("action", wanted_actions, actual_actions(sent, told)),
    ):
        found += [f"missing {what} x{times}: {row}" for row, times in (wanted - got).items()]
        found += [f"unexpected {what} x{times}: {row}" for row, times in (got - wanted).items()]
    ids = [one["outcome_id"] for one in told] + [one["action_id"] for one in sent]
    repeated = [id for id, times in Counter(ids).items() if times > 1]
    found += [f"id used twice: {id}" for id in repeated]
    return found if len(found) <= most else [*found[:most], f"... {len(found)} differences in all"]


def _entries(outcomes: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The messageId that started each instance."""
    return {
        one["instance"]: one["detail"]["message_id"]
        for one in outcomes
        if one["type"] == "journey.entered"
    }


def _canonical(payload: Any) -> str:
    return json.dumps(payload, sort_keys=True)
