"""What the pages say about outcomes and limits is what the engine does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.delivery import outcomes
from agents.destinations.call_result import CallResult
from journeys import problems, time, work
from journeys.documents.destination import DestinationKind
from journeys.engine import branches, processor, step_context
from journeys.engine import instance_run as run
from journeys.expressions import errors as cel_errors
from journeys.expressions import expression as expressions
from journeys.expressions import frame, lets
from journeys.nodes import digest, parallel
from journeys.records import (
    action,
    outcome,
)
from journeys.records import (
    admission as events,
)
from journeys.records import (
    event_counts as counts,
)
from journeys.records import (
    message_ids as seen,
)
from journeys.records import (
    response as responses,
)
from journeys.records import (
    user_record as state,
)
from journeys.records.action import Action
from journeys.records.outcome import Cause
from journeys.schema import yaml_source
from tests.docs.pages import DOCS, PAGES, ROOT, blocks
from tests.docs.reader import run_suite
from tests.docs.test_fields import tables

TOLD = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in tables("outcomes")[""]}
"""The names in `detail` by the type of outcome."""

ACTION = Action("a", "", "mailer", None, None, "j/n", "u", "j", "v", "i", None, "n", None)

LIMITS = {
    "an event": events.MAX_EVENT,
    "nesting levels of an event": events.MAX_DEPTH,
    "a user's id": events.MAX_USER_ID,
    "a user's record: profile, instances, deduplication window": state.MAX_RECORD,
    "live instances of a user": state.MAX_INSTANCES,
    "a payload, or an emitted event's properties": action.MAX_PAYLOAD,
    "nodes that one instance reaches in one step": run.MAX_NODES,
    "emitted events in a chain": step_context.MAX_HOPS,
    "emitted events of one step": step_context.MAX_EMITTED,
    "actions of one step": step_context.MAX_ACTIONS,
    "payloads and emitted properties of one step": step_context.MAX_STEP_BYTES,
    "an instance's key": state.MAX_KEY,
    "a messageId": events.MAX_MESSAGE_ID,
    "text from data in an outcome": outcome.MAX_SHOWN,
    "a barrier or clock record of the engine": processor.MAX_CONTROL,
    "a response of the engine": events.MAX_EVENT,
    "events of one name that `count` counts": counts.MOST,
    "goals watched for a user": state.MAX_GOALS,
    "text in a trigger's label": responses.MAX_TEXT,
    "messageIds in a user's deduplication window": seen.MOST,
    "starts and joins of branches of one instance in one step": branches.MAX_ROUNDS,
    "branches of a parallel node": parallel.MAX_BRANCHES,
    "bytes that a digest keeps of one event's properties": digest.MAX_PROPERTIES,
    "bytes that a digest keeps of all its events": digest.MAX_BYTES,
    "lets of a journey": lets.MAX_LETS,
    "a push, or a file of documents": yaml_source.MAX_BYTES,
    "nesting levels of a document": yaml_source.MAX_DEPTH,
    "characters of an expression": expressions.MAX_EXPRESSION,
    "bytes of texts, lists and mappings that one evaluation builds": frame.MAX_BUILT,
    "iterations of all macros in one evaluation": frame.MAX_TURNS,
    "work of all expressions of one event": work.MAX_WORK,
    "problems reported for one document": problems.MOST_PROBLEMS,
    "problems reported for one push": problems.MOST_IN_ALL,
    "new destinations in one push": DestinationKind.most_new,
    "destinations, archived ones included": DestinationKind.most,
    "a duration": time.LONGEST // time.YEAR,
}


def test_what_the_examples_report_is_in_the_table(tmp_path: Path) -> None:
    told: dict[str, set[str]] = {}
    for page in PAGES:
        for title, text in blocks(page, "yaml"):
            if title is not None:
                (tmp_path / title).write_text(text, "utf-8")
            if title is None or not title.endswith(".test.yaml") or title.startswith("failing"):
                continue
            results = run_suite(tmp_path / title)
            assert not isinstance(results, str), results
            for step in (step for result in results for step in result.timeline):
                for one in step.outcomes:
                    told.setdefault(one.type, set()).update(one.detail or {})
    assert {"criteria.matched", "goal.reached", "wait.matched", "action.skipped"} <= set(told)
    for type, names in told.items():
        assert names <= TOLD[type], type


def test_what_a_test_may_expect_is_in_the_table() -> None:
    assert set(TOLD) == set(outcome.DETAILS)
    for type, names in outcome.DETAILS.items():
        assert set(names) <= TOLD[type], type


def test_what_a_delivery_reports_is_in_the_table() -> None:
    cause, answer = Cause("journeys.actions.mailer", 0, 0), CallResult("delivered", 0, 1)
    told = outcomes.delivered(ACTION, cause, 1, answer)
    assert set(told.detail or {}) == TOLD["action.delivered"]
    told = outcomes.failed(ACTION, cause, 1, answer)
    assert set(told.detail or {}) == TOLD["action.failed"]


def test_every_documented_detail_occurs_in_the_code() -> None:
    files = [path for house in ("journeys", "agents") for path in (ROOT / house).rglob("*.py")]
    code = "".join(path.read_text("utf-8") for path in files)
    for type, names in TOLD.items():
        for name in names:
            assert re.search(rf"\b{name}=|\"{name}\"", code), f"{type}: {name}"


@pytest.mark.parametrize("row", tables("limits")[""], ids=lambda row: row[0])
def test_a_limit_is_the_code_s(row: list[str]) -> None:
    figure = re.match(r"[\d,]+", row[1])
    assert figure is not None
    assert int(figure[0].replace(",", "")) == LIMITS[row[0]]


def test_every_limit_is_there() -> None:
    assert {row[0] for row in tables("limits")[""]} == set(LIMITS)


def test_every_function_is_there() -> None:
    page = (DOCS / "language" / "expressions.md").read_text("utf-8")
    told = page.partition("## Functions")[2].partition("; the operators")[0]
    assert re.findall(r"`(\w+)`", told) == cel_errors._FUNCTIONS
