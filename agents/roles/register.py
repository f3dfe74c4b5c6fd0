"""The register role: checks what users push to `journeys.config` and keeps the catalog.

Law: a push is accepted as a whole or changes nothing. Its verdict, its catalog entries and a
barrier in every partition of the events are one transaction, so every worker and every replay
evaluates events after the verdict with the new version.
"""

import asyncio
from typing import Any

import msgspec
from confluent_kafka import Message

from agents.errors import TopicError
from agents.host.app import App
from agents.kafka.checking import check_topics
from agents.kafka.creating import create_destination_topics
from agents.kafka.topics import CATALOG, CONFIG, EVENTS, OUTCOMES, application, logical
from agents.kinds import KINDS
from agents.runtime.partition import Batch
from agents.runtime.signatures import Signatures
from agents.settings import Settings
from journeys.catalog.catalog import Accepted, Catalog, Rejected, Verdict, check_push
from journeys.catalog.diff import ChangeType, change_of
from journeys.ids import outcome_id_of_input
from journeys.problems import Problem
from journeys.records import headers
from journeys.records.barrier import barrier
from journeys.records.outcome import Cause, Outcome
from journeys.time import format_time
from tables.codec import Codec

APPLICATION = application("register")

_FILE = logical(CONFIG)
"""The name of the file in problems of a push."""

# Catalog entries are already JSON; the table stores them unchanged.
_CODEC: Codec[bytes] = Codec(bytes, bytes)


def build(settings: Settings) -> App:
    """The register's app. Raises TopicError when a topic is missing or wrong."""
    layout = check_topics(settings.broker, accept_loss_of=settings.accept_loss_of("register"))
    app = App.for_role(APPLICATION, settings, layout.installation)
    pushes = app.source(CONFIG, changelog=CATALOG, codec=_CODEC)
    catalog = Catalog(KINDS)
    signatures = Signatures.of(settings, layout.installation.id)

    @app.agent(pushes.batches)
    async def register(batches: Any) -> None:
        nonlocal catalog
        async for batch in batches:
            async with batch:
                if batch.first:
                    catalog = _stored(batch)
                for message in batch.inputs:
                    catalog = await _apply_push(
                        batch, message, catalog, layout.partitions, settings, signatures
                    )

    return app


def _stored(batch: Batch) -> Catalog:
    entries = [(key.decode(), value) for key, value in batch.view.items()]
    return Catalog(KINDS).with_entries(entries)


async def _apply_push(
    batch: Batch,
    message: Message,
    catalog: Catalog,
    partitions: int,
    settings: Settings,
    signatures: Signatures,
) -> Catalog:
    """Applies one push to the batch and returns the catalog after it."""
    try:
        pushed_at = message.timestamp()[1]
        # A text of 1 MB takes seconds, during which the event loop must answer the health page and
        # the broker.
        verdict = await asyncio.to_thread(
            check_push, message.value() or b"", _FILE, catalog, pushed_at
        )
    except Exception as error:  # noqa: BLE001 - a bad push must not stop the pushes after it
        problem = Problem(_FILE, 1, 1, f"the check itself failed: {type(error).__name__}: {error}")
        verdict = Rejected([problem])
    if isinstance(verdict, Accepted):
        try:
            await _create_topics(verdict, settings.broker)
        except TopicError as error:
            # A topic that the broker refuses to create must not block the next pushes.
            verdict = Rejected([Problem(_FILE, 1, 1, str(error))])
    if isinstance(verdict, Rejected):
        _report_rejected(batch, message, verdict)
        return catalog
    for key, value in verdict.entries:
        batch.view.put(key.encode(), value)
    changes = await asyncio.to_thread(_changes, verdict, catalog)
    _report_accepted(batch, message, verdict, changes)
    value = barrier(message.offset() + 1)
    for partition in range(partitions):
        signed = signatures.sign(partition, None, value, headers.build("barrier"), batch.now)
        batch.send(EVENTS, None, value, partition, signed)
    return verdict.catalog


def _changes(accepted: Accepted, before: Catalog) -> list[ChangeType]:
    """The change of each document, in the words of `journeys plan`."""
    return [change_of(one, before, accepted.catalog)[0] for one in accepted.documents]


async def _create_topics(accepted: Accepted, broker: str) -> None:
    """Creates the topics of new destinations before the catalog names them, as journeys may send to
    them from the barrier on."""
    catalog = accepted.catalog
    for document in accepted.documents:
        retried = catalog.kinds[document.kind].delivered_for(catalog, document.name)
        if retried is not None:
            await asyncio.to_thread(create_destination_topics, broker, document.name, retried)


def _report_accepted(
    batch: Batch, message: Message, accepted: Accepted, changes: list[ChangeType]
) -> None:
    for number, document in enumerate(accepted.documents):
        detail = {
            "kind": document.kind,
            "name": document.name,
            "status": document.status,
            "changed": document.changed,
            "change": changes[number],
            "documents": len(accepted.documents),
        }
        _report(batch, message, "config.accepted", number, document, detail)


def _report_rejected(batch: Batch, message: Message, rejected: Rejected) -> None:
    problems = [
        {
            "line": problem.line,
            "column": problem.column,
            "message": problem.message,
            "found": problem.found,
            "expected": problem.expected,
            "nearest": problem.nearest,
            "document": problem.document,
        }
        for problem in rejected.problems
    ]
    _report(batch, message, "config.rejected", 0, None, {"problems": problems})


def _report(
    batch: Batch,
    message: Message,
    type: str,
    number: int,
    document: Verdict | None,
    detail: dict[str, Any],
) -> None:
    place = (batch.log, batch.partition, message.offset())
    outcome = Outcome(
        outcome_id=outcome_id_of_input(*place, type, number),
        type=type,
        at=format_time(message.timestamp()[1]),
        user_id=None,
        journey=None if document is None else document.journey,
        version=None if document is None else document.version,
        instance=None,
        key=None,
        node=None,
        cause=Cause(*place),
        detail=detail,
    )
    batch.send(OUTCOMES, _key(detail, place), msgspec.json.encode(outcome))


def _key(detail: dict[str, Any], place: tuple[str, int, int]) -> bytes:
    """`kind/name` of the document, or the position of the pushed record if it has none."""
    if "kind" in detail:
        return f"{detail['kind']}/{detail['name']}".encode()
    named = [problem["document"] for problem in detail["problems"] if problem["document"]]
    return (named[0] if named else "/".join(map(str, place))).encode()
