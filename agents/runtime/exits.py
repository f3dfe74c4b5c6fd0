"""Ends the process reliably when it can't continue, with a clear last line.

Law: after an error the process never guesses its state. A supervisor restarts it, and the new
process reads from the broker whether an open transaction was committed.
"""

import asyncio
import logging
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from agents.errors import EXIT_FAILED, UserError
from agents.runtime.source_reader import OffsetGone
from tables.restore import RestoreError

_LEAVE_SECONDS = 8.0
_FENCED = (
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)


class Exit:
    """The process's way out.

    Attributes:
        failed: the first error, once there is one.
        ends_process: whether the process is the application's own, and ends with it.
    """

    def __init__(self, leave: Callable[[BaseException], None]) -> None:
        """leave: asks the application to stop gracefully, so that the rest of the group need not
        wait for the session timeout; called at most once, on the event loop."""
        self._leave = leave
        self.failed: BaseException | None = None
        self.ends_process = False

    def fail(self, error: BaseException) -> None:
        """Prints the error and ends the process within 8 s, even if something hangs."""
        if self.failed is not None:
            return
        self.failed = error
        if self.ends_process:
            _exit_after(_LEAVE_SECONDS)  # first, as a stderr that nobody reads may block the rest
        if not is_self_explanatory(error):
            traceback.print_exception(error)
        last_line(f"stopped: {type(error).__name__}: {error}")
        logging.disable(logging.CRITICAL)  # consequences of the error would bury that line
        self._leave(error)


def is_self_explanatory(error: BaseException) -> bool:
    """Whether the message of an error is enough, so that no traceback is shown."""
    if isinstance(error, KafkaException):
        return error.args[0].code() in _FENCED
    return isinstance(error, UserError | OffsetGone | RestoreError)


def ended_by_errors(task: asyncio.Task[Any], fail: Callable[[BaseException], None]) -> None:
    """Makes errors of a task that is never awaited end the process; asyncio would only log them."""

    def check(ended: asyncio.Task[Any]) -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            fail(error)

    task.add_done_callback(check)


def end_now(text: str) -> None:
    """Ends the process with a last line, even if nobody reads stderr."""
    _exit_after(1.0)
    last_line(text)
    os._exit(EXIT_FAILED)


def _exit_after(seconds: float) -> None:
    timer = threading.Timer(seconds, os._exit, (EXIT_FAILED,))
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:  # no more threads can be started
        os._exit(EXIT_FAILED)


def last_line(text: str) -> None:
    """Writes to stderr past Python's buffers: the process may not live to flush them."""
    os.write(2, f"{text}\n".encode(errors="replace"))
