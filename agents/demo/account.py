"""Counts the records of the topics as they arrive, and again from the start at the end.

Law: the account is a function of committed records, the receiver's counts and the result of a
backtest; anything missing counts as lost, anything that occurs too often as repeated.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import Message

from agents.client.dead_letters import is_mark
from agents.demo.history import Expected, Row, row_of
from agents.kafka.topics import DEAD, EVENTS, OUTCOMES, USERS
from journeys.records.action import Action
from journeys.records.outcome import Outcome
from tables.changelog import POSITION_KEY, Position
from tables.users import CODEC

LATEST = 10
"""How many outcomes the tally keeps for display."""
_SHOWN = {
    "experiment.assigned",
    "wait.timed_out",
    "criteria.matched",
    "action.requested",
    "action.failed",
    "journey.exited",
}
_KINDS_OF_HISTORY = ("journey.", "node.", "wait.", "experiment.", "criteria.", "action.requested")

_outcome = msgspec.json.Decoder(Outcome).decode
_action = msgspec.json.Decoder(Action).decode


@dataclass
class Tally:
    """Counts over the records added so far. One thread adds; other threads may read the numbers.

    Attributes:
        types: outcomes, by type.
        reached, waiting: times a node was reached, and instances that wait there, by node.
        events: plain events in the log.
        positions: the next offset to apply, by partition.
        outcomes, actions: how often each id occurs.
        delivered: how often each action id occurs in an outcome `action.delivered`.
        retried: deliveries that took more than one attempt.
        rows: the outcomes of the history, kept only for an account.
        dead: dead letters.
        verdicts: outcomes of pushes.
        latest: outcomes for display, oldest first.
    """

    keep_rows: bool = False
    types: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)
    events: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    rows: Counter[Row] = field(default_factory=Counter)
    dead: int = 0
    verdicts: list[Outcome] = field(default_factory=list)
    latest: deque[Outcome] = field(default_factory=lambda: deque(maxlen=LATEST))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, messages: Iterable[Message]) -> None:
        """Counts records."""
        with self.lock:
            for message in messages:
                read = _READERS.get(message.topic(), Tally._read_action)
                read(self, message)

    def recent(self) -> list[Outcome]:
        """The latest outcomes for display, oldest first."""
        with self.lock:
            return list(self.latest)

    @property
    def ended(self) -> int:
        """Actions that were delivered or have failed."""
        return self.types["action.delivered"] + self.types["action.failed"]

    def _read_outcome(self, message: Message) -> None:
        outcome = _outcome(message.value())
        kind, node = outcome.type, outcome.node or ""
        self.types[kind] += 1
        self.outcomes[outcome.outcome_id] += 1
        if kind == "node.reached":
            self.reached[node] += 1
        elif kind == "wait.started":
            self.waiting[node] += 1
        elif kind in ("wait.matched", "wait.timed_out"):
            self.waiting[node] -= 1
        elif kind == "action.delivered" and outcome.detail is not None:
            self.delivered[outcome.detail["action_id"]] += 1
            if outcome.detail["attempts"] > 1:
                self.retried += 1
                self.latest.append(outcome)
        elif kind.startswith("config."):
            self.verdicts.append(outcome)
        if kind in _SHOWN:
            self.latest.append(outcome)
        if self.keep_rows and kind.startswith(_KINDS_OF_HISTORY):
            self.rows[row_of(outcome)] += 1

    def _read_action(self, message: Message) -> None:
        self.actions[_action(message.value()).action_id] += 1

    def _read_position(self, message: Message) -> None:
        if message.key() == POSITION_KEY:
            self.positions[message.partition()] = Position.unpack(message.value()).source
        elif not CODEC.is_hot(message.key()):
            self.users.add(message.key().decode())

    def _read_event(self, message: Message) -> None:
        self.events += not message.headers()

    def _read_dead(self, message: Message) -> None:
        self.dead += not is_mark(message)


_READERS: dict[str, Callable[[Tally, Message], None]] = {
    OUTCOMES: Tally._read_outcome,
    USERS: Tally._read_position,
    EVENTS: Tally._read_event,
    DEAD: Tally._read_dead,
}


@dataclass(frozen=True)
class Account:
    """The result of playing the history.

    lost, repeated: what is missing and what occurs too often, in words, with counts; both are empty
        if everything is correct.
    """

    tally: Tally
    acknowledged: int
    requests: int
    refused: int
    lost: Mapping[str, int]
    repeated: Mapping[str, int]

    @property
    def clean(self) -> bool:
        return not self.lost and not self.repeated


def settle(
    messages: Iterable[Message],
    *,
    acknowledged: int,
    ends: Mapping[int, int],
    expected: Expected,
    accepted: Mapping[str, int],
    requests: int,
    refused: int,
) -> Account:
    """Computes the account.

    Args:
        messages: every committed record of the events, the users' changelog, outcomes, actions and
            dead letters.
        acknowledged: events that Kafka acknowledged.
        ends: by partition, the end of the events.
        expected: the result of a backtest of the same history.
        accepted: by idempotency key, how often the receiver answered 200.
        requests, refused: of the receiver.
    """
    tally = Tally(keep_rows=True)
    tally.add(messages)
    actions, delivered = set(tally.actions), set(tally.delivered)
    lost = {
        "events acknowledged, not in the log": acknowledged - tally.events,
        "records of the log not applied": sum(
            max(0, end - tally.positions.get(partition, 0)) for partition, end in ends.items()
        ),
        "expected outcomes": (expected.outcomes - tally.rows).total(),
        "expected actions": len(expected.actions - actions),
        "actions without a delivery": len(actions - delivered),
        "actions the receiver never accepted": len(actions - accepted.keys()),
        "deliveries given up": tally.types["action.failed"],
        "dead letters": tally.dead,
    }
    repeated = {
        "events more often in the log than acknowledged": tally.events - acknowledged,
        "outcome ids": _too_many(tally.outcomes),
        "unexpected outcomes": (tally.rows - expected.outcomes).total(),
        "action ids": _too_many(tally.actions),
        "unexpected actions": len(actions - expected.actions),
        "deliveries reported more than once": _too_many(tally.delivered),
        "deliveries without an action": len(delivered - actions),
    }
    return Account(
        tally,
        acknowledged,
        requests,
        refused,
        {what: number for what, number in lost.items() if number > 0},
        {what: number for what, number in repeated.items() if number > 0},
    )


def _too_many(counts: Mapping[str, int]) -> int:
    return sum(count - 1 for count in counts.values())


def applied(tally: Tally, ends: Mapping[int, int]) -> bool:
    """Whether everything up to `ends` is applied and every action's delivery has ended."""
    with tally.lock:
        reached = all(tally.positions.get(partition, 0) >= end for partition, end in ends.items())
        return reached and tally.ended >= tally.types["action.requested"]
