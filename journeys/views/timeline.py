"""A user's timeline as lines of text, for people.

Law: it only formats outcomes, and adds for each the reason that its node gives, such as the
condition that was true.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from journeys.catalog.running import RunningCatalog
from journeys.expressions.origins import written
from journeys.records.outcome import Outcome
from journeys.records.user_record import Instance
from journeys.simulation.scenario import TimelineEntry
from journeys.time import format_time

_HIDDEN = frozenset({"action_id", "message_id", "parent"})


def describe(timeline: Iterable[TimelineEntry], catalog: RunningCatalog) -> Iterator[str]:
    """Format entries: a line with the time and the event, `timer` or `response`, then each outcome.

    The payload of an action follows the outcome that requests it, as it would be sent.
    """
    for entry in timeline:
        cause = "response" if entry.is_response else "timer"
        what = cause if entry.event is None else _event(entry.event)
        yield f"{_clock(format_time(entry.at))}  {what}"
        payloads = {action.action_id: action.payload for action in entry.actions}
        for outcome in entry.outcomes:
            yield "    " + _outcome(outcome, catalog)
            id = (outcome.detail or {}).get("action_id")
            if id in payloads:
                yield f"        {shown(payloads[id])}"
        for letter in entry.dead:
            yield f"    the engine failed: {letter.detail.strip().splitlines()[-1]}"
        if not entry.outcomes and not entry.dead:
            yield "    nothing"


def describe_waits(instances: Sequence[Instance], catalog: RunningCatalog) -> Iterator[str]:
    """For each of a user's live instances: the node at which it waits, for what and until when."""
    for one in instances:
        wait = _wait(one, instances, catalog)
        branch = "" if one.branch is None else f", as the branch {one.branch.name}"
        yield f"{_place(one.journey, one.node, one.key)} waits {wait}{branch}"


def _wait(instance: Instance, instances: Sequence[Instance], catalog: RunningCatalog) -> str:
    running = [
        f"{one.branch.name} at {one.node}"
        for one in instances
        if one.branch is not None
        and (one.branch.parent, one.branch.visit) == (instance.id, instance.visit)
    ]
    due = instance.wait.due
    if running:
        until = f"for its {'branch' if len(running) == 1 else 'branches'} {', '.join(running)}"
    else:
        until = "for ever" if due is None else f"until {_clock(format_time(due))}"
    why = _reason(instance.journey, instance.version, instance.node, "wait.started", {}, catalog)
    return " ".join(part for part in (until, why) if part)


def shown(value: Any) -> str:
    """A value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False)


def _event(event: Mapping[str, Any]) -> str:
    name = event.get("event") or event.get("type") or "?"
    rest = [event[part] for part in ("properties", "traits", "traits_once") if event.get(part)]
    return " ".join([str(name), *map(shown, rest)])


def _outcome(outcome: Outcome, catalog: RunningCatalog) -> str:
    words = [
        f"{name}={_word(value) if name != 'due' else _clock(value)}"
        for name, value in (outcome.detail or {}).items()
        if value is not None and name not in _HIDDEN
    ]
    why = _why(outcome, catalog)
    place = _place(outcome.journey, outcome.node, outcome.key)
    return "  ".join(
        part for part in (f"{place:<34}", f"{outcome.type:<18}", " ".join(words), why) if part
    ).rstrip()


def _why(outcome: Outcome, catalog: RunningCatalog) -> str:
    if outcome.journey is None or outcome.version is None or outcome.node is None:
        return ""
    detail = outcome.detail or {}
    return _reason(outcome.journey, outcome.version, outcome.node, outcome.type, detail, catalog)


def _reason(
    journey: str,
    version: str,
    name: str,
    outcome: str,
    detail: Mapping[str, Any],
    catalog: RunningCatalog,
) -> str:
    """In parentheses what the node says about an outcome of it; empty: nothing."""
    program = catalog.program(journey, version)
    node = None if program is None else program.nodes.get(name)
    why = "" if node is None else node.explain(outcome, detail)
    return f"({written(why)})" if why else ""


def _place(journey: str | None, node: str | None, key: str | None) -> str:
    place = "/".join(part for part in (journey, node) if part) or "–"
    return place if key is None else f"{place} [{key}]"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)


def _clock(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z")
