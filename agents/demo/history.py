"""The history that the demo plays: the help desk's journey, its events, and the expected result.

Law: the backtest computes the expected result without Kafka, workers or deliveries; the demo's
account compares the topics with it.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from agents.errors import UserError
from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, Rejected, check_push
from journeys.catalog.running import RunningCatalog
from journeys.documents.journey import Journey
from journeys.records.outcome import Outcome
from journeys.simulation.backtest import Backtest
from journeys.time import parse_time

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "helpdesk"
_RECEIVER = re.compile(r"http://127\.0\.0\.1:(\d+)/")


class Event(NamedTuple):
    """One line of the history. time: ms."""

    user: bytes
    time: int
    line: bytes


class Row(NamedTuple):
    """An outcome without its cause: the position in a log differs between runs."""

    type: str
    user: str | None
    instance: str | None
    key: str | None
    node: str | None
    at: str


@dataclass(frozen=True)
class Expected:
    """The expected result: outcomes with how often each must occur, and action ids."""

    outcomes: Counter[Row]
    actions: frozenset[str]


@dataclass(frozen=True)
class History:
    """The documents as text and the events in order of time."""

    text: str
    events: tuple[Event, ...]

    @property
    def port(self) -> int:
        """The port on loopback of the destinations in the documents; 0 if there is none."""
        found = _RECEIVER.search(self.text)
        return int(found[1]) if found else 0

    def received_at(self, port: int) -> str:
        """The documents with another port of the destinations."""
        return _RECEIVER.sub(f"http://127.0.0.1:{port}/", self.text)

    @property
    def journey(self) -> Journey:
        catalog = _catalog(self.text)
        name, version, _ = catalog.active()[0]
        return catalog.get(name, version)

    def expected(self) -> Expected:
        """The result of a backtest of the history; takes about two seconds."""
        run = Backtest(RunningCatalog(_catalog(self.text)), "history")
        outcomes: Counter[Row] = Counter()
        actions: set[str] = set()
        for effects in run.run((event.line for event in self.events), drain=True):
            outcomes.update(map(row_of, effects.outcomes))
            actions.update(action.action_id for action in effects.actions)
        return Expected(outcomes, frozenset(actions))


def row_of(outcome: Outcome) -> Row:
    return Row(
        outcome.type,
        outcome.user_id,
        outcome.instance,
        outcome.key,
        outcome.node,
        outcome.at,
    )


class _Line(msgspec.Struct):
    userId: str
    timestamp: str


def load(folder: Path = FOLDER) -> History:
    """Reads the example. Raises UserError if it does not exist."""
    decode = msgspec.json.Decoder(_Line).decode
    try:
        text = (folder / "journey.yaml").read_text(encoding="utf-8")
        with gzip.open(folder / "events.jsonl.gz") as file:
            lines = [line.rstrip() for line in file]
    except FileNotFoundError as error:
        raise UserError(
            f"The demo plays examples/helpdesk of a source checkout; {error.filename} is missing."
        ) from None
    events = []
    for line in lines:
        read = decode(line)
        events.append(Event(read.userId.encode(), parse_time(read.timestamp), line))
    return History(text, tuple(events))


def _catalog(text: str) -> Catalog:
    verdict = check_push(text, "journey.yaml", Catalog(KINDS))
    if isinstance(verdict, Rejected):
        raise UserError("\n".join(map(str, verdict.problems)))
    catalog = Catalog(KINDS)
    for key, value in verdict.entries:
        catalog = catalog.with_entry(key, value)
    return catalog
