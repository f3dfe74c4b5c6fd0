"""A terminal: what a reader of the documentation types into, and sees.

Law: it shows what a terminal shows, erased progress bars and all; but a long line stays one.
"""

from __future__ import annotations

import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path

import pyte

COLUMNS = 120
_WIDEST = 4_000
_LINES = 1_000


class Terminal:
    """One command on a terminal of its own. It may run on beside what else is typed."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        columns: int = COLUMNS,
    ) -> None:
        self._shown = b""
        self._more = threading.Condition()
        self._ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            env={**environment, "TERM": "xterm", "COLUMNS": str(columns)},
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def raw(self) -> str:
        """All that was written, colours included."""
        return self._shown.decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """What is to be seen."""
        screen = pyte.Screen(_WIDEST, _LINES)
        pyte.ByteStream(screen).feed(self._shown)
        rows = max(screen.buffer, default=-1) + 1  # display would render all that is empty, too
        return [_text(screen.buffer[row]) for row in range(rows)]

    def until(self, holds: Callable[[list[str]], bool], seconds: float) -> bool:
        """Whether it came to be seen in time."""
        deadline = time.monotonic() + seconds
        with self._more:
            return self._more.wait_for(
                lambda: holds(self.lines), timeout=max(0.0, deadline - time.monotonic())
            )

    def type(self, line: str) -> None:
        """Types a line."""
        os.write(self._ours, f"{line}\n".encode())

    def ended(self, seconds: float = 120) -> int:
        """Waits for the end; the exit code."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code

    def close(self) -> None:
        """Ctrl-C, and not so gently where that doesn't help."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            self.ended(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.ended(20)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                some = os.read(self._ours, 65_536)
            except OSError:
                some = b""  # Linux tells the end of a terminal as an error
            with self._more:
                self._shown += some
                self._more.notify_all()
            if not some:
                return


def _text(row: Mapping[int, pyte.screens.Char]) -> str:
    last = max(row, default=-1) + 1
    return "".join(row[column].data for column in range(last)).rstrip()
