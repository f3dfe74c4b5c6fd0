"""The output for a test event: the request and its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents.client.test_delivery import TestDelivery
from journeys.views.timeline import shown


def sent_lines(test: TestDelivery) -> Iterator[str]:
    """The request, as lines for people."""
    yield f"test event of {test.action.send_key}"
    if test.preview is not None:
        yield from (f"    {line}" for line in test.preview.lines)


def result_lines(test: TestDelivery) -> Iterator[str]:
    """The result, as lines for people."""
    result = test.result
    assert result is not None, "it was not sent"
    if result.error is None:
        answered = "" if result.status is None else f" answered {result.status}"
        yield f"delivered: the destination{answered or ' accepted it'} in {result.took} ms"
    else:
        yield f"failed after {result.took} ms: {result.error}"
    for label, value in result.labels.items():
        yield f"    {label}={shown(value)}"
    yield from (f"    {line}" for line in (result.body or "").splitlines())


def as_json(test: TestDelivery) -> dict[str, Any]:
    """Both, for scripts."""
    result = test.result
    assert result is not None, "it was not sent"
    return {
        "node": test.action.send_key,
        "action_id": test.action.action_id,
        "request": None if test.preview is None else test.preview.fields,
        "answer": {
            "delivered": test.delivered,
            "status": result.status,
            "ms": result.took,
            "error": result.error,
            "body": result.body,
            "labels": dict(result.labels),
        },
    }
