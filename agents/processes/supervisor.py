"""Runs workers of all roles on this machine as child processes and restarts those that end.

Law: no worker outlives its supervisor, however the supervisor ends (each worker runs under
guard.py); and a start that fails for a reason only a user can fix is reported once instead of being
retried for ever.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Self

import httpx

from agents.errors import UserError
from agents.processes import guard
from agents.processes.program import JOURNEYS

STOP_SECONDS = 15.0
"""Between SIGTERM and SIGKILL."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""A worker that lived this long is restarted after FIRST_PAUSE."""

_HOST = "127.0.0.1"
_REFUSED = 1  # the exit code of `journeys worker` if only a user can fix the problem
_POLL_SECONDS = 0.1


class WorkerRefused(UserError):
    """A worker can't start, and a restart would not help."""


class NotReady(UserError):
    """The workers did not become ready in time."""


class Supervisor:
    """Workers as child processes; a context manager that starts and stops them.

    Args:
        roles: how many workers of each role.
        arguments: more arguments of every `journeys worker`, such as `--clock stream`.
        environment: of the workers; by default that of this process.
        report: called, from several threads, with a worker's name and a line that it printed or a
            line about it.
        command: runs `journeys`; fault tests wrap it.
    """

    def __init__(
        self,
        roles: Mapping[str, int],
        *,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        report: Callable[[str, str], None] = lambda name, line: None,
        command: Sequence[str] = JOURNEYS,
    ) -> None:
        environment = dict(os.environ if environment is None else environment)
        self._children = {
            f"{role}-{number}": _Child(
                f"{role}-{number}",
                [*command, "worker", role, *arguments],
                environment,
                report,
                self._refused,
            )
            for role, count in roles.items()
            for number in range(count)
        }
        token = environment.get("JOURNEYS_HEALTH_TOKEN", "").strip()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ended = threading.Event()
        self._refusal: WorkerRefused | None = None

    @property
    def names(self) -> list[str]:
        """The workers, `ROLE-N`."""
        return list(self._children)

    def start(self) -> Self:
        """Starts all workers and returns at once; see `wait_ready`."""
        try:
            for child in self._children.values():
                child.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends all workers: SIGTERM, and SIGKILL for those still there after STOP_SECONDS."""
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            child.join(deadline - time.monotonic())
        for child in self._children.values():
            child.finish()

    def kill(self, name: str) -> None:
        """Ends a worker with SIGKILL; it is restarted as after any other end."""
        self._children[name].signal(signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Ends a worker with SIGTERM; it is restarted."""
        self._children[name].signal(signal.SIGTERM)

    def pid(self, name: str) -> int | None:
        """The process id of a worker, or None if it is not running."""
        return self._children[name].pid

    def readiness(self) -> dict[str, bool]:
        """Whether each worker processes what it owns; asks all of them."""
        return {name: page is not None and page["ready"] for name, page in self.pages().items()}

    def pages(self) -> dict[str, dict[str, Any] | None]:
        """The readiness page of every worker; None if it does not answer."""
        # There is no TLS here, and reading the certificates for it would take 30 ms each time.
        with httpx.Client(
            timeout=1.0, trust_env=False, verify=False, headers=self._headers
        ) as client:
            return {name: child.page(client) for name, child in self._children.items()}

    def wait_ready(self, timeout: float) -> None:
        """Returns when all workers are ready at once.

        Raises:
            WorkerRefused: one can't start.
            NotReady: they were not ready within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not all((state := self.readiness()).values()):
            if time.monotonic() > deadline:
                waiting = ", ".join(name for name, ready in state.items() if not ready)
                raise NotReady(f"Not ready after {timeout:.0f} s: {waiting}.")
            if self._ended.wait(_POLL_SECONDS):
                self.wait()

    def wait(self) -> None:
        """Blocks as long as the workers can be kept running. Raises WorkerRefused."""
        self._ended.wait()
        if self._refusal is not None:
            raise self._refusal

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _refused(self, name: str, line: str) -> None:
        self._refusal = self._refusal or WorkerRefused(f"{name} can't start: {line}")
        self._ended.set()


class _Child:
    """One worker and its restarts; its thread lives until `terminate`."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        report: Callable[[str, str], None],
        refused: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self._command = command
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._report = report
        self._refused = refused
        self._port = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # over _guard and pid
        self._thread = threading.Thread(target=self._keep_running, name=name, daemon=True)
        self._last_line = ""

    def start(self) -> None:
        self._thread.start()

    def terminate(self) -> None:
        """Asks the worker to end; it is not restarted."""
        self._stopping.set()
        with self._lock:
            if self._guard is not None:
                _order(self._guard, b"T")

    def join(self, seconds: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))

    def finish(self) -> None:
        """Makes sure that the worker has ended."""
        self.signal(signal.SIGKILL)
        self.join(5.0)

    def signal(self, number: signal.Signals) -> None:
        with self._lock:
            # Its guard waits for it, so the process id is not reused while the guard lives.
            if self.pid is not None and self._guard is not None and self._guard.poll() is None:
                with suppress(ProcessLookupError):  # it may have ended this moment
                    os.kill(self.pid, number)

    def page(self, client: httpx.Client) -> dict[str, Any] | None:
        if self.pid is None:
            return None
        try:
            page: dict[str, Any] = client.get(f"http://{_HOST}:{self._port}/ready").json()
        except (httpx.HTTPError, ValueError):
            return None
        return page

    def _keep_running(self) -> None:
        pause, has_run = FIRST_PAUSE, False
        while not self._stopping.is_set():
            born = time.monotonic()
            code = self._live()
            if self._stopping.is_set():
                return
            if code == _REFUSED and not has_run:
                self._refused(self.name, self._last_line.removeprefix("journeys: "))
                return
            # After a first successful run, code 1 may only mean that the broker is unavailable for
            # now.
            has_run = has_run or code != _REFUSED
            if time.monotonic() - born > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._report(self.name, f"ended ({_ending(code)}), starts again in {pause:.0f} s")
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _live(self) -> int:
        """Runs the worker once, to its end; returns its exit code."""
        with self._lock:
            if self._stopping.is_set():
                return 0
            self._port = _free_port()
            guarded, lines = self._launch()
        with lines:
            for line in lines:
                self._last_line = line.decode(errors="replace").rstrip()
                self._report(self.name, self._last_line)
        code = guarded.wait()
        with self._lock:
            assert guarded.stdin is not None
            guarded.stdin.close()
            self._guard = self.pid = None
        return code

    def _launch(self) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        """Starts a guard with the worker; the worker's output comes through a pipe."""
        read, write = os.pipe()
        lines = os.fdopen(read, "rb")
        try:
            guarded = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    guard.__file__,
                    f"/dev/fd/{write}",
                    "",
                    *self._command,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=self._environment
                | {"JOURNEYS_HEALTH_HOST": _HOST, "JOURNEYS_HEALTH_PORT": str(self._port)},
                pass_fds=[write],
                start_new_session=True,  # Ctrl-C reaches only us; we then end the worker
            )
        except BaseException:
            lines.close()
            raise
        finally:
            os.close(write)
        assert guarded.stdout is not None
        with guarded.stdout as pid:
            self.pid = int(pid.readline() or 0) or None
        self._guard = guarded
        return guarded, lines


def _order(guarded: subprocess.Popen[bytes], order: bytes) -> None:
    assert guarded.stdin is not None
    with suppress(BrokenPipeError, ValueError):  # it had ended by itself, and the guard with it
        guarded.stdin.write(order)


def _ending(code: int) -> str:
    """An exit code in words; the guard returns 256 minus the number of a signal."""
    return f"signal {256 - code}" if code > 192 else f"exit code {code}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
