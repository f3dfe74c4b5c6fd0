"""Histories, well-mannered and not: every outcome and payload is what SQL computes from the log."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import msgspec
import pytest

from journeys.simulation.backtest import Backtest
from tests.history import logs
from tests.history.compare import HERE, Expected, Row, actual, differences, disorder, expected
from tests.journeys.builders import running

CASES = ("answers", "rounds", "pile", "standing", "signals", "targets")
LOGS = {"plain": logs.plain, "late": logs.late, "bursts": logs.bursts}


class History(NamedTuple):
    log: str
    wanted: Expected
    got: list[Row]


def documents() -> str:
    return "\n---\n".join((HERE / f"{case}.yaml").read_text() for case in CASES)


@pytest.fixture(scope="module", params=LOGS)
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> History:
    """One log applied to all journeys at once, and the rows that SQL expects of each."""
    name: str = request.param
    log = logs.write(logs.once(LOGS[name]()), tmp_path_factory.mktemp("logs") / f"{name}.jsonl")
    backtest = Backtest(running(documents()), log.name)
    outcomes: list[Any] = []
    actions: list[Any] = []
    with log.open("rb") as lines:
        for effects in backtest.run(lines, drain=True):
            assert not effects.dead, effects.dead[0].detail
            outcomes += _as_json(effects.outcomes)
            actions += _as_json(effects.actions)
    return History(name, expected(log, CASES), actual(outcomes, actions))


def _as_json(structs: list[Any]) -> list[Any]:
    found: list[Any] = msgspec.json.decode(msgspec.json.encode(structs))
    return found


def test_every_outcome_and_payload_is_the_one_that_sql_computes(history: History) -> None:
    assert differences(history.wanted.rows, history.got) == []


def test_users_whose_events_came_in_order_have_outcomes_in_the_order_of_the_rules(
    history: History,
) -> None:
    least = {"plain": 397, "late": 0, "bursts": 50}
    assert len(history.wanted.orderly) >= least[history.log]
    assert disorder(history.wanted, history.got) == []


def test_the_log_exercises_what_it_is_there_for(history: History) -> None:
    """Were one of these to vanish, the comparison would prove less."""
    rows = history.wanted.rows
    told = Counter((row.journey, row.type) for row in rows)
    told += Counter((row.journey, msgspec.json.decode(row.detail)["reason"]) for row in rows
                    if row.type in ("journey.exited", "journey.rejected"))  # fmt: skip
    for journey, what in _EXERCISED[history.log]:
        assert told[journey, what] > 10, (journey, what)
    if history.log == "late":
        own = {(row.user, row.line) for row in rows if row.timer is None}
        both = [row for row in rows if row.timer is not None and (row.user, row.line) in own]
        assert len(both) > 150, "timers that are due when they are set, fired by a user's event"
    if history.log == "bursts":
        due = {row.detail for row in rows if (row.type, row.node) == ("wait.started", "morning")}
        assert {f'{{"due": "{at}.000Z"}}' for at in _SKIPPED} & due, "no half past two is skipped"


_SKIPPED = [f"20{year:02}-03-{day}T01:30:00" for year, day in zip(
    range(9, 20), (29, 28, 27, 25, 31, 30, 29, 27, 26, 25, 31), strict=True)]  # fmt: skip
"""In Rome 02:30 is 03:30 on these Sundays."""


_EXERCISED: dict[str, list[tuple[str | None, str]]] = {
    "plain": [
        ("answers", "solved"),
        ("answers", "already_in"),
        ("rounds", "min_gap"),
        ("pile", "gone"),
        ("watch", "action.requested"),
        ("targets", "goal.reached"),
        ("targets", "global_exit"),
        ("targets", "upgraded"),
        ("sights", "goal"),
    ],
    "late": [
        ("answers", "too_late"),
        ("answers", "no_key"),
        ("answers", "expression.failed"),
        ("answers", "action.requested"),
        ("rounds", "done"),
        ("rounds", "no_time"),
        ("pile", "expression.failed"),
        ("standing", "once"),
        ("standing", "action.requested"),
        ("echo", "profile.changed"),
        ("alarm", "event.emitted"),
        ("targets", "goal.reached"),
        (None, "profile.changed"),
    ],
    "bursts": [
        ("answers", "other"),
        ("answers", "too_late"),
        ("rounds", "already_in"),
        ("rounds", "done"),
        ("pile", "wait.timed_out"),
        ("standing", "experiment.assigned"),
        ("watch", "calmed"),
        ("watch", "already_in"),
        ("sights", "goal"),
        ("sights", "global_exit"),
        ("targets", "fine"),
    ],
}


def test_the_comparison_sees_a_single_change(history: History) -> None:
    user = max({row.user for row in history.got})
    wanted = [row for row in history.wanted.rows if row.user == user]
    got = [row for row in history.got if row.user == user]
    assert differences(wanted, got) == []
    for field in ("at", "detail", "node", "key", "entry", "timer"):
        changed = got[-1]._replace(**{field: "another"})
        assert len(differences(wanted, [*got[:-1], changed])) == 2
    assert len(differences(wanted, got[1:])) == 1
    assert len(differences(wanted, [*got, got[0]])) == 1
    assert len(disorder(Expected(wanted, frozenset({user})), [*got[1:], got[0]])) == 1
