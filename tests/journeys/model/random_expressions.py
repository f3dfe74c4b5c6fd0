"""Expressions of random journeys: each as CEL, and what it means in plain Python."""

from __future__ import annotations

from typing import Any

from tests.journeys.builders import START
from tests.journeys.model.model_terms import HOUR, MINUTE, Cel, Failed, Joined, See, iso


def same(left: Any, right: Any) -> bool:
    """CEL's equality: a truth value is no number."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def more(left: Any, right: int) -> bool:
    """CEL's order: only numbers stand above numbers."""
    if isinstance(left, bool):
        raise TypeError
    return bool(left > right)


def _shown(event: Any) -> dict[str, Any]:
    return {**event, "timestamp": iso(event["timestamp"])}


def _captured(see: See) -> dict[str, Any]:
    captured = see.steps["n0"]
    return {
        label: _shown(value) if label == "event" else value for label, value in captured.items()
    }


def _text(value: Any) -> Any:
    if value is None:
        raise TypeError
    return value


EVENT_CONDITIONS = [
    Cel("event.properties.n > 1", lambda s: more(s.event["properties"]["n"], 1)),
    Cel("event.properties.ok", lambda s: s.event["properties"]["ok"]),
    Cel(
        "has(event.properties.n) && event.properties.n == 2",
        lambda s: "n" in s.event["properties"] and same(s.event["properties"]["n"], 2),
    ),
    Cel("user.traits.t == 1", lambda s: same(s.user["traits"]["t"], 1)),
    Cel("entry.properties.n > 1", lambda s: more(s.entry["properties"]["n"], 1)),
    Cel("count('a', '10m') > 1", lambda s: s.count("a", 10 * MINUTE) > 1),
    Cel("count('b', '60m') <= 1", lambda s: s.count("b", 60 * MINUTE) <= 1),
    Cel("now - entry.timestamp < duration('1h')", lambda s: s.now - s.entry["timestamp"] < 3.6e6),
]
CHANGE_CONDITIONS = [
    Cel("before.t == 1", lambda s: same(s.before["t"], 1)),
    Cel("!has(before.t)", lambda s: "t" not in s.before),
    Cel(
        "has(before.t) && user.traits.t == 2",
        lambda s: "t" in s.before and same(s.user["traits"]["t"], 2),
    ),
]
TRAIT_CONDITIONS = [
    Cel("user.traits.t == 2", lambda s: same(s.user["traits"]["t"], 2)),
    Cel("!has(user.traits.t)", lambda s: "t" not in s.user["traits"]),
    Cel(
        "has(user.traits.t) && string(user.traits.t) == '2'",
        lambda s: str(s.user["traits"].get("t")) == "2",
    ),
]
SEEN = Cel(
    "has(user.traits.t) ? user.traits.t : 'none'", lambda s: s.user["traits"].get("t", "none")
)
CONDITIONS = [
    *EVENT_CONDITIONS,
    Cel("true", lambda s: True),
    Cel("has(entry.properties.n)", lambda s: "n" in s.entry["properties"]),
    Cel("attr.p == 1", lambda s: same(s.attr["p"], 1)),
    Cel('has(attr.q) && attr.q != "n=1"', lambda s: "q" in s.attr and s.attr["q"] != "n=1"),
    Cel(
        "event.properties.n == entry.properties.n",
        lambda s: same(s.event["properties"]["n"], s.entry["properties"]["n"]),
    ),
    Cel('steps.n1.variant == "x"', lambda s: s.steps["n1"]["variant"] == "x"),
    Cel(
        "steps.n0.event.properties.n == entry.properties.n",
        lambda s: same(s.steps["n0"]["event"]["properties"]["n"], s.entry["properties"]["n"]),
    ),
    Cel("steps.n0.response.code == 200", lambda s: s.steps["n0"]["response"]["code"] == 200),
    Cel('steps.n1.response.word == "yes"', lambda s: s.steps["n1"]["response"]["word"] == "yes"),
    Cel('journey.key == "1"', lambda s: _text(s.key) == "1"),
    Cel("now - entry.timestamp > duration('30m')", lambda s: s.now - s.entry["timestamp"] > 1.8e6),
]
KEYS = [
    Cel("event.properties.k", lambda s: s.event["properties"]["k"]),
    Cel("event.properties.m", lambda s: s.event["properties"]["m"]),
    Cel("entry.properties.k", lambda s: s.entry["properties"]["k"]),
]
VALUES = [
    1,
    "plain",
    Cel("entry.properties.n", lambda s: s.entry["properties"]["n"]),
    Cel("event.properties.n", lambda s: s.event["properties"]["n"]),
    Cel("entry.properties", lambda s: s.entry["properties"]),
    Cel("entry.timestamp", lambda s: iso(s.entry["timestamp"])),
    Cel("steps.n0.event.messageId", lambda s: s.steps["n0"]["event"]["messageId"]),
    Cel("steps.n1.response.word", lambda s: s.steps["n1"]["response"]["word"]),
    Cel("user.id", lambda s: s.user["id"]),
    Cel("user.traits.t", lambda s: s.user["traits"]["t"]),
    Cel("event.userId", lambda s: s.event["userId"]),
    Cel("journey.key", lambda s: _text(s.key)),
    Cel("now", lambda s: iso(s.now)),
    Cel("count('a', '60m')", lambda s: s.count("a", 60 * MINUTE)),
    Joined("n=", Cel("entry.properties.n", lambda s: s.entry["properties"]["n"])),
    Joined("t=", Cel("user.traits.t", lambda s: s.user["traits"]["t"])),
]
PAYLOADS = [
    *VALUES,
    Cel("user.traits", lambda s: s.user["traits"]),
    Cel("attr", lambda s: s.attr),
    Cel("steps.n0", _captured),
    Cel("steps.n1.response", lambda s: s.steps["n1"]["response"]),
    Cel("event", lambda s: _shown(s.event)),
    Cel("entry", lambda s: _shown(s.entry)),
    Cel("steps.n0.event.properties", lambda s: s.steps["n0"]["event"]["properties"]),
    {"p": Cel("attr.p", lambda s: s.attr["p"])},
    *[
        {"sure": value}
        for value in ("plain", *VALUES[-3:-2], Cel("user.id", lambda s: s.user["id"]))
    ]
    * 8,
]


