"""Four years of real tickets: the backtest says exactly what SQL alone computes from the events."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import Any

import msgspec
import pytest

from journeys.simulation.backtest import Backtest
from tests.helpdesk.compare import EVENTS, ROOT, differences, expected
from tests.journeys.builders import running

JOURNEY = ROOT / "examples" / "helpdesk" / "journey.yaml"


@pytest.fixture(scope="module")
def history() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Actions and outcomes of the whole history, as a reader of the topics sees them."""
    actions: list[Any] = []
    outcomes: list[Any] = []
    backtest = Backtest(running(JOURNEY.read_text()), EVENTS.name)
    with gzip.open(EVENTS) as lines:
        for effects in backtest.run(lines, drain=True):
            assert not effects.dead
            actions += effects.actions
            outcomes += effects.outcomes
    assert backtest.waiting == 0
    assert backtest.events == 21_348
    return _as_json(actions), _as_json(outcomes)


def _as_json(structs: list[Any]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(msgspec.json.encode(one)) for one in structs]


def test_every_outcome_and_action_of_the_history_is_the_one_that_sql_computes(history) -> None:
    actions, outcomes = history
    assert differences(actions, outcomes) == []


def test_the_history_exercises_what_it_is_there_for() -> None:
    """Were one of these to vanish from the data, the comparison above would prove less."""
    outcomes, actions = expected()
    types = Counter(row[3] for row in outcomes.elements())
    assert types["journey.entered"] > 4_000
    assert types["journey.rejected"] > 400
    assert types["wait.timed_out"] > 1_000
    ends = Counter(row[6] for row in outcomes.elements() if row[3] == "journey.exited")
    assert set(ends) == {"resolved", "resolved_late", "escalated", "unanswered"}
    again = Counter((row[0], row[1]) for row in outcomes.elements() if row[3] == "journey.entered")
    assert max(again.values()) > 1, "no ticket enters a second time"
    assert {row[3] for row in actions} == {"reminders", "escalations"}


@pytest.mark.parametrize("field", ["at", "node", "detail"])
def test_the_comparison_sees_a_single_changed_outcome(history, field: str) -> None:
    actions, outcomes = history
    at = next(i for i, one in enumerate(outcomes) if one["type"] == "wait.matched")
    changed = {**outcomes[at]}
    changed[field] = {**changed["detail"], "message_id": "x"} if field == "detail" else "x"
    assert len(differences(actions, [*outcomes[:at], changed, *outcomes[at + 1 :]])) == 2


def test_the_comparison_sees_a_missing_and_a_repeated_action(history) -> None:
    actions, outcomes = history
    assert len(differences(actions[1:], outcomes)) == 1
    assert len(differences([*actions, actions[0]], outcomes)) == 2
