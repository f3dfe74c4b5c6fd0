"""Outcomes of records that could not be applied.

Law: every record of the log is answered, by an outcome or as a dead letter.
"""

from __future__ import annotations

from typing import Any

from journeys.ids import outcome_id_of_input
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.outcome import Cause, Outcome
from journeys.time import format_time


def reject(
    one: Input, effects: Effects, user_id: str | None, reason: str, detail: str, at: int
) -> None:
    told = {"reason": reason, "error": detail}
    report(one, effects, "event.rejected", user_id, told, at)


def report(
    one: Input, effects: Effects, type: str, user_id: str | None, detail: dict[str, Any], at: int
) -> None:
    place = (one.topic, one.partition, one.offset)
    id = outcome_id_of_input(*place, type, 0)
    effects.outcomes.append(
        Outcome(
            id, type, format_time(at), user_id, None, None, None, None, None, Cause(*place), detail
        )
    )
