"""Histories to hold the engine to: the help desk's own, and logs as ill-mannered as real ones are.

Law: a log follows from its seed alone. Every oddity in it is one that producers bring about: clocks
that run ahead, uploads days later, retries, fields of several kinds, ids of any letters, bursts of
one millisecond, years of silence.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from tests.history.compare import ZONES

ROOT = Path(__file__).resolve().parents[2]
HELPDESK = ROOT / "examples" / "helpdesk" / "events.jsonl.gz"

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
_NO_ZONES = ("Mars/Olympus", "rome", 5, None)
_ODD_USERS = (
    "o'neil",
    'a "quoted" one',
    "back\\slash",
    "Zoë Müller",
    "日本",
    "💶",
    "${user.id}",
    "5",
)
_ABSENT = object()
_SCORES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 0.5, 1.5, 5.0, 7.5, 9.0, "7", None, True, _ABSENT)

Event = dict[str, Any]


def plain() -> Iterator[Event]:
    """The help desk's four years as they are."""
    with gzip.open(HELPDESK) as lines:
        for line in lines:
            yield json.loads(line)


def late(count: int = 11_000, seed: int = 11) -> list[Event]:
    """Half of them once more, in the order of their arrival, which is not that of their times."""
    chance = random.Random(seed)
    offline: dict[str, int] = {}
    log = []
    for event in _odd(islice(plain(), count), chance):
        time = event["timestamp"]
        user = event.get("userId", "")
        received = time + _delay(chance)
        if time < offline.get(user, 0):
            received = offline[user] = offline[user] + chance.choice([0, 1, 4 * SECOND])
        elif chance.random() < 0.03:  # what comes till then comes in one upload
            received = offline[user] = time + chance.randrange(12 * DAY)
        if chance.random() < 0.05:  # a clock that runs ahead
            event["timestamp"] = time + chance.choice([1, 40 * SECOND, 3 * HOUR, 2 * DAY])
            received = time
        log.append((received, event))
    log.sort(key=lambda one: one[0])
    found = []
    for received, event in log:
        kind = chance.random()
        if kind < 0.02:
            del event["timestamp"]  # it happened when it arrived
        elif kind < 0.3:
            event["timestamp"] = _text(event["timestamp"], chance)
        if kind < 0.01 or kind > 0.03:
            event["receivedAt"] = _text(received, chance) if kind < 0.5 else received
        found.append(event)
    return found


