"""Runs a role's app in this process until it is told to stop or can't go on."""

import asyncio
import gc
import logging
import sys

import faust
from aiokafka.errors import KafkaError

from agents.runtime.app import App
from agents.runtime.exits import EXIT_FAILED, EXIT_RESTART, last_line
from agents.runtime.health import Health
from agents.runtime.watchdog import LIMIT_SECONDS, Watchdog

_YOUNG_OBJECTS = 50_000
"""New objects that stay before the collector looks at them: those of several batches."""


def run(
    app: App,
    role: str,
    *,
    health_port: int = 0,
    health_token: str | None = None,
    watchdog_limit: float = LIMIT_SECONDS,
    log_level: str = "WARN",
) -> None:
    """Blocks; exits the process with 0 after SIGTERM or SIGINT, else with another code.

    health_port: of the readiness endpoint on loopback, 0 for a free one (it is printed).
    health_token: what it asks of those who ask it.
    """
    # aiokafka and Faust build debug records that nobody reads: 15 % of a core at 500 events/s.
    logging.disable(logging.DEBUG)
    # aiokafka tells every refused connection of an outage, ten lines a second. What matters of it
    # ends the process with a line of our own: here, or the watchdog's.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    health = Health(app, role, health_port, health_token)
    watchdog = Watchdog(app, watchdog_limit)

    class Worker(faust.Worker):
        async def on_first_start(self) -> None:
            await super().on_first_start()
            _settle_garbage()
            watchdog.start()
            await health.start()
            self.say(f"{role}: started, readiness at {health.url}/ready")
            self.stdout.flush()

        def _gather_all(self) -> None:
            """mode/worker.py:320 first waits a second for tasks that never end by themselves, such
            as the watchdog's."""
            for task in asyncio.all_tasks(self.loop):
                task.cancel()

        async def _sentinel_task(self) -> None:
            """mode/worker.py:317 gives what was cancelled a second; most of it needs none."""
            cancelled = asyncio.all_tasks() - {asyncio.current_task()}
            if cancelled:
                await asyncio.wait(cancelled, timeout=1.0)

    worker = Worker(app, loglevel=log_level, redirect_stdouts=False, stdout=sys.stdout)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except KafkaError as error:
        last_line(f"stopped: no Kafka broker answers: {error}")
        raise SystemExit(EXIT_FAILED) from None
    finally:
        if app.exit.failed is not None:
            raise SystemExit(EXIT_FAILED)
        if app.restarting:
            raise SystemExit(EXIT_RESTART)


def _settle_garbage() -> None:
    """What is there by now stays, and what a batch makes is freed by counting references: there is
    little for the collector to find, and much to look at, as the views hold many records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 50)
