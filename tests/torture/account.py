"""The account of a run: every input against every outcome, action, timer and call.

Law: all that is counted comes from the log, the topics as `read_committed` readers see them, and
the books of the server that was called. Nothing is asked of a worker.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from confluent_kafka import Message

from agents.kafka.topics import EVENTS, OUTCOMES, actions
from journeys.records.installation import topic_of
from journeys.time import parse_time
from tests.agents.delivery.receiver import Request
from tests.torture.expected import Arrived, Expected, Told, by_partition, ends_of_orders
from tests.torture.quiet import Fault, longest_quiet
from tests.torture.strangers import Strangers, Written, is_strangers

DESTINATIONS = ("letters", "pushes", "answers")
STUCK_CALL_MS = 75_000
"""A destination that was down is tried again after a minute at most."""
STUCK_MS = 30_000
"""Timers and events: five times the session that a dead owner keeps its partitions."""
NEUTRAL = ("inputs", "actions", "timers", "calls", "deliveries_repeated", "stall_s", "recover_s")


@dataclass
class Account:
    """What became of the inputs; every number but the NEUTRAL ones must be 0.

    Attributes:
        lost: inputs whose outcomes are not all there.
        applied_twice: inputs that have an outcome twice.
        unexpected: outcomes that nothing in the log explains.
        wrong_order: users whose counts, or ordered calls, do not only grow by one.
        deliveries_lost: actions that have no outcome, or no call that was answered.
        deliveries_repeated: calls beyond the first one that was answered; of those
            repeated_after_answer began though a committed record said that the action was done.
        stuck: events, timers and deliveries that came late, or not, though nothing had been done to
            the installation for longer than that takes.
        timers_early: timers told before they are due, or at a place of the log stamped before; or
            behind an event, stamped before they were due, that ended what they wait for.
        strangers: records of nobody's that were answered otherwise than they may be.
        stall_s: the longest time from an event's arrival to its first outcome.
        recover_s: the longest time from a fault to the outcome of an event that came after it.
    """

    inputs: int = 0
    actions: int = 0
    timers: int = 0
    calls: int = 0
    lost: int = 0
    applied_twice: int = 0
    unexpected: int = 0
    wrong_order: int = 0
    actions_lost: int = 0
    actions_repeated: int = 0
    timers_lost: int = 0
    timers_early: int = 0
    timers_double: int = 0
    dead: int = 0
    deliveries_lost: int = 0
    deliveries_repeated: int = 0
    repeated_after_answer: int = 0
    stuck: int = 0
    strangers: int = 0
    stall_s: float = 0.0
    recover_s: float = 0.0
    shown: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, Any]:
        """What must not be there."""
        return {k: v for k, v in asdict(self).items() if v and k not in (*NEUTRAL, "shown")}


def draw_up(
    read: Callable[[str], list[Message]],
    dead: Iterable[Mapping[str, Any]],
    requests: Iterable[Request],
    faults: Sequence[Fault],
) -> Account:
    """read: all records of a topic that were ever committed. dead: the dead letters. requests:
    those that the server got. faults: by the broker's clock."""
    account = Account()
    written = read(EVENTS)
    strangers = Strangers(map(_written, written))
    log = [_arrived(one) for one in written if not _written(one).is_strangers]
    records = read(OUTCOMES)
    told = [json.loads(one.value()) for one in records]
    about = [one for one in told if not one["type"].startswith("config.")]
    about = strangers.without_theirs(about)
    engine = [one for one in about if not _is_deliverys(one)]
    made = [
        (json.loads(one.value()), one.timestamp()[1])
        for d in DESTINATIONS
        for one in read(actions(d))
    ]
    requested = [action for action, _ in made]
    expected = Expected(_variants(engine), _fired(engine)).read(by_partition(log))
    account.inputs, account.actions = len(log), len(requested)
    account.dead = strangers.others(dead)
    account.strangers = strangers.faults
    compare(account, expected.told, [_told(one) for one in engine])
    values = {f"event {one.partition} {one.offset}": one.value for one in log}
    account.shown = [f"{line} {_of(line, values)}" for line in account.shown]
    account.shown += strangers.shown
    _unique(account, told, requested)
    _look_at_actions(account, expected, engine, requested)
    _look_at_timers(account, records, written, ends_of_orders(log), faults)
    _look_at_calls(account, made, records, list(requests), faults)
    _look_at_times(account, log, written, records, faults)
    return account


def _wall(request: Request) -> float:
    """When it came, ms by the clock of this machine, which is the broker's as well."""
    return (request.at - time.monotonic() + time.time()) * 1000


def _place(record: Message) -> tuple[int, int]:
    return record.partition(), record.offset()


