"""Runs a role's app in this process until a signal stops it or it can't continue."""

import asyncio
import logging
import sys

import faust
from aiokafka.errors import KafkaError

from agents.errors import EXIT_FAILED, EXIT_RESTART
from agents.host.app import App
from agents.host.garbage import settle_garbage
from agents.host.health import Health
from agents.host.watchdog import LIMIT_SECONDS, Watchdog
from agents.runtime.exits import last_line
from agents.settings import LOOPBACK

_SWITCH_SECONDS = 0.001
"""How long a committing thread waits for a computing one; with Python's default of 5 ms per step, a
transaction of 1,000 records took 55 ms instead of 20."""


def run(
    app: App,
    role: str,
    *,
    health_host: str = LOOPBACK,
    health_port: int = 0,
    health_token: str | None = None,
    watchdog_limit: float = LIMIT_SECONDS,
    log_level: str = "WARN",
) -> None:
    """Blocks; exits the process, with 0 after SIGTERM or SIGINT, else with another code.

    health_host: the address of the readiness and metrics page.
    health_port: its port, 0 for a free one (it is printed).
    health_token: the token that requests must present; None: no token is needed.
    """
    # aiokafka and Faust create debug records that nobody reads: 15 % of a core at 500 events/s.
    logging.disable(logging.DEBUG)
    # aiokafka logs every refused connection of an outage, ten lines a second. An outage that lasts
    # too long ends the process with a line of this module or the watchdog.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    health = Health(app, role, health_port, health_token, health_host)
    watchdog = Watchdog(app, watchdog_limit)

    class Worker(faust.Worker):
        async def on_first_start(self) -> None:
            await super().on_first_start()
            settle_garbage()
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
            """mode/worker.py:317 gives cancelled tasks a second; most need none."""
            cancelled = asyncio.all_tasks() - {asyncio.current_task()}
            if cancelled:
                await asyncio.wait(cancelled, timeout=1.0)

    app.exit.ends_process = True
    sys.setswitchinterval(_SWITCH_SECONDS)
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
