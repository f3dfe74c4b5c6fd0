"""A user's timeline as lines of text, for people.

Law: it only formats outcomes, and adds for each the reason that its node gives, such as the
condition that was true.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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


def describe_wait(instance: Instance) -> str:
    """The node at which a live instance waits, and until when."""
    due = instance.wait.due
    until = "for ever" if due is None else f"until {_clock(format_time(due))}"
    return f"{_place(instance.journey, instance.node, instance.key)} waits {until}"


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
    program = catalog.program(outcome.journey, outcome.version)
    node = None if program is None else program.nodes.get(outcome.node)
    why = "" if node is None else node.explain(outcome.type, outcome.detail or {})
    return f"({written(why)})" if why else ""


def _place(journey: str | None, node: str | None, key: str | None) -> str:
    place = "/".join(part for part in (journey, node) if part) or "–"
    return place if key is None else f"{place} [{key}]"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)


def _clock(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z")