def _written(record: Message) -> Written:
    return Written(_place(record), record.key(), bool(record.headers()))


def _arrived(record: Message) -> Arrived:
    at = record.timestamp()[1]
    return Arrived(record.partition(), record.offset(), at, record.key(), record.value() or b"")


def _is_deliverys(outcome: Mapping[str, Any]) -> bool:
    return outcome["type"] in ("action.delivered", "action.failed")


def _variants(outcomes: list[Any]) -> dict[str, str]:
    return {
        one["key"]: one["detail"]["variant"]
        for one in outcomes
        if one["type"] == "experiment.assigned"
    }


def _fired(outcomes: list[Any]) -> dict[tuple[str, str], int]:
    """Timers that were more than a minute late go by the time they fired at."""
    found = {}
    for one in outcomes:
        if one["type"] == "wait.timed_out" and "fired" in one["cause"]:
            due, fired = parse_time(one["cause"]["timer"]), parse_time(one["cause"]["fired"])
            assert fired - due > 60_000, one
            found[one["key"], one["node"]] = fired
    return found


def _told(outcome: dict[str, Any]) -> Told:
    cause, journey = outcome["cause"], outcome["journey"] or ""
    at: int | None = parse_time(outcome["at"])
    by_response = ("told", "answered")
    if outcome["node"] in by_response or (outcome["type"], outcome["node"]) == _ANSWERED:
        text, at = "response", None
    elif cause.get("timer") is not None:
        text = f"timer {parse_time(cause['timer'])}"
    else:
        text = f"event {cause['partition']} {cause['offset']}"
    user = "" if outcome["type"] == "event.rejected" else outcome["user_id"]
    node = outcome["node"]
    if outcome["type"] == "journey.exited" and outcome["detail"]["reason"] == "end":
        node = None
    return Told(outcome["type"], user, journey, outcome["key"], node, text, at)


_ANSWERED = ("wait.matched", "asked")
_MISSING = {"action.requested": "actions_lost", "wait.timed_out": "timers_lost"}
_SURPLUS = {"action.requested": "actions_repeated", "wait.timed_out": "timers_double"}


def compare(account: Account, wanted: list[Told], found: list[Told]) -> None:
    """Counts what is missing and what is there too often."""
    want, have = Counter(wanted), Counter(found)
    lost, twice = set(), set()
    for one, count in (want - have).items():
        account.shown.append(f"missing: {one}")
        if one.type in _MISSING:
            _add(account, _MISSING[one.type], count)
        else:
            lost.add((one.user, one.cause))
    for one, count in (have - want).items():
        account.shown.append(f"surplus: {one}")
        if one not in want:
            account.unexpected += count
        elif one.type in _SURPLUS:
            _add(account, _SURPLUS[one.type], count)
        else:
            twice.add((one.user, one.cause))
    account.lost, account.applied_twice = len(lost), len(twice)
    account.timers = sum(one.type == "wait.timed_out" for one in wanted)


def _of(line: str, values: Mapping[str, bytes]) -> str:
    """The input that a line of what is shown is about."""
    cause = line.partition("cause='")[2].partition("'")[0]
    return repr(values.get(cause, b"")[:200])


def _add(account: Account, name: str, count: int) -> None:
    setattr(account, name, getattr(account, name) + count)


def _unique(account: Account, told: list[Any], actions: list[Any]) -> None:
    outcomes = Counter(one["outcome_id"] for one in told)
    account.applied_twice += sum(count - 1 for count in outcomes.values())
    ids = Counter(one["action_id"] for one in actions)
    account.actions_repeated += sum(count - 1 for count in ids.values())


def _look_at_actions(
    account: Account, expected: Expected, engine: list[Any], actions: list[Any]
) -> None:
    """Each that was requested is there with what it must say; counts grow by one."""
    requested = {one["detail"]["action_id"] for one in engine if one["type"] == "action.requested"}
    there = {one["action_id"] for one in actions}
    account.actions_lost += len(requested - there)
    account.unexpected += len(there - requested)
    counts: dict[str, list[int]] = defaultdict(list)
    for one in actions:
        payload = one["payload"]
        if one["journey"] == "tally":
            counts[one["user_id"]].append(payload["ticks"])
        elif one["node"] == "told":
            account.unexpected += payload["answer"] != answer_to(payload["of"])
        elif one["journey"] == "order":
            account.unexpected += payload["order"] != one["key"]
    for user, count in expected.ticks.items():
        account.wrong_order += counts[user] != list(range(1, count + 1))


def answer_to(number: int) -> str:
    """What the server answers to a question."""
    return f"answer {number}"


