"""Compares what the engine reported about a history with what SQL computes.

A case is a journey (NAME.yaml) and its SQL (NAME.sql), which fills the table `expected` from the
table of events alone. Nothing of the engine is imported here: it is given as decoded JSON, so a
backtest and the whole pipeline are held to the same rows.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb

HERE = Path(__file__).parent
ZONES = ("Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


class Row(NamedTuple):
    """One outcome; `line` and `timer` are its cause, and `n` counts its instance's outcomes."""

    user: str
    journey: str | None
    entry: str | None
    key: str | None
    type: str
    node: str | None
    at: str
    detail: str
    line: int | None
    timer: str | None
    n: int


class Expected(NamedTuple):
    """What a log must bring about: every row, and of the users who came in order their order."""

    rows: list[Row]
    orderly: frozenset[str]


# ---- Expected rows


def expected(log: Path, names: Collection[str]) -> Expected:
    """Every row that the cases `names` demand of a log; a user's rows in the order of the rules."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(
            """
            CREATE TABLE raw AS SELECT row_number() OVER () AS n, * FROM read_json(
                ?, format = 'newline_delimited', columns = {
                    event: 'VARCHAR', userId: 'VARCHAR', anonymousId: 'VARCHAR',
                    messageId: 'VARCHAR', timestamp: 'VARCHAR', receivedAt: 'VARCHAR',
                    properties: 'JSON', context: 'JSON', traits: 'JSON',
                    traits_once: 'JSON', backfill: 'BOOLEAN'})
            """,
            [str(log)],
        )
        db.execute((HERE / "prelude.sql").read_text())
        _unit_hashes(db)
        _local_times(db)
        for name in names:
            db.execute((HERE / f"{name}.sql").read_text())
        told = db.execute((HERE / "told.sql").read_text()).fetchall()
        orderly = db.execute("SELECT user_id FROM orderly").fetchall()
    rows = [
        Row(*row[:7], _canonical(json.loads(row[7]) if row[7] is not None else None), *row[8:])
        for row in told
    ]
    return Expected(rows, frozenset(user for (user,) in orderly))


def unit_hash(salt: str, user: str, variant: str) -> float:
    """The published rule: 53 bits of blake2b-64 of the texts joined by NUL, as (n + 0.5) / 2^53."""
    digest = blake2b("\0".join((salt, user, variant)).encode("utf-8"), digest_size=8).hexdigest()
    return (int(digest, 16) // 2**11 + 0.5) / 2**53


def _unit_hashes(db: duckdb.DuckDBPyConnection) -> None:
    """Table unit_hashes (salt, user_id, variant, u), which SQL has no function for."""
    users = [user for (user,) in db.execute("SELECT DISTINCT user_id FROM live").fetchall()]
    rows = [
        (salt, user, variant, unit_hash(salt, user, variant))
        for salt, variants in (("pepper", "ab"), ("standing/half", "cd"))
        for variant in variants
        for user in users
    ]
    types = {"salt": "TEXT", "user_id": "TEXT", "variant": "TEXT", "u": "DOUBLE"}
    _table(db, "unit_hashes", types, rows)


def _local_times(db: duckdb.DuckDBPyConnection) -> None:
    """Table local_times (zone, clock, weekday, instant): when clocks show a time of day."""
    first, last = db.execute("SELECT min(t), max(t) + days(60) FROM live").fetchone() or (0, 0)
    days = range(first // 86_400_000 - 2, last // 86_400_000 + 2)
    clocks = [(zone, time(2, 30)) for zone in ZONES] + [("America/New_York", time(23, 45))]
    rows = []
    for name, clock in clocks:
        zone = ZoneInfo(name)
        for number in days:
            day = date(1970, 1, 1) + timedelta(number)
            instant = _instant(datetime.combine(day, clock, UTC), zone)
            ms = (instant - EPOCH) // timedelta(milliseconds=1)
            rows.append((name, f"{clock:%H:%M}", day.isoweekday(), ms))
    types = {"zone": "TEXT", "clock": "TEXT", "weekday": "INT", "instant": "BIGINT"}
    _table(db, "local_times", types, rows)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clock of a zone shows `local`, found by search.

    The first of the quarters of an hour around it at which they do; where none is, they skip it,
    and the offset that held a day before counts.
    """
    before = local - _offset(local - timedelta(days=1), zone)
    if _offset(local + timedelta(days=1), zone) == _offset(local - timedelta(days=1), zone):
        return before
    for quarters in range(-64, 65):
        moment = local + quarters * timedelta(minutes=15)
        if moment + _offset(moment, zone) == local:
            return moment
    return before


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None, "a zone has an offset at every moment"
    return offset


