"""The deliver role as an application: each destination is a source and an agent.

Law: new destinations are picked up automatically, and before partitions are given up, the calls in
flight have a short time to finish.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from agents.client.catalog import CatalogReader
from agents.delivery.deliverer import Deliverer, Destinations
from agents.destinations.addresses import Allowed, Guard
from agents.destinations.base import Parts
from agents.destinations.callers import Callers
from agents.destinations.secrets import Secrets
from agents.destinations.types import DESTINATION_TYPES
from agents.errors import TopicError, UserError
from agents.host.app import App
from agents.kafka.checking import check_topics
from agents.kafka.topics import CATALOG, actions, application, deliveries
from agents.metrics import CATALOG_OFFSET
from agents.runtime.signatures import Signatures
from agents.settings import Settings
from tables.deliveries import CODEC

APPLICATION = application("deliver")
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 2.0
_DRAIN_SECONDS = 1.5
"""For calls in flight when partitions move; the group waits during this time."""
_LAST_CALLS_SECONDS = 10.0
"""The limit when the worker stops; calls in flight get the destination's `timeout`, if that is
shorter."""
_COMMIT_SECONDS = 1.0
"""Added to that, so that the last results can be committed."""


class DeliverApp(App):
    """The role's app, which ends its calls when it stops.

    Before partitions are given up, calls in flight get a short time to finish, as the next owner
    repeats calls whose answer is not known.
    """

    deliverers: list[Deliverer]
    callers: Callers

    async def quiesce(self) -> None:
        """The calls first, while the loops can still commit their results."""
        await asyncio.gather(*(one.calls.drain(_DRAIN_SECONDS) for one in self.deliverers))
        await super().quiesce()

    def start_reading(self) -> None:
        super().start_reading()
        if self.stopping:  # partitions have moved in the meantime
            return
        for deliverer in self.deliverers:
            deliverer.calls.resume()

    async def on_stop(self) -> None:
        """First the calls in flight finish and their answers are committed; then the loops end. The
        next owner repeats calls that were given up without an answer."""
        self.stopping = True
        await asyncio.gather(
            *(
                one.calls.drain(min(one.longest, _LAST_CALLS_SECONDS) + _COMMIT_SECONDS)
                for one in self.deliverers
            )
        )
        await self.quiesce()
        for deliverer in self.deliverers:
            deliverer.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.callers.close(), _STOP_SECONDS)
        await super().on_stop()


def build(settings: Settings, destinations: Collection[str] | None = None) -> DeliverApp:
    """The deliver role's app.

    destinations: the names of those it serves; by default all, including those added later.

    Raises:
        TopicError: a topic is missing or wrong.
        UserError: a named destination has no topic.
        SettingsError: JOURNEYS_ALLOW_HOSTS can't be used.
    """
    allowed = Allowed.from_env(os.environ)
    layout = check_topics(settings.broker, accept_loss_of=settings.accept_loss_of("deliver"))
    names = sorted(destinations or layout.destinations)
    for name in names:
        if name not in layout.destinations:
            known = ", ".join(layout.destinations) or "none"
            raise UserError(f"There is no destination {name!r} yet. Those there are: {known}.")
    app = DeliverApp.for_role(APPLICATION, settings, layout.installation)
    reader = CatalogReader(app.client)
    reader.load()
    app.gauges.append(lambda: [(CATALOG_OFFSET, (), reader.config_offset)])
    parts = Parts(Guard(allowed), Secrets(os.environ), app.clock.now)
    app.callers = Callers(DESTINATION_TYPES, parts)
    for name in names:
        # Opened now, so that no call has to wait until the certificates are read.
        if (destination := reader.catalog.destinations.get(name)) is not None:
            app.callers.of(destination)
    signatures = Signatures.of(settings, layout.installation.id)
    app.deliverers = [
        _add(app, name, lambda: reader.catalog.destinations, layout.partitions, signatures)
        for name in names
    ]

    @app.task
    async def look() -> None:
        await _or_fail(app, _look_at_documents(app.deliverers))

    if not names:
        # The group needs a topic to subscribe to; a topic that is not a source is not read.
        app.topics.add(app.topic(CATALOG, key_type=bytes, value_type=bytes))

    @app.task
    async def follow() -> None:
        await _or_fail(app, reader.follow())

    if not destinations:

        @app.task
        async def look_for_new_ones() -> None:
            await _or_fail(app, _restart_for_new_ones(app, settings.broker, reader, set(names)))

    return app


def _add(
    app: DeliverApp,
    name: str,
    destinations: Destinations,
    partitions: int,
    signatures: Signatures,
) -> Deliverer:
    """Adds one destination: its source and its agent."""
    deliverer = Deliverer(name, destinations, app.callers, partitions, app.clock.now, signatures)
    source = app.source(
        actions(name),
        changelog=deliveries(name),
        codec=CODEC,
        timers="clock",
        capacity=deliverer.capacity,
        released=deliverer.released,
    )

    app.gauges.append(deliverer.gauges)
    app.calls[name] = deliverer

    async def deliver(batches: Any) -> None:
        async for batch in batches:
            await deliverer.work(batch)

    app.agent(source.batches, name=f"deliver-{name}", concurrency=min(partitions, 8))(deliver)
    return deliverer


async def _look_at_documents(deliverers: list[Deliverer]) -> None:
    while True:
        for deliverer in deliverers:
            deliverer.warn_of_missing_variables()
        await asyncio.sleep(_LOOK_SECONDS)


async def _or_fail(app: App, work: Any) -> None:
    """Faust only logs what a task of an app raises; here it ends the process."""
    try:
        await work
    except Exception as error:  # noqa: BLE001
        app.exit.fail(error)


async def _restart_for_new_ones(
    app: App, broker: str, reader: CatalogReader, taken: set[str]
) -> None:
    """Restarts the worker when a destination has been added. Faust notices new topics only after 45
    s, and drops them if they appear during a rebalance (transport/conductor.py:336)."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if reader.catalog.destinations.keys() <= taken:
            continue
        try:
            layout = await asyncio.to_thread(check_topics, broker)
        except (TopicError, UserError):
            continue  # the topics are being created, or the broker is unavailable: checked again
        if not taken.issuperset(layout.destinations):
            app.restart("a destination was added")
            return
