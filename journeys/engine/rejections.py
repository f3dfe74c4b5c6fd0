"""Outcomes of records that could not be applied.

Law: every record that can't be applied is reported by an outcome or a dead letter.
"""

from __future__ import annotations

from typing import Any

from journeys.ids import outcome_id_of_input
from journeys.records import headers
from journeys.records.dead_letter import dead_letter
from journeys.records.effects import Effects
from journeys.records.input import Input, Refusal
from journeys.records.outcome import Cause, OutcomeType, of_input
from journeys.time import format_time


def reject(
    record: Input, effects: Effects, user_id: str | None, reason: str, detail: str, at: int
) -> None:
    """`event.rejected`, at `at` (ms): `reason` is a word for programs, `detail` a text for
    people."""
    report(record, effects, "event.rejected", user_id, {"reason": reason, "error": detail}, at)


def refuse(record: Input, effects: Effects, refusal: Refusal, role: str, at: int) -> None:
    """`event.rejected` for a record that the reader of the log refused, at `at` (ms)."""
    reject(record, effects, None, refusal.reason, refusal.detail, at)
    if refusal.replayable:
        effects.counts["record.refused"] += 1
        effects.size += len(record.value)
        effects.dead.append(
            dead_letter(
                role=role,
                reason=refusal.reason,
                detail=refusal.detail,
                cause=Cause(record.topic, record.partition, record.offset),
                key=record.key,
                value=record.value,
                at=at,
                kept_headers=headers.as_texts(record.kind, record.origin),
            )
        )


def report(
    record: Input,
    effects: Effects,
    type: OutcomeType,
    user_id: str | None,
    detail: dict[str, Any],
    at: int,
) -> None:
    """An outcome of the record itself, at `at` (ms)."""
    place = (record.topic, record.partition, record.offset)
    id = outcome_id_of_input(*place, type, 0)
    effects.outcomes.append(of_input(id, type, format_time(at), user_id, Cause(*place), detail))
