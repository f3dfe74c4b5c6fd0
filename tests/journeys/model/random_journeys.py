"""Random journeys and edits of them: all that is implemented, in every order there may be."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from journeys.documents.journey import Journey
from tests.journeys.model.model_terms import DAY, HOUR, MINUTE, Cel, Document, Joined
from tests.journeys.model.random_expressions import (
    CHANGE_CONDITIONS,
    CONDITIONS,
    EVENT_CONDITIONS,
    FOLLOWED,
    KEYS,
    LENGTHS,
    PAYLOADS,
    UNTIL,
    VALUES,
)

EVENTS = ("a", "b", "c", "a", "b", "c", "x")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
_DURATIONS = ("for", "every", "within", "min_gap", "max_lateness", "offset", "spread")
_DATA = ("set", "payload", "properties", "traits", "path")


def document(journey: Document) -> Journey:
    """A random journey as its user would write it."""
    return Journey.model_validate(written(journey))


def written(journey: Document) -> Document:
    """The same as plain data.

    With `let: n`, about one of n expressions is written as a let, which the model doesn't know: it
    evaluates each expression where it is read.
    """
    plain = {key: value for key, value in journey.items() if key != "let"}
    lets = _Lets(journey.get("let", 0))
    found = {"kind": "Journey", **_written(plain, lets)}
    return {**found, "let": lets.texts} if lets.texts else found


class _Lets:
    """Attributes: texts: the lets written so far; each reads another one that has the text."""

    def __init__(self, one_in: int) -> None:
        self._one_in = one_in
        self.texts: dict[str, str] = {}

    def text(self, cel: Cel) -> str:
        if not self._one_in or len(cel.text) % self._one_in:
            return cel.text
        for name, text in self.texts.items():
            if text == cel.text:
                return f"let.{name}_too"
        name = f"e{len(self.texts)}"
        self.texts |= {f"{name}_too": f"let.{name}", name: cel.text}
        return f"let.{name}_too"


def _written(part: Any, lets: _Lets, name: str = "", data: bool = False) -> Any:
    data = data or name in _DATA
    if isinstance(part, Cel):
        return f"${{{lets.text(part)}}}" if data or name in _DURATIONS else lets.text(part)
    if isinstance(part, Joined):
        return f"{part.before}${{{lets.text(part.hole)}}}"
    if isinstance(part, dict):
        return {key: _written(value, lets, key, data) for key, value in part.items()}
    if isinstance(part, list):
        return [_written(item, lets, "", data) for item in part]
    return f"{part}ms" if name in _DURATIONS and isinstance(part, int) else part


_changes = st.fixed_dictionaries(
    {"changes": st.sampled_from(["t", "t", "timezone"])},
    optional={"where": st.sampled_from([*CHANGE_CONDITIONS, *EVENT_CONDITIONS[-2:]])},
)
_conditions = st.sampled_from(CONDITIONS)
_event_conditions = st.sampled_from(EVENT_CONDITIONS)
_spans = st.sampled_from([10 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, DAY])
_sets = st.dictionaries(st.sampled_from("pq"), st.sampled_from(VALUES), max_size=2)
_weights = st.sampled_from([0, 1, 2.5])
_lengths = st.sampled_from(LENGTHS)
_plain = st.sampled_from([*KEYS, *(value for value in VALUES if isinstance(value, Cel))])
_cases = st.sampled_from(["1", "2", "k", "true", "yes", "u1"])
_matches = st.sampled_from(["none", "none", *KEYS])


def _one_in(draw: st.DrawFn, count: int) -> bool:
    return bool(draw(st.integers(1, count)) == count)


# Nothing is written out that is so by default: the same journey is the same version.


@st.composite
def journeys(draw: st.DrawFn, name: str = "tour") -> Document:
    """A journey of 2 to 8 nodes; it goes back only from nodes where instances wait."""
    names = [f"n{number}" for number in range(draw(st.sampled_from([2, 3, 4, 5, 6, 7, 8])))]
    journey = {
        "name": name,
        "entry": draw(_entries()),
        "nodes": {here: draw(_nodes(names, place)) for place, here in enumerate(names)},
    }
    if _one_in(draw, 3):
        draw(_forked(journey["nodes"], names))
    for field, values in _AROUND.items():
        if _one_in(draw, 2):
            journey[field] = draw(values)
    if _one_in(draw, 3):
        journey["let"] = draw(st.integers(1, 3))
    return journey


@st.composite
def edited(draw: st.DrawFn, journey: Document) -> Document:
    """The next version of a journey, that takes over or lets the last one be."""
    journey = {**journey, "nodes": dict(journey["nodes"])}
    nodes = journey["nodes"]
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        names = [name for name in nodes if name.startswith("n")]
        place = draw(st.integers(0, len(names) - 1))
        nodes[names[place]] = draw(_nodes(names, place))
    if _one_in(draw, 4):
        draw(_forked(nodes, [name for name in nodes if name.startswith("n")]))
    if _one_in(draw, 4):
        journey["entry"] = draw(_entries())
    for field, values in _AROUND.items():
        if _one_in(draw, 5):
            journey[field] = draw(values)
    journey.pop("in_flight", None)
    if draw(st.integers(0, 3)):
        journey["in_flight"] = "follow"
    return journey


@st.composite
def _forked(draw: st.DrawFn, nodes: Document, names: list[str]) -> None:
    """One of the nodes becomes a parallel one; the nodes of its branches are below all others."""
    branches = {name: nodes.pop(name) for name in [*nodes] if not name.startswith("n")}
    branches["last"] = {"type": "exit", "reason": "last"}
    place = draw(st.integers(0, len(names) - 1))
    here = names[place]
    join = draw(st.sampled_from([*names[place + 1 :], "last"]))
    fork: Document = {"type": "parallel", "branches": {}}
    fork["join"] = draw(st.sampled_from(["all", "any", "none"]))
    if place and fork["join"] != "none" and _one_in(draw, 4):  # back, with waits or without
        join = draw(st.sampled_from(names[:place]))
    fork["next"] = join
    if _one_in(draw, 3):
        fork["set"] = draw(_sets)
    for label in draw(st.sampled_from(["p", "pq", "pq", "pqr"])):
        own = [f"{label}{here}{number}" for number in range(draw(st.sampled_from([1, 2, 2, 3])))]
        fork["branches"][label] = own[0]
        for number, name in enumerate(own):
            node = draw(_nodes([*own, join], number))
            if node["type"] != "exit":
                node.setdefault("next", [*own, join][number + 1])
            branches[name] = _with_labels(node, label)
    nodes[here] = fork
    nodes |= {"last": branches.pop("last"), **branches}


def _with_labels(part: Any, label: str) -> Any:
    """The same, where only this label is set."""
    if isinstance(part, dict):
        part = {key: _with_labels(value, label) for key, value in part.items()}
        if "set" in part:
            part["set"] = {key: value for key, value in part["set"].items() if key == label}
    elif isinstance(part, list):
        part = [_with_labels(value, label) for value in part]
    return part


@st.composite
def _entries(draw: st.DrawFn) -> Document:
    entry: Document = {"event": draw(st.sampled_from("aaab"))}
    if _one_in(draw, 8):
        entry = draw(st.sampled_from([{"changes": "t"}, {"event": "identify"}]))
    if _one_in(draw, 4):
        way = st.fixed_dictionaries(
            {"event": st.sampled_from("abx")}, optional={"where": _event_conditions}
        )
        entry = {"any_of": draw(st.lists(way | _changes, min_size=1, max_size=3))}
    if _one_in(draw, 6):
        entry["where"] = draw(_event_conditions)
    if draw(st.booleans()):
        entry["key"] = draw(st.sampled_from([KEYS[0], *KEYS]))
    if draw(st.booleans()):
        entry["reentry"] = draw(st.sampled_from(["once", *["after_exit"] * 3]))
        if entry["reentry"] == "after_exit" and draw(st.booleans()):
            entry["min_gap"] = draw(_spans)
    if _one_in(draw, 4):
        entry["max_lateness"] = draw(_spans)
    return entry


@st.composite
def _goals(draw: st.DrawFn) -> Document:
    goal: Document = {"event": draw(st.sampled_from(EVENTS))}
    if _one_in(draw, 6):
        goal = draw(_changes)
    for field, values in _OF_GOALS.items():
        if _one_in(draw, 2 if field == "within" else 4):
            goal[field] = draw(values)
    return goal


_OF_GOALS: dict[str, st.SearchStrategy[Any]] = {
    "where": _event_conditions,
    "match": _matches,
    "within": _spans,
    "exit": st.just(True),
}
_exits = st.fixed_dictionaries(
    {"event": st.sampled_from("bccx")},
    optional={"where": _event_conditions, "match": _matches, "reason": st.just("gone")},
)
_AROUND: dict[str, st.SearchStrategy[Any]] = {
    "exit": st.lists(_exits | _exits | _changes, min_size=1, max_size=2),
    "goal": _goals(),
    "in_flight": st.just("follow"),
    "on_resume": st.sampled_from(
        ["send", "skip", "skip", {"spread": 10 * MINUTE}, {"spread": 2 * HOUR}]
    ),
    "timezone": st.sampled_from(ZONES),
}


class _Draws:
    """Fills one node; `leads` draws where a part of it goes on."""

    def __init__(self, draw: st.DrawFn, names: list[str], place: int, kind: str) -> None:
        self.draw = draw
        self.later = names[place + 1 :]
        self.waits = kind in ("wait_for_event", "delay", "digest")
        self.to = st.sampled_from(names if self.waits else self.later or [""])

    def sometimes(self, part: Document, field: str, values: st.SearchStrategy[Any]) -> None:
        if _one_in(self.draw, 3):
            part[field] = self.draw(values)

    def goes_on(self, node: Document) -> None:
        """From here it only goes on: how long it waits is not known, so it may not wait at all."""
        node.pop("next", None)
        self.waits, self.to = False, st.sampled_from(self.later or [""])
        self.leads(node)

    def leads(self, part: Document, field: str = "next") -> None:
        if self.later or self.waits:
            self.sometimes(part, field, self.to)


@st.composite
def _nodes(draw: st.DrawFn, names: list[str], place: int) -> Document:
    later = names[place + 1 :]
    kinds = ["wait_for_event"] * 7 + ["digest"] * 2 + ["delay", "destination"] * 2
    kinds += ["experiment", *["trigger"] * 3, "update_profile", "emit_event"]
    if place:
        kinds.append("exit")
    if later:
        kinds += ["criteria"] * 2
    kind = draw(st.sampled_from(kinds))
    node: Document = {"type": kind}
    draws = _Draws(draw, names, place, kind)
    if kind == "exit":
        draws.sometimes(node, "reason", st.sampled_from(["done", "late"]))
        return node
    draws.leads(node)
    draws.sometimes(node, "set", _sets)
    _FILL[kind](draws, node)
    return node


def _destination(draws: _Draws, node: Document) -> None:
    node["destination"] = draws.draw(st.sampled_from(["mail", "text"]))
    node["payload"] = draws.draw(st.sampled_from(PAYLOADS))
    draws.leads(node, "on_error")


def _trigger(draws: _Draws, node: Document) -> None:
    node["destination"] = draws.draw(st.sampled_from(["mail", "score"]))
    draws.sometimes(node, "payload", st.sampled_from(PAYLOADS))
    if not _one_in(draws.draw, 4):
        node["within"] = draws.draw(_spans)
    draws.sometimes(node, "method", st.sampled_from(["GET", "PUT"]))
    paths = [Joined("/users/", value) for value in VALUES if isinstance(value, Cel)]
    draws.sometimes(node, "path", st.sampled_from(["/score", *paths]))
    if draws.draw(st.booleans()):
        node["response"] = {"code": "status_code", "word": "payload.word"}
    draws.leads(node, "on_error")


def _update_profile(draws: _Draws, node: Document) -> None:
    values = st.sampled_from([None, *VALUES])
    zones = st.sampled_from([*ZONES, "Mars/Base"])
    node["traits"] = draws.draw(
        st.fixed_dictionaries({"t": values}, optional={"x": values, "timezone": zones})
    )
    draws.leads(node, "on_error")


def _emit_event(draws: _Draws, node: Document) -> None:
    node["event"] = draws.draw(st.sampled_from("abccxxxx"))
    values = st.sampled_from(VALUES)
    some = st.fixed_dictionaries({}, optional={"n": values, "k": st.sampled_from(KEYS[2:])})
    draws.sometimes(node, "properties", some)
    draws.leads(node, "on_error")


_WINDOWS = [["09:00", "18:00"], ["22:00", "06:00"], ["00:00", "12:30"], ["02:15", "02:45"]]


@st.composite
def _locals(draw: st.DrawFn) -> Document:
    """A time of day or a window, on some days of the week, somewhere."""
    local: Document = {"time": draw(st.sampled_from(["00:00", "09:00", "14:30"]))}
    if _one_in(draw, 3):
        local = {"between": draw(st.sampled_from(_WINDOWS))}
    if _one_in(draw, 3):
        local["weekdays"] = draw(st.sampled_from([["mon"], ["sun"], ["mon", "fri"]]))
    if _one_in(draw, 3):
        local["timezone"] = draw(st.sampled_from(["journey", *ZONES]))
    return local


LOCAL = _locals()


def _delay(draws: _Draws, node: Document) -> None:
    """Until a time that may be over it goes on only: a way round might never come to wait."""
    way = draws.draw(st.sampled_from(["for", "for", "until", "until", "until_local"]))
    if way == "for":
        node["for"] = draws.draw(_spans)
        if _one_in(draws.draw, 3):
            node["for"] = draws.draw(_lengths)
            draws.goes_on(node)
            draws.leads(node, "on_error")
    elif way == "until_local":
        local = node["until_local"] = draws.draw(LOCAL)
        if "timezone" not in local and draws.draw(st.booleans()):
            node["follow"] = True
        if "between" in local:
            draws.goes_on(node)
    else:
        node["until"] = draws.draw(st.sampled_from(UNTIL))
        if _one_in(draws.draw, 2):
            node["until"], node["follow"] = draws.draw(st.sampled_from(FOLLOWED)), True
        draws.sometimes(node, "offset", st.sampled_from([-HOUR, 10 * MINUTE, HOUR]))
        draws.goes_on(node)
        draws.leads(node, "on_error")


def _criteria(draws: _Draws, node: Document) -> None:
    draw = draws.draw
    node["otherwise"] = draw(draws.to)
    if _one_in(draw, 3):
        node["switch"] = draw(_plain)
        node["cases"] = draw(st.dictionaries(_cases, draws.to, min_size=1, max_size=3))
        return
    one = st.fixed_dictionaries({"when": _conditions})
    several = st.fixed_dictionaries({"any_of": st.lists(_conditions, min_size=1, max_size=2)})
    node["branches"] = draw(st.lists(one | one | several, min_size=1, max_size=3))
    for branch in node["branches"]:
        draws.leads(branch)
        draws.sometimes(branch, "set", _sets)


def _experiment(draws: _Draws, node: Document) -> None:
    node["variants"] = {"x": {"weight": 1}, "y": {"weight": draws.draw(_weights)}}
    for variant in node["variants"].values():
        draws.leads(variant)
        draws.sometimes(variant, "set", _sets)
    draws.sometimes(node, "salt", st.just("pepper"))
    draws.sometimes(node, "by", _plain)
    if _one_in(draws.draw, 6):
        node["winner"] = draws.draw(st.sampled_from("xy"))


def _wait_for_event(draws: _Draws, node: Document) -> None:
    draw = draws.draw
    node["within"] = draw(st.just("forever") | _spans | _spans | _spans)
    if _one_in(draw, 5):
        node["within"] = draw(_lengths)
        draws.goes_on(node)
        draws.leads(node, "on_error")
    if node["within"] != "forever":
        draws.leads(node, "on_timeout")
    draws.sometimes(node, "where", _conditions)
    draws.sometimes(node, "match", _matches)
    if draw(st.booleans()):
        node["event"] = draw(st.sampled_from(EVENTS))
        if _one_in(draw, 5):
            del node["event"]
            node["changes"] = draw(st.sampled_from(["t", "timezone"]))
        return
    node["any_of"] = []
    for _ in range(draw(st.integers(1, 3))):
        branch: Document = {"event": draw(st.sampled_from(EVENTS))}
        draws.sometimes(branch, "where", _conditions)
        if _one_in(draw, 5):
            branch = draw(_changes)
        if node["within"] != "forever" and _one_in(draw, 4):
            branch["reset"] = True
            node["any_of"].append(branch)
            continue
        draws.leads(branch)
        draws.sometimes(branch, "set", _sets)
        node["any_of"].append(branch)


def _digest(draws: _Draws, node: Document) -> None:
    draw = draws.draw
    if _one_in(draw, 4):
        node["until_local"] = draw(LOCAL)
        if "between" in node["until_local"]:
            draws.goes_on(node)
    else:
        node["every"] = draw(_spans)
        if _one_in(draw, 4):
            node["every"] = draw(_lengths)
            draws.goes_on(node)
            draws.leads(node, "on_error")
    draws.sometimes(node, "max", st.sampled_from([1, 2, 5]))
    if _one_in(draw, 3):
        way = st.fixed_dictionaries(
            {"event": st.sampled_from(EVENTS)}, optional={"where": _conditions}
        )
        node["any_of"] = draw(st.lists(way, min_size=1, max_size=2))
        draws.sometimes(node, "where", _conditions)
        draws.sometimes(node, "match", _matches)


_FILL: dict[str, Any] = {
    "criteria": _criteria,
    "delay": _delay,
    "destination": _destination,
    "digest": _digest,
    "emit_event": _emit_event,
    "experiment": _experiment,
    "trigger": _trigger,
    "update_profile": _update_profile,
    "wait_for_event": _wait_for_event,
}
