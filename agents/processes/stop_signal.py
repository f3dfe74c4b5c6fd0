"""Ends a command gracefully on a signal: Ctrl-C, SIGTERM, or a closed terminal."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal(BaseException):
    """A signal asked the command to stop."""


def raise_on_signals() -> None:
    """From now on a signal raises StopSignal, but only once, so that the cleanup is not
    interrupted."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise StopSignal
