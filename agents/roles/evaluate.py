"""The evaluate role: moves users through their journeys.

Law: the pure processor computes a batch of inputs of one partition; its actions, outcomes and
changed records are the batch's transaction. Everything here waits only for Kafka.
"""

from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import Message
from msgspec.structs import replace

from agents.client.catalog import CatalogReader
from agents.host.app import App
from agents.kafka.checking import check_topics
from agents.kafka.partitioner import partition_for
from agents.kafka.topics import CONFIG, DEAD, EVENTS, OUTCOMES, USERS, actions, application, logical
from agents.metrics import CATALOG_OFFSET, DEAD_LETTERS, UNREPORTED, UNSIGNED
from agents.runtime.partition import Batch
from agents.runtime.poison import PoisonGauge
from agents.runtime.signatures import Signatures
from agents.settings import Settings
from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import Clock, PartitionProcessor
from journeys.records.barrier import barrier_offset
from journeys.records.dead_letter import TOO_MUCH_WORK
from journeys.records.effects import Effects
from journeys.records.headers import read as read_headers
from journeys.records.input import Input, Refusal
from journeys.records.outcome import key_of
from tables.users import CODEC, UserRecords

APPLICATION = application("evaluate")

_MUCH = 8 << 20
"""A batch with more bytes of effects and changed records doesn't wait for a later batch's
transaction."""

_encode = msgspec.json.Encoder().encode


class Evaluator:
    """The processors of the owned partitions and the catalog they run."""

    def __init__(
        self, clock: Clock, partitions: int, reader: CatalogReader, signatures: Signatures
    ) -> None:
        self._clock: Clock = clock
        self._partitions = partitions
        self._reader = reader
        self._signatures = signatures
        self._catalog = reader.catalog
        self._running = RunningCatalog(self._catalog)
        self._processors: dict[int, PartitionProcessor] = {}
        self._known: dict[int, int] = {}
        """By partition, how far of journeys.config its processor's catalog was read: an offset. It
        is part of the partition's state, so that the next owner reads as far as the last one."""
        self._poison = PoisonGauge()

    async def compute(self, batch: Batch) -> None:
        """Applies the batch's inputs, then fires the timers that the wall clock may fire."""
        if batch.first:
            self._known[batch.partition], samples = read_notes(batch.notes)
        inputs, barriers = await self._reach_barriers(self._inputs(batch), batch.partition)
        known = self._reader.config_offset
        if batch.first:
            self._processors[batch.partition] = self._processor(batch, samples)
            self._known[batch.partition] = known
        processor = self._processors[batch.partition]
        effects = Effects()
        batch.consumed = processor.apply(inputs, effects)
        if self._clock == "wall":
            more = processor.fire(batch.watermark, batch.now, effects)
            batch.more_timers = processor.sweep(effects) or more
        if any(number < batch.consumed for number in barriers):
            self._known[batch.partition] = known
        batch.partition_time = processor.partition_time
        batch.notes = notes(self._known[batch.partition], processor.samples)
        bugs = sum(dead.reason != TOO_MUCH_WORK for dead in effects.dead)
        self._poison.count(batch.consumed, bugs - effects.counts.pop("record.refused", 0))
        for dead in effects.dead:
            batch.count(DEAD_LETTERS, dead.role, dead.reason)
        for type, times in effects.counts.items():
            batch.count(UNREPORTED, type, by=times)
        # Each part of a sweep is committed at once, and so is a large batch.
        batch.urgent = batch.more_timers or effects.size > _MUCH or batch.consumed < len(inputs)
        send(batch, effects, self._signatures, self._partitions)

    def released(self, partition: int) -> None:
        """Drops the partition's records."""
        self._processors.pop(partition, None)
        self._known.pop(partition, None)

    def _processor(self, batch: Batch, samples: str) -> PartitionProcessor:
        return PartitionProcessor(
            UserRecords(batch.view),
            self._running,
            self._clock,
            max(batch.partition_time, 0),
            partition_of=partial(home_of, partitions=self._partitions),
            at_barrier=lambda _: self._running,
            samples=samples,
        )

    def _inputs(self, batch: Batch) -> list[Input]:
        log, partition, wall = batch.log, batch.partition, self._clock == "wall"
        inputs = []
        for message in batch.inputs:
            arrival = message.timestamp()[1] if wall else None
            headers = message.headers()
            value = message.value() or b""
            one = Input(log, partition, message.offset(), message.key(), value, arrival)
            inputs.append(one if not headers else self._with_headers(one, message, batch))
        return inputs

    def _with_headers(self, one: Input, message: Message, batch: Batch) -> Input:
        """The input with the kind and origin from the headers; refused if its signature is not
        valid."""
        found = read_headers(message.headers())
        if found.kind is None and found.origin is None:
            return one  # only a producer's own headers
        refusal = self._signatures.check(
            one.partition,
            one.key,
            one.value,
            found,
            message.timestamp()[1],
            partial(batch.count, UNSIGNED),
        )
        return replace(one, kind=found.kind, origin=found.origin, refusal=refusal)

    async def _reach_barriers(
        self, inputs: list[Input], partition: int
    ) -> tuple[list[Input], dict[int, int]]:
        """Reads the catalog at least as far as the newest barrier among the inputs and as far as
        the partition's last owner had.

        Returns the inputs, with a barrier refused where it names more than the catalog has, and the
        offsets that the others name, by their place among the inputs.
        """
        barriers = {}
        for number, one in enumerate(inputs):
            if one.kind == "barrier" and one.refusal is None:
                with suppress(ValueError):  # the processor rejects invalid barriers
                    barriers[number] = barrier_offset(one.value)
        catalog = await self._reader.read_past(max([*barriers.values(), self._known[partition]]))
        if catalog is not self._catalog:
            self._catalog, self._running = catalog, RunningCatalog(catalog, self._running)
        known = self._reader.config_offset
        for number, offset in [*barriers.items()]:
            if offset > known:
                found = f"found a barrier for offset {offset} of {logical(CONFIG)}"
                refusal = Refusal("unknown_push", f"{found}, expected at most {known}")
                inputs[number] = replace(inputs[number], refusal=refusal)
                del barriers[number]
        return inputs, barriers