def bursts(count: int = 9_000, seed: int = 5, *, ordered: bool = False) -> list[Event]:
    """Bursts of one millisecond, ties, years of nothing; half of the users not always in order."""
    chance = random.Random(seed)
    names, weights = zip(*_NAMES.items(), strict=True)
    time = int(datetime(2009, 3, 1, tzinfo=UTC).timestamp()) * SECOND
    log: list[Event] = []
    while len(log) < count:
        time += chance.choice([0, 0, 1, 999, SECOND, 90 * SECOND, HOUR, 5 * HOUR, 12 * HOUR])
        if chance.random() < 0.0002:
            time += chance.choice([200, 1_000]) * DAY
        size = 1 if chance.random() < 0.95 else chance.randrange(2, 12)
        users = [f"customer-{int(120 * chance.random() ** 2)}" for _ in range(max(1, size // 4))]
        log += [
            {
                "event": chance.choices(names, weights)[0],
                "timestamp": time,
                "userId": chance.choice(users),
                "properties": {
                    "ticket_id": f"ticket-{chance.randrange(9)}",
                    "agent": f"agent-{chance.randrange(3)}",
                    "product": chance.choice("1233"),
                    "service_level": chance.choice("1223"),
                    "service_type": chance.choice("112"),
                    "seriousness": chance.choice("1124"),
                    "workgroup": chance.choice("1123"),
                },
            }
            for _ in range(size)
        ]
    for number, event in enumerate(log):
        event["messageId"] = f"b-{number}"
    found = list(_odd(log, chance))
    for place in chance.sample(range(count), 0 if ordered else count // 50):
        if found[place].get("userId", "1")[-1] in "02468":  # the others stay in order
            found.insert(min(place + chance.randrange(300), count), found.pop(place))
    return found


_NAMES = {
    "Take in charge ticket": 10,
    "Resolve ticket": 10,
    "Assign seriousness": 10,
    "Closed": 9,
    "Wait": 9,
    "Require upgrade": 1,
    "Insert ticket": 2,
    "Create SW anomaly": 2,
}


def write(log: Iterator[Event] | list[Event], path: Path) -> Path:
    """A log as its file: one JSON event a line."""
    with path.open("w") as lines:
        for event in log:
            lines.write(json.dumps(event, ensure_ascii=False) + "\n")
    return path


def _delay(chance: random.Random) -> int:
    kind = chance.random()
    if kind < 0.7:
        return chance.randrange(5 * SECOND)
    return chance.randrange(2 * HOUR if kind < 0.85 else 6 * DAY if kind < 0.98 else 40 * DAY)


def _text(ms: int, chance: random.Random) -> str | int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    match chance.randrange(4):
        case 0:
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case 1:
            zone = timezone(timedelta(minutes=chance.choice([120, -210, 345])))
            return moment.astimezone(zone).isoformat(timespec="milliseconds")
        case 2:
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "999Z")
    return ms


def _odd(log: Iterator[Event] | list[Event], chance: random.Random) -> Iterator[Event]:
    """The events with times in ms, and what real producers make of them."""
    names: dict[str, str] = {}
    earlier: dict[str, list[str]] = {}
    for event in log:
        time = event["timestamp"]
        if isinstance(time, str):
            moment = datetime.fromisoformat(time)
            time = round(moment.timestamp() * SECOND)
        user = names.setdefault(event["userId"], _user(event["userId"], chance))
        mine = earlier.setdefault(user, [])
        made = {**event, "timestamp": time, "userId": user}
        made["properties"] = _fields(event["properties"], time, chance)
        if chance.random() < 0.3:
            made["context"] = {"timezone": chance.choice([*ZONES, *_NO_ZONES])}
        if chance.random() < 0.06:
            made["traits"] = _traits(chance)
        kind = chance.random()
        if kind < 0.01:
            made["anonymousId"] = made.pop("userId")
        elif kind < 0.025:
            made["backfill"] = True
        elif kind < 0.04:
            del made["messageId"]
        elif kind < 0.043 and len(mine) > 250:
            made["messageId"] = mine[-200]  # out of memory by then, unless all came in one hour
        elif kind < 0.05 and mine:
            made["messageId"] = mine[-1]
        mine.append(made.get("messageId", ""))
        yield made
        if chance.random() < 0.01:
            yield {**made}  # a producer's retry
        if chance.random() < 0.02:
            yield {
                "type": "identify",
                "messageId": f"i-{len(mine)}-{user}",
                "timestamp": time,
                "userId": user,
                "traits": _traits(chance),
            }


def once(log: Iterable[Event], seed: int = 3) -> Iterator[Event]:
    """The log, where some events also fill what is absent in the profile."""
    chance = random.Random(seed)
    for event in log:
        if chance.random() < 0.06 or (event.get("backfill") and chance.random() < 0.5):
            event = {**event, "traits_once": _traits(chance)}
        if event.get("backfill") and chance.random() < 0.7:
            event = {**event, "traits": _traits(chance)}
        yield event


def _user(id: str, chance: random.Random) -> str:
    return id if chance.random() < 0.6 else f"{chance.choice(_ODD_USERS)} {id}"


def _traits(chance: random.Random) -> dict[str, Any]:
    traits = {}
    if chance.random() < 0.7:
        traits["tier"] = chance.choice(["gold", "gold", "silver", None, 5])
    if chance.random() < 0.5:
        traits["timezone"] = chance.choice([*ZONES, *_NO_ZONES])
    return traits


def _fields(fields: dict[str, Any], time: int, chance: random.Random) -> dict[str, Any]:
    """The fields, some of another kind than usual, some missing."""
    found = dict(fields)
    number = fields["ticket_id"].removeprefix("ticket-")
    kind = chance.random()
    if kind < 0.7:
        found["ticket_id"] = int(number) if kind < 0.35 else number
    else:
        odd = (f"ticket {number}/é", True, False, None, float(number), _ABSENT, [1])
        found["ticket_id"] = chance.choice(odd)
    found["score"] = chance.choice(_SCORES)
    days = chance.choice([1, 3, 10, 30, -5, None, None, None])
    found["starts"] = (
        _text(time + days * DAY, chance)
        if days is not None
        else chance.choice(["soon", "2012-05-05T10:00:00", None, True, -5, 1.5, _ABSENT])
    )
    if chance.random() < 0.03:
        found[chance.choice(["agent", "service_level", "service_type", "workgroup"])] = _ABSENT
    if chance.random() < 0.03:
        found["product"] = chance.choice([None, 1, _ABSENT])
    return {name: value for name, value in found.items() if value is not _ABSENT}