def _no_length(s: See) -> Any:
    """A plain number is not a duration, and neither is an absent value."""
    raise Failed(f"{s.entry} has no length")


def _less_one(value: Any) -> int:
    """An integer is taken from an integer alone."""
    if not isinstance(value, int):
        raise TypeError
    return _length(value, MINUTE) - MINUTE


def _length(value: Any, unit: int) -> int:
    """So many units, ms; texts, truth values and nothing say no length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return int(value * unit)


LENGTHS = [
    Cel("minutes(entry.properties.n)", lambda s: _length(s.entry["properties"]["n"], MINUTE)),
    Cel("minutes(event.properties.n - 1)", lambda s: _less_one(s.event["properties"]["n"])),
    Cel("seconds(user.traits.t)", lambda s: _length(s.user["traits"]["t"], 1_000)),
    Cel("duration('36m')", lambda s: 36 * MINUTE),
    Cel("entry.properties.n", _no_length),
]


def _no_time(s: See) -> Any:
    """A plain number is not a time, and neither is an absent value."""
    raise Failed(f"{s.entry} has no time")


UNTIL = [
    Cel("entry.timestamp", lambda s: s.entry["timestamp"]),
    Cel("event.timestamp", lambda s: s.event["timestamp"]),
    Cel("now", lambda s: s.now),
    Cel("entry.properties.n", _no_time),
]


def _time_of(value: Any) -> int:
    """So many times four hours after the start of histories."""
    if not isinstance(value, bool | int | float):
        raise TypeError
    return START + int(value) * 4 * HOUR


FOLLOWED = [
    Cel(
        f"ms({START} + int(user.traits.t) * 14400000)",
        lambda s: _time_of(s.user["traits"]["t"]),
    ),
    Cel(
        f"has(user.traits.t) ? ms({START + 3 * HOUR}) : ms({START + 6 * HOUR})",
        lambda s: START + (3 if "t" in s.user["traits"] else 6) * HOUR,
    ),
]
