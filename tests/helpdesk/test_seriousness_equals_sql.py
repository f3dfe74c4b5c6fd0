"""Another journey over the same four years, without a key: one instance at a time, and a gap."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journeys.simulation.backtest import Backtest
from tests.helpdesk.compare import EVENTS
from tests.journeys.builders import running

JOURNEY = Path(__file__).with_name("seriousness.yaml")
SQL = Path(__file__).with_name("seriousness.sql")

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def expected() -> Counter[Row]:
    """What must come out, by SQL alone."""
    with duckdb.connect() as db:
        db.execute(
            """
            CREATE TABLE events AS
            SELECT row_number() OVER () AS n, epoch_ms(CAST(timestamp AS TIMESTAMPTZ)) AS t,
                   messageId AS id, event, userId AS user_id, properties.ticket_id AS ticket,
                   properties.product AS product, properties.seriousness AS seriousness,
                   properties.workgroup AS workgroup
            FROM read_json(?, format = 'newline_delimited')
            """,
            [str(EVENTS)],
        )
        db.execute(SQL.read_text())
        return Counter(db.execute("SELECT * FROM expected").fetchall())


@pytest.fixture(scope="module")
def actual() -> Counter[Row]:
    """What the engine reports, in rows of the same shape."""
    backtest = Backtest(running(JOURNEY.read_text()), EVENTS.name)
    outcomes: list[Any] = []
    payloads = {}
    with gzip.open(EVENTS) as lines:
        for effects in backtest.run(lines, drain=True):
            outcomes += effects.outcomes
            payloads |= {one.action_id: one.payload for one in effects.actions}
    entries = {
        one.instance: one.detail["message_id"] for one in outcomes if one.type == "journey.entered"
    }

    def what(type: str, detail: Any) -> Any:
        if type == "action.requested":
            payload = json.dumps(payloads[detail["action_id"]], separators=(",", ":"))
            return json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":"))
        names = {
            "journey.rejected": "reason",
            "journey.exited": "reason",
            "wait.started": "due",
            "wait.matched": "message_id",
            "criteria.matched": "branch",
        }
        return str(detail[names[type]]) if type in names else None

    return Counter(
        (
            one.user_id,
            entries.get(one.instance),
            one.type,
            one.node,
            one.at,
            what(one.type, one.detail),
        )
        for one in outcomes
        if one.type != "node.reached"
    )


def test_every_outcome_and_payload_is_the_one_that_sql_computes(
    actual: Counter[Row], expected: Counter[Row]
) -> None:
    assert sorted(map(str, (actual - expected).elements()))[:10] == []
    assert sorted(map(str, (expected - actual).elements()))[:10] == []


def test_the_history_takes_every_way_through_it(expected: Counter[Row]) -> None:
    told = Counter((row[2], row[5]) for row in expected.elements())
    for type, what in (
        ("journey.rejected", "already_in"),
        ("journey.rejected", "min_gap"),
        ("journey.exited", "asked"),
        ("journey.exited", "still_open"),
        ("journey.exited", "over"),
        ("criteria.matched", "0"),
        ("criteria.matched", "1"),
        ("criteria.matched", "otherwise"),
    ):
        assert told[type, what] > 20, (type, what)