def _look_at_timers(
    account: Account,
    records: list[Message],
    written: list[Message],
    ends: Mapping[str, list[Arrived]],
    faults: Sequence[Fault],
) -> None:
    """By the broker's clock no timer is reported before it is due, and none fires at a record that
    was stamped before its due time, or after one that would have prevented it. ends: by order."""
    stamped = {_place(one): one.timestamp()[1] for one in written}
    told_at = [(json.loads(one.value()), one.timestamp()[1]) for one in records]
    entered = {
        outcome["instance"]: outcome["cause"]["offset"]
        for outcome, _ in told_at
        if outcome["type"] == "journey.entered"
    }
    for outcome, told in told_at:
        cause = outcome["cause"]
        if cause.get("timer") is None or is_strangers(outcome):
            continue
        due = parse_time(cause["timer"])
        place = (cause.get("partition", -1), cause.get("offset", -1))
        if min(told, stamped.get(place, told)) < due or overtook(
            ends.get(outcome["key"] or "", ()), entered.get(outcome["instance"], -1), place, due
        ):
            account.timers_early += 1
            account.shown.append(f"early: {outcome}")
        if longest_quiet(due, told, faults) > STUCK_MS:
            account.stuck += 1
            account.shown.append(f"stuck until {told}: {outcome}")


def overtook(ends: Iterable[Arrived], entered: int, place: tuple[int, int], due: int) -> bool:
    """Whether a timer fired behind an event that had ended its wait before it was due.

    An event before the entry ends nothing: where retention took an order's first event, the order
    begins with a repeat of it, which can be behind its payment.
    """
    return any(
        one.partition == place[0] and entered < one.offset < place[1] and one.at < due
        for one in ends
    )


def _look_at_calls(
    account: Account,
    made: list[tuple[dict[str, Any], int]],
    records: list[Message],
    requests: list[Request],
    faults: Sequence[Fault],
) -> None:
    done: dict[str, int] = {}
    for record in records:
        outcome = json.loads(record.value())
        if _is_deliverys(outcome) and not is_strangers(outcome):
            id = outcome["detail"]["action_id"]
            account.applied_twice += id in done
            account.deliveries_lost += outcome["type"] == "action.failed"
            done[id] = record.timestamp()[1]
    calls: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        calls[request.key].append(request)
    account.calls = len(requests)
    ordered: dict[str, list[tuple[float, int]]] = defaultdict(list)
    now = time.time_ns() // 1_000_000
    for action, at in made:
        id = action["action_id"]
        answered = [one for one in calls[id] if one.answered_at and one.status == 200]
        account.deliveries_lost += not answered or id not in done
        account.deliveries_repeated += max(0, len(answered) - 1)
        if longest_quiet(at, done.get(id, now), faults) > STUCK_CALL_MS:
            account.stuck += 1
            account.shown.append(f"stuck until {done.get(id, 'now')}: {action}")
        late = [one for one in calls[id] if id in done and _wall(one) > done[id]]
        account.repeated_after_answer += len(late)
        if late:
            account.shown.append(f"called after its answer was committed: {action}")
        if action["journey"] == "tally" and answered:
            ordered[action["user_id"]].append((answered[0].at, action["payload"]["ticks"]))
    for user, pairs in ordered.items():
        ticks = [count for _, count in sorted(pairs)]
        if ticks != sorted(ticks):
            account.wrong_order += 1
            account.shown.append(f"{user} was told in another order: {ticks}")


def _look_at_times(
    account: Account,
    log: list[Arrived],
    written: list[Message],
    records: list[Message],
    faults: Sequence[Fault],
) -> None:
    came: dict[tuple[int, int], list[int]] = defaultdict(list)  # more than once where a log is anew
    for record in written:
        came[_place(record)].append(record.timestamp()[1])
    first: dict[tuple[int, int, int], int] = {}
    for record in records:
        cause, told = json.loads(record.value())["cause"], record.timestamp()[1]
        if "timer" not in cause and topic_of(cause.get("topic") or "") == EVENTS:
            place = (cause["partition"], cause["offset"])
            before = [at for at in came.get(place, ()) if at <= told]
            if before:
                first.setdefault((*place, max(before)), told)
    keyed = [(one, (one.partition, one.offset, one.at)) for one in log]
    waits = [(one, first[key]) for one, key in keyed if key in first]
    account.stall_s = max((told - one.at for one, told in waits), default=0) / 1000
    account.stuck += sum(longest_quiet(one.at, told, faults) > STUCK_MS for one, told in waits)
    recovered = []
    for fault in faults:
        for partition in {one.partition for one in log}:
            after = [
                told for one, told in waits if one.partition == partition and one.at >= fault.end
            ]
            if after:
                recovered.append(min(after) - fault.end)
    account.recover_s = max(recovered, default=0) / 1000
