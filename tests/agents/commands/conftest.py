"""Runs the command line as its users do: real processes, a real Kafka."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agents.kafka.creating import create_topics
from agents.kafka.embedded.broker import EmbeddedKafka
from tests import forked
from tests.forked import JOURNEYS, Forked
from tests.terminal import Terminal

COMMAND = Path(sys.executable).with_name("journeys")
NOWHERE = "127.0.0.1:9"  # the port "discard": nobody listens there


class Process:
    """A command that runs beside the test; its lines can be awaited."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        read, write = os.pipe()
        typed, stdin = os.pipe()
        with open(write, "wb") as out, open(typed, "rb") as given:
            self.popen = Forked(
                JOURNEYS,
                arguments,
                environment=environment,
                folder=folder,
                stdin=given,
                stdout=out,
                stderr=out,
            )
        self.stdin = open(stdin, "w", encoding="utf-8")  # noqa: SIM115
        self._printed = open(read, encoding="utf-8", errors="replace")  # noqa: SIM115
        self.lines: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, text: str, seconds: float = 120) -> str:
        """Waits for a line that contains the text, among those not yet awaited."""
        deadline = time.monotonic() + seconds
        while True:
            line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, f"ended without {text!r}:\n{self.output}"
            if text in line:
                return line

    def until_all(self, texts: Iterable[str]) -> None:
        """Waits until each of the texts was in a line, in any order."""
        missing = set(texts)
        while missing:
            line = self.until("")
            missing -= {text for text in missing if text in line}

    def ended(self, seconds: float = 60) -> int:
        """Waits for the end; returns the exit code."""
        code = self.popen.wait(seconds)
        with suppress(BrokenPipeError):
            self.stdin.close()
        self._reader.join(seconds)
        return code

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def _read(self) -> None:
        with self._printed:
            for line in self._printed:
                self.lines.append(line)
                self._queue.put(line)
        self._queue.put(None)


class Journeys:
    """The command `journeys` with one broker and one folder."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if "JOURNEYS" not in name},
            "JOURNEYS_BROKER": broker,
            "JOURNEYS_STATE_DIR": str(folder / "state"),
        }
        self._running: list[Process] = []

    def run(
        self, *arguments: str | Path, stdin: str | None = None, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, off a terminal."""
        return forked.run(
            JOURNEYS,
            *map(str, arguments),
            environment=self.environment,
            folder=self.folder,
            stdin=stdin,
            seconds=seconds,
        )

    def on_terminal(self, *arguments: str | Path) -> tuple[int, str]:
        """Runs a command with a terminal; exit code and what it wrote."""
        command = [str(COMMAND), *map(str, arguments)]
        terminal = Terminal(command, self.environment, self.folder, columns=120)
        try:
            return terminal.ended(60), terminal.raw
        finally:
            terminal.close()

    def start(self, *arguments: str | Path) -> Process:
        """Starts a command beside the test; it is killed at the end of the test if need be."""
        process = Process([*map(str, arguments)], self.environment, self.folder)
        self._running.append(process)
        return process

    def worker(self, role: str, *arguments: str) -> Process:
        """A worker that has started."""
        process = self.start("worker", role, *arguments)
        process.until(f"{role}: started")
        return process

    def write(self, name: str, text: str) -> str:
        """Writes a file into the folder where the commands run; returns its name."""
        (self.folder / name).write_text(text)
        return name

    def close(self) -> None:
        for process in self._running:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self._running:
            try:
                process.ended(12)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.ended()


@pytest.fixture
def journeys(empty_kafka: EmbeddedKafka, tmp_path: Path) -> Iterator[Journeys]:
    """The command line on a Kafka with the topics made, and nothing in them."""
    create_topics(empty_kafka.bootstrap, 3)
    command = Journeys(empty_kafka.bootstrap, tmp_path)
    yield command
    command.close()


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Journeys]:
    """The command line without a Kafka."""
    command = Journeys(NOWHERE, tmp_path)
    yield command
    command.close()
