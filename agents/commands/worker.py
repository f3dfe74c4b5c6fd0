"""`journeys worker`: runs one role in this process, until a signal stops it or it fails.

Law: the exit code is 0 after SIGTERM or SIGINT, 1 if a user must fix something, and any other if a
restart may help.
"""

from __future__ import annotations

import fcntl
import os
import sys
import traceback
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.errors import EXIT_FAILED, EXIT_RESTART, UserError
from agents.processes.program import JOURNEYS
from agents.settings import Clock, Settings

if TYPE_CHECKING:
    from agents.host.app import App

_claims: list[int] = []  # open lock files: they hold state folders until the process ends


class Role(StrEnum):
    """The roles of workers."""

    register = "register"
    evaluate = "evaluate"
    deliver = "deliver"


class ClockChoice(StrEnum):
    """The clock that timers follow."""

    wall = "wall"
    stream = "stream"


ClockOption = Annotated[
    ClockChoice | None,
    typer.Option(
        help="wall: timers fire by the real time; stream: by the times of the events. "
        "Default: JOURNEYS_CLOCK, or wall.",
        show_default=False,
    ),
]
"""An option of all commands that run evaluate workers."""


def worker(
    role: Annotated[
        Role,
        typer.Argument(metavar="ROLE", help="What this worker does.", show_default=False),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="For deliver: the destinations that it serves. Default: all.",
            show_default=False,
        ),
    ] = None,
    clock: ClockOption = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help="Port of the readiness page; a free one unless given here or in "
            "JOURNEYS_HEALTH_PORT.",
            show_default=False,
        ),
    ] = None,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Continue where the log has lost records that were never applied; report them.",
        ),
    ] = False,
) -> None:
    """Run one worker of a role; several workers of a role share its partitions.

    Ctrl-C or SIGTERM ends it gracefully. Exit code 1: there is a problem that you must fix.
    """
    from agents.kafka.broker import reach

    if names and role is not Role.deliver:
        raise typer.BadParameter(f"the role {role} takes no names", param_hint="NAME")
    settings = Settings.from_env()
    reach(settings.broker)
    os.umask(0o077)  # only its own user may read its files, RocksDB's included
    settings = replace(
        settings,
        state_dir=claim_state_dir(settings.state_dir, role),
        clock=_clock(clock) or settings.clock,
        health_port=health_port or settings.health_port,
        accept_loss=accept_loss,
    )
    code = _run(role, settings, names or [])
    if code == EXIT_RESTART:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [*JOURNEYS, *sys.argv[1:]])
    raise typer.Exit(code)


def claim_state_dir(base: Path, role: str) -> Path:
    """Takes the first of `base/ROLE-0`, `-1`, ... that no other process holds, until this one ends.

    So a restart finds the local state again, and two workers never share one.
    """
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = 0
        while True:
            folder = base / f"{role}-{number}"
            claim = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(claim)
                number += 1
            else:
                _claims.append(claim)
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)  # older versions created it readable by everyone
                return folder
    except OSError as error:
        raise UserError(
            f"The folder for local state can't be used: {error}. JOURNEYS_STATE_DIR names another."
        ) from None


def _clock(choice: ClockChoice | None) -> Clock | None:
    return None if choice is None else choice.value


def _run(role: Role, settings: Settings, names: list[str]) -> int:
    """Runs the role to its end and returns the exit code."""
    try:
        from agents.host.worker import run

        run(
            _build(role, settings, names),
            role.value,
            health_host=settings.health_host,
            health_port=settings.health_port or 0,
            health_token=settings.health_token,
        )
    except UserError:
        raise
    except SystemExit as ending:
        # Faust exits with 1 after its own errors, after which a restart may help.
        return ending.code if ending.code in (0, EXIT_RESTART) else EXIT_FAILED
    except Exception:  # noqa: BLE001 - exit code 1 would say that a user must fix it
        traceback.print_exc()
        return EXIT_FAILED
    return 0


def _build(role: Role, settings: Settings, names: list[str]) -> App:
    match role:
        case Role.register:
            from agents.roles import register

            return register.build(settings)
        case Role.evaluate:
            from agents.roles import evaluate

            return evaluate.build(settings)
        case Role.deliver:
            from agents.roles import deliver

            return deliver.build(settings, names)
