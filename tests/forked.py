"""Python programs for tests, forked from a process that has imported the engine once.

Law: what runs is the real program in a process of its own, with its own arguments, environment,
folder and files, which can be killed like any other. Only its imports are shared: they are most of
the CPU that the start of a worker costs.
"""

from __future__ import annotations

import array
import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

import agents.commands

ROOT = Path(__file__).parents[1]
JOURNEYS = "agents.cli"
_IMPORTED = (
    JOURNEYS,
    "agents.client.push",
    "agents.client.send",
    "agents.host.worker",
    "agents.roles.deliver",
    "agents.roles.evaluate",
    "agents.roles.register",
    "httpx",
    "tests.agents.runtime.counting",
    "tests.agents.runtime.misbehaving",
)


class Forked:
    """A running program; the part of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path = ROOT,
        stdin: IO[bytes] | int = 0,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
    ) -> None:
        """Starts `python -m module *arguments`; the module is one of `_IMPORTED`. The files are the
        program's; they may be closed afterwards."""
        request = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
        }
        files = [one if isinstance(one, int) else one.fileno() for one in (stdin, stdout, stderr)]
        self.returncode: int | None = None
        self._socket = _server().connect()
        body = json.dumps(request).encode()
        self._socket.sendmsg(
            [len(body).to_bytes(4, "big")],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))],
        )
        self._socket.sendall(body)
        self._lines = self._socket.makefile("r")
        self.pid = int(self._lines.readline())
        self._ended = threading.Event()
        threading.Thread(target=self._wait_for_end, daemon=True).start()

    def _wait_for_end(self) -> None:
        with self._socket, self._lines:
            self.returncode = int(self._lines.readline() or -signal.SIGKILL)
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, a signal's number below 0. Raises subprocess.TimeoutExpired."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    stdin: str | None = None,
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """`python -m module *arguments` to its end, off a terminal."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        given.write((stdin or "").encode())
        given.seek(0)
        environment = os.environ if environment is None else environment
        process = Forked(
            module,
            arguments,
            environment=environment,
            folder=folder,
            stdin=given,
            stdout=out,
            stderr=errors,
        )
        try:
            code = process.wait(seconds)
        except BaseException:
            process.kill()
            raise
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return subprocess.CompletedProcess([module, *arguments], code, *texts)


class _Server:
    """The process that forks; it ends when this one does."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forked-")
        self._path = f"{self._folder.name}/socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", self._path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._path)
        return connection


@cache
def _server() -> _Server:
    return _Server()


# ---- in the process that forks
def _serve(path: str) -> None:
    commands = (
        f"agents.commands.{one.name}" for one in pkgutil.iter_modules(agents.commands.__path__)
    )
    for module in (*_IMPORTED, *commands):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(path)
        listener.listen()
        ended, signalled = socket.socketpair()
        signalled.setblocking(False)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for one in (listener, ended, sys.stdin):
            selector.register(one, selectors.EVENT_READ)
        print("ready", flush=True)
        running: dict[int, socket.socket] = {}
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:  # whoever started this process has ended
                    return
                if key.fileobj is ended:
                    ended.recv(4_096)
                    _tell_ends(running)
                    continue
                connection, _ = listener.accept()
                request, files = _read(connection)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for other in (listener, ended, signalled, connection, *running.values()):
                        other.close()
                    _become(request, files)
                    return
                for file in files:
                    os.close(file)
                running[pid] = connection
                connection.sendall(b"%d\n" % pid)


def _read(connection: socket.socket) -> tuple[dict[str, str], list[int]]:
    head, files, _, _ = socket.recv_fds(connection, 4, 3)
    left, body = int.from_bytes(head, "big"), b""
    while len(body) < left:
        body += connection.recv(left - len(body))
    return json.loads(body), files


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as connection:
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(request: dict[str, str], files: list[int]) -> None:
    """Makes this process the program that was asked for, and runs it."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False))
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), line_buffering=True)
        for number in (1, 2)
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["journeys", *request["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "JOURNEYS_PREFIX" in os.environ:  # names of topics are made when the engine is imported
        command = [sys.executable, "-P", "-m", "journeys_engine", *request["arguments"]]
        os.execve(sys.executable, command, os.environ)
    sys.modules[request["module"]].main()


if __name__ == "__main__":
    _serve(sys.argv[1])
