"""A journey's nodes as a tree for display: every node once, below the node that all paths to it
lead through (its immediate dominator).

Law: pure; each node that can be reached appears exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from journeys.documents.journey import Journey
from journeys.documents.ways import ways
from journeys.schema.marks import Path
from journeys.time import DAY, HOUR, MINUTE, SECOND

_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"))


@dataclass(frozen=True)
class Place:
    """One line of the tree.

    Attributes:
        guide: the lines drawn before the name.
        how: the edge that leads here, if it is the only one.
        what: what the node does, in a few words.
    """

    name: str
    type: str
    guide: str
    how: str
    what: str


def places(journey: Journey) -> tuple[Place, ...]:
    """The lines of the tree, from the top."""
    how_to = _ways(journey)
    to = [target for targets in how_to.values() for target in targets]
    below: dict[str, list[str]] = {}
    for name, parent in _above(journey.first, how_to).items():
        below.setdefault(parent, []).append(name)
    lines: list[Place] = []

    def draw(name: str, guide: str, inner: str, how: str) -> None:
        node: Any = journey.nodes[name]
        lines.append(Place(name, node.type, guide, how, _what(node)))
        children = below.get(name, [])
        for child in children:
            last = child == children[-1]
            draw(
                child,
                inner + ("└ " if last else "├ "),
                inner + ("  " if last else "│ "),
                how_to[name].get(child, "") if to.count(child) == 1 else "",
            )

    draw(journey.first, "", "", "")
    return tuple(lines)


def _ways(journey: Journey) -> dict[str, dict[str, str]]:
    """Where each node leads, and by which way."""
    found: dict[str, dict[str, str]] = {name: {} for name in journey.nodes}
    for way in ways(journey.nodes):
        how = "" if way.path is None else _how(journey.nodes[way.source], way.path[2:])
        found[way.source].setdefault(way.target, how)
    return found


def _how(node: Any, path: Path) -> str:
    match path:
        case ("any_of", int(number), _):
            return str(node.any_of[number].event)
        case ("variants", str(variant), _):
            return variant
        case ("branches", int(number), _):
            return f"branch {number + 1}"
        case ("cases", str(value)):
            return value
        case ("on_timeout",):
            return f"after {_span(node.within)}"
        case ("next",):
            return ""
        case _:
            return str(path[-1])


def _what(node: Any) -> str:
    match node.type:
        case "wait_for_event":
            return f"waits {_span(node.within)}"
        case "delay":
            return f"delay {_span(node.for_)}"
        case "destination":
            return f"→ {node.destination}"
        case _:
            return str(node.type)


def _span(ms: int | str) -> str:
    if isinstance(ms, str):  # `forever`, or an expression
        return ms
    for unit, letter in _UNITS:
        if ms % unit == 0:
            return f"{ms // unit}{letter}"
    return f"{ms}ms"


def _above(first: str, ways: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The immediate dominator of every reachable node except the first; in the order of `ways`."""
    before: dict[str, set[str]] = {name: set() for name in ways}
    for name, targets in ways.items():
        for target in targets:
            before[target].add(name)
    everything = set(ways)
    through = dict.fromkeys(ways, everything) | {first: {first}}
    changed = True
    while changed:
        changed = False
        for name in ways:
            if name == first or not before[name]:
                continue
            now = {name} | set.intersection(*(through[one] for one in before[name]))
            if now != through[name]:
                through[name], changed = now, True
    return {
        name: max(through[name] - {name}, key=lambda one: len(through[one]))
        for name in ways
        if name != first and before[name]
    }