def _table(db: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], rows: Any) -> None:
    """A table of rows from Python, which SQL gets as one JSON text."""
    shape = json.dumps([types])
    text = json.dumps([dict(zip(types, row, strict=True)) for row in rows])
    db.execute(
        f"CREATE TABLE {name} AS SELECT unnest(from_json(?, '{shape}'), recursive := true)", [text]
    )


# ---- Reported rows


def actual(outcomes: Iterable[Json], actions: Iterable[Json]) -> list[Row]:
    """The engine's outcomes as rows, in its order; a payload is in the row that requests it."""
    told = [one for one in outcomes if (one["detail"] or {}).get("kind") != "zone"]
    sent = {one["action_id"]: one for one in actions}
    emitted = _emitted(told)
    entries = {
        one["instance"]: emitted.get(one["detail"]["message_id"], one["detail"]["message_id"])
        for one in told
        if one["type"] == "journey.entered"
    }
    counts: Counter[str] = Counter()
    found = []
    for one in told:
        instance = one["instance"]
        if instance is not None:
            counts[instance] += 1
        found.append(
            Row(
                one["user_id"],
                one["journey"],
                entries.get(instance),
                one["key"],
                one["type"],
                one["node"],
                one["at"],
                _canonical(_detail(one, sent, emitted)),
                one["cause"].get("offset"),
                one["cause"].get("timer"),
                counts[instance] if instance is not None else 0,
            )
        )
    return found


def _emitted(told: list[Json]) -> dict[str, str]:
    """Names that SQL can compute for ids that only the engine can know: who emitted, and where."""
    entries = {
        one["instance"]: one["detail"]["message_id"]
        for one in told
        if one["type"] == "journey.entered"
    }
    names: dict[str, str] = {}
    for one in told:
        if one["type"] == "event.emitted":
            entry = entries[one["instance"]]
            names[one["detail"]["message_id"]] = f"{one['node']} of {names.get(entry, entry)}"
    return names


def _detail(one: Json, sent: dict[str, Json], emitted: dict[str, str]) -> Any:
    """Without what is for people, and without ids that name nothing."""
    if one["detail"] is None:
        return None
    detail = {name: value for name, value in one["detail"].items() if name not in ("error",)}
    if "message_id" in detail:
        detail["message_id"] = emitted.get(detail["message_id"], detail["message_id"])
    action = sent.get(detail.pop("action_id", ""))
    if action is not None:
        assert (action["at"], action["node"]) == (one["at"], one["node"])
        assert (action["instance"], action["key"]) == (one["instance"], one["key"])
        detail |= {
            name: action[name] for name in ("payload", "action", "event_name") if action[name]
        }
    return detail or None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


# ---- The comparison


def differences(wanted: Iterable[Row], got: Iterable[Row], most: int = 12) -> list[str]:
    """What is missing and what is too much, whatever the order; empty when all is as it must be."""
    missing, surplus = Counter(wanted), Counter(got)
    missing, surplus = missing - surplus, surplus - missing
    found = [(row, "missing   ") for row in missing.elements()]
    found += [(row, "unexpected") for row in surplus.elements()]
    found.sort(key=lambda one: ([str(part) for part in one[0][:4]], one[0].at, one[0].n, one[1]))
    shown = [f"{what} {tuple(row)}" for row, what in found]
    return shown if len(shown) <= most else [*shown[:most], f"... {len(shown)} differences in all"]


def disorder(wanted: Expected, got: Iterable[Row]) -> list[str]:
    """For each user whose events came in order, the first row that is reported out of order."""
    stories: dict[str, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((wanted.rows, got)):
        for row in rows:
            if row.user in wanted.orderly:
                stories[row.user][side].append(row)
    found = []
    for ours, theirs in stories.values():
        pairs = zip_longest(ours, theirs)
        found += [f"expected {one}, found {other}" for one, other in pairs if one != other][:1]
    return found


def by_any_partition(rows: Iterable[Row]) -> list[Row]:
    """What is so however users are spread over partitions: causes, and what an entry's condition
    that fails tells once a minute, are not."""
    return [
        row._replace(line=None, timer=None)
        for row in rows
        if row.type != "expression.failed" or row.entry is not None
    ]
