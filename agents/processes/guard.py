"""The parent process of a child such as the embedded broker: it ends the child when its owner ends.

Run as a program, with the standard library alone: `guard.py LOG THROWAWAY COMMAND...` starts
COMMAND with its output in LOG, prints its pid and reads orders from standard input: `T` terminates
it, `K` kills it and keeps the data. End of input means that the owner has died for any reason,
since the kernel then closes the other end of the pipe; a signal tied to the owner's *thread*
(PR_SET_PDEATHSIG with the owner as the parent) would come too early if a worker thread started the
child. After `T` and end of input the folder THROWAWAY is removed; '' means no folder.

Only children that the owner forks without exec hold the pipe, too; the guard then waits for them.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15.0


def main(arguments: list[str]) -> int:
    """Runs the command until it ends, by itself or by an order; returns its exit code (0 to
    255)."""
    log, throwaway, *command = arguments
    # The guard has one thread when it forks, which lives as long as the guard, so here the signal
    # works as intended: the child doesn't outlive a guard that was itself killed.
    die_with_guard = _death_signal() if sys.platform == "linux" else None
    with open(log, "ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_guard,
        )
    os.write(1, f"{child.pid}\n".encode())
    ordered = threading.Event()
    threading.Thread(target=_leave_with, args=(child, ordered), daemon=True).start()

    order = os.read(0, 1)
    ordered.set()
    if order == b"K":
        child.kill()
    else:
        _stop(child)
    code = child.wait()
    if order != b"K" and throwaway:
        shutil.rmtree(throwaway, ignore_errors=True)
    return code & 0xFF


def _death_signal() -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    guard = os.getpid()

    def die_with_guard() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # it died in between
            os._exit(1)

    return die_with_guard


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    child.send_signal(signal.SIGCONT)  # a stopped process would not handle it
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _leave_with(child: subprocess.Popen[bytes], ordered: threading.Event) -> None:
    """Ends the guard if the command ended without an order, so that the owner notices at once."""
    code = child.wait()
    if not ordered.is_set():
        os._exit(code & 0xFF)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
