"""Random journeys and logs: everything that is implemented, in every order that may be written."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from journeys.documents import Journey
from tests.journeys.builders import START
from tests.journeys.model import HOUR, MINUTE, SECOND
from tests.journeys.model_terms import Cel, Joined, See, iso

DAY = 24 * HOUR
EVENTS = ("a", "b", "c")
USERS = ("u", "v", "w")
_DURATIONS = ("for", "within", "min_gap", "max_lateness")


def document(journey: dict[str, Any]) -> Journey:
    """A random journey as its user would write it."""
    return Journey.model_validate({"kind": "Journey", **_written(journey)})


def _written(part: Any, name: str = "", data: bool = False) -> Any:
    data = data or name in ("set", "payload")
    if isinstance(part, Cel):
        return f"${{{part.text}}}" if data else part.text
    if isinstance(part, Joined):
        return f"{part.before}${{{part.hole.text}}}"
    if isinstance(part, dict):
        return {key: _written(value, key, data) for key, value in part.items()}
    if isinstance(part, list):
        return [_written(item, "", data) for item in part]
    return f"{part}ms" if name in _DURATIONS and isinstance(part, int) else part


# --- Expressions ---------------------------------------------------------------------------------


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
]
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
    Cel("user.id", lambda s: s.user["id"]),
    Cel("journey.key", lambda s: _text(s.key)),
    Cel("now", lambda s: iso(s.now)),
    Joined("n=", Cel("entry.properties.n", lambda s: s.entry["properties"]["n"])),
]
PAYLOADS = [
    *VALUES,
    Cel("user.traits", lambda s: s.user["traits"]),
    Cel("attr", lambda s: s.attr),
    Cel("steps.n0", _captured),
    Cel("event", lambda s: _shown(s.event)),
    Cel("entry", lambda s: _shown(s.entry)),
    Cel("steps.n0.event.properties", lambda s: s.steps["n0"]["event"]["properties"]),
    {"p": Cel("attr.p", lambda s: s.attr["p"])},
]

# --- Journeys ------------------------------------------------------------------------------------

_conditions = st.sampled_from(CONDITIONS)
_event_conditions = st.sampled_from(EVENT_CONDITIONS)
_spans = st.sampled_from([10 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, DAY])
_sets = st.dictionaries(st.sampled_from("pq"), st.sampled_from(VALUES), max_size=2)
_weights = st.sampled_from([0, 1, 2.5])


@st.composite
def journeys(draw: st.DrawFn, name: str = "tour") -> dict[str, Any]:
    """A journey of 2 to 8 nodes; it goes back only from nodes where instances wait."""
    names = [f"n{number}" for number in range(draw(st.sampled_from([2, 3, 4, 5, 6, 7, 8])))]
    return {
        "name": name,
        "entry": draw(_entries()),
        "nodes": {here: draw(_nodes(names, place)) for place, here in enumerate(names)},
    }


@st.composite
def _entries(draw: st.DrawFn) -> dict[str, Any]:
    entry: dict[str, Any] = {"event": draw(st.sampled_from("aaab"))}
    if draw(st.integers(0, 3)) == 0:
        way = st.fixed_dictionaries(
            {"event": st.sampled_from("ab")}, optional={"where": _event_conditions}
        )
        entry = {"any_of": draw(st.lists(way, min_size=1, max_size=3))}
    if draw(st.integers(0, 5)) == 0:
        entry["where"] = draw(_event_conditions)
    if draw(st.booleans()):
        entry["key"] = draw(st.sampled_from([KEYS[0], *KEYS]))
    if draw(st.booleans()):
        entry["reentry"] = draw(st.sampled_from(["every_time", "once", *["after_exit"] * 3]))
        if entry["reentry"] == "after_exit" and draw(st.booleans()):
            entry["min_gap"] = draw(_spans)
    if draw(st.integers(0, 3)) == 0:
        entry["max_lateness"] = draw(_spans)
    return entry


@st.composite
def _nodes(draw: st.DrawFn, names: list[str], place: int) -> dict[str, Any]:
    later = names[place + 1 :]
    kinds = ["wait_for_event"] * 4 + ["delay", "destination", "experiment"]
    if place:
        kinds.append("exit")
    if later:
        kinds += ["criteria"] * 2
    kind = draw(st.sampled_from(kinds))
    node: dict[str, Any] = {"type": kind}
    to = st.sampled_from(names if kind in ("wait_for_event", "delay") else later or [""])

    def sometimes(part: dict[str, Any], field: str, values: st.SearchStrategy[Any]) -> None:
        if draw(st.integers(0, 2)) == 0:
            part[field] = draw(values)

    def leads(part: dict[str, Any], field: str = "next") -> None:
        if later or kind in ("wait_for_event", "delay"):
            sometimes(part, field, to)

    if kind == "exit":
        sometimes(node, "reason", st.sampled_from(["done", "late"]))
        return node
    leads(node)
    sometimes(node, "set", _sets)
    if kind == "delay":
        node["for"] = draw(_spans)
    elif kind == "destination":
        node["destination"] = draw(st.sampled_from(["mail", "text"]))
        node["payload"] = draw(st.sampled_from(PAYLOADS))
        leads(node, "on_error")
    elif kind == "criteria":
        node["otherwise"] = draw(to)
        node["branches"] = [{"when": draw(_conditions)} for _ in range(draw(st.integers(1, 3)))]
        for branch in node["branches"]:
            leads(branch)
            sometimes(branch, "set", _sets)
    elif kind == "experiment":
        node["variants"] = {"x": {"weight": 1}, "y": {"weight": draw(_weights)}}
        for variant in node["variants"].values():
            leads(variant)
            sometimes(variant, "set", _sets)
        sometimes(node, "salt", st.just("pepper"))
        if draw(st.integers(0, 5)) == 0:
            node["winner"] = draw(st.sampled_from("xy"))
    else:
        _waits(draw, node, sometimes, leads)
    return node


def _waits(draw: st.DrawFn, node: dict[str, Any], sometimes: Any, leads: Any) -> None:
    node["within"] = draw(st.just("forever") | _spans | _spans | _spans)
    if node["within"] != "forever":
        leads(node, "on_timeout")
    sometimes(node, "where", _conditions)
    sometimes(node, "match", st.sampled_from(["none", "none", *KEYS]))
    if draw(st.booleans()):
        node["event"] = draw(st.sampled_from(EVENTS))
        return
    node["any_of"] = []
    for _ in range(draw(st.integers(1, 3))):
        branch: dict[str, Any] = {"event": draw(st.sampled_from(EVENTS))}
        sometimes(branch, "where", _conditions)
        leads(branch)
        sometimes(branch, "set", _sets)
        node["any_of"].append(branch)


# --- Logs ----------------------------------------------------------------------------------------

_numbers = st.sampled_from([0, 1, 1, 2, 2, 2, 3, 1.5, "1", None])
_ABSENT = object()
_properties = st.fixed_dictionaries(
    {
        "n": _numbers | st.just(_ABSENT),
        "ok": st.sampled_from([True, True, True, False, 1, _ABSENT]),
        "k": st.sampled_from([1, 1, 1, "1", "1", "2", True, 1.5, None, _ABSENT]),
        "m": st.sampled_from([1, 1, 1, "1", "1", "2", 1.5, None, _ABSENT]),
    }
).map(lambda some: {name: value for name, value in some.items() if value is not _ABSENT})
FORWARD = [0, 0, 1, 5 * MINUTE, 10 * MINUTE - 1, *[10 * MINUTE] * 3, 30 * MINUTE, HOUR, 7 * HOUR]
BACK = [-1, -10 * MINUTE, -30 * MINUTE, -HOUR, -5 * HOUR]
LATE = [0, 0, 5 * SECOND, 10 * MINUTE, HOUR, 9 * HOUR]


@st.composite
def logs(
    draw: st.DrawFn,
    *,
    ordered: bool = False,
    received: bool = True,
    repeats: bool = True,
    least: int = 6,
    most: int = 24,
) -> list[dict[str, Any]]:
    """Events of several users, each with a messageId; in order of time when `ordered`."""
    log: list[dict[str, Any]] = []
    time = START
    for number in range(draw(st.sampled_from(range(least, most + 1)))):
        time += draw(st.sampled_from(FORWARD if ordered else FORWARD + FORWARD + BACK))
        event: dict[str, Any] = {
            "event": draw(st.sampled_from("aaaabbbccz")),
            "userId": draw(st.sampled_from("uuuuvw")),
            "timestamp": time,
            "messageId": f"m{number}",
            "properties": draw(_properties),
        }
        chance = draw(st.integers(0, 19))
        if chance < 3:
            event["traits"] = {"t": draw(st.sampled_from([0, 1, 2, None]))}
        if chance == 3:
            event["backfill"] = True
        if chance == 4 and log and repeats:
            event["messageId"] = draw(st.sampled_from(log))["messageId"]
        if 5 <= chance < 9 and received:
            event["receivedAt"] = time + draw(st.sampled_from([*LATE, -HOUR]))
        log.append(event)
    return log