def notes(known: int, samples: str) -> str:
    """What the role keeps of a partition beside its records: how far it knows journeys.config (an
    offset), and what was reported in the current minute."""
    return f"{known}:{samples}" if known else samples


def read_notes(text: str) -> tuple[int, str]:
    """The two values of `notes`. Notes of older versions have no offset: 0."""
    known, named, samples = text.rpartition(":")
    return int(known) if named else 0, samples


def build(settings: Settings) -> App:
    """The evaluate role's app. Raises TopicError when a topic is missing or wrong."""
    layout = check_topics(settings.broker, accept_loss_of=settings.accept_loss_of("evaluate"))
    app = App.for_role(APPLICATION, settings, layout.installation)
    reader = CatalogReader(app.client)
    reader.load()
    app.gauges.append(lambda: [(CATALOG_OFFSET, (), reader.config_offset)])
    signatures = Signatures.of(settings, layout.installation.id)
    evaluator = Evaluator(settings.clock, layout.partitions, reader, signatures)
    events = app.source(
        EVENTS,
        changelog=USERS,
        codec=CODEC,
        timers="log" if settings.clock == "wall" else "none",
        released=evaluator.released,
    )

    @app.agent(events.batches, concurrency=min(layout.partitions, 8))
    async def evaluate(batches: Any) -> None:
        async for batch in batches:
            async with batch:
                await evaluator.compute(batch)

    return app


def home_of(user_id: str, partitions: int) -> int:
    """The partition where a user's record lives: Kafka's murmur2 of the id."""
    return partition_for(user_id.encode(), partitions)


def send(batch: Batch, effects: Effects, signatures: Signatures, partitions: int) -> None:
    """Adds the effects to the batch's transaction."""
    partition = batch.partition
    for action in effects.actions:
        key = action.user_id.encode()
        batch.send(actions(action.destination), key, _encode(action), partition)
    for outcome in effects.outcomes:
        batch.send(OUTCOMES, key_of(outcome), _encode(outcome), partition)
    for dead in effects.dead:
        batch.send(DEAD, None, _encode(dead), partition)
    for key, value, headers in effects.reroutes:
        home = partition_for(key, partitions)
        signed = signatures.sign(home, key, value, headers, batch.now)
        batch.send(EVENTS, key, value, home, signed)
