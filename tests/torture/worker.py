"""`journeys`, with what a torture does to a worker from within.

It dies at a chosen instruction of the protocol, its machine's clock is wrong, it is of a second
group that owns everything as well, or it tells what RocksDB holds. Nothing of that is asked for: it
is `agents.cli`.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents.cli import main
from agents.host import app
from agents.runtime import partition
from agents.runtime.transaction import TransactionalProducer
from tables.store import Store

POINTS = (
    "after begin",
    "after produce",
    "inside commit",
    "after commit, before RocksDB",
    "after acknowledge",
)
ORDERS, CLOCK, GROUP = "TORTURE_ORDERS", "TORTURE_CLOCK", "TORTURE_GROUP"
MEMORY = "TORTURE_MEMORY"
HELD = (
    "rocksdb.cur-size-all-mem-tables",
    "rocksdb.estimate-table-readers-mem",
    "rocksdb.block-cache-usage",
)
"""What RocksDB counts of the memory of a store, bytes."""


def is_ordered(point: str) -> bool:
    """Whether a worker of this role is to die at this point; each order is one worker's."""
    order = Path(os.environ[ORDERS], f"{sys.argv[2]} {point}")
    try:
        order.unlink()
    except FileNotFoundError:
        return False
    return True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(TransactionalProducer):
    """Dies where it is ordered to."""

    def commit(self, *args: Any) -> int:
        if is_ordered("inside commit"):
            threading.Timer(0.002, die).start()
        result = super().commit(*args)
        if is_ordered("after commit, before RocksDB"):
            die()
        return result

    def begin(self) -> None:
        super().begin()
        if is_ordered("after begin"):
            die()

    def end(self) -> None:
        if is_ordered("after produce"):
            self._producer.flush(5)
            die()
        super().end()


def make_mortal() -> None:
    app.App.producer_class = Mortal
    commit = partition.PartitionLoop.commit

    async def commit_and_die(self: Any, batch: Any) -> None:
        await commit(self, batch)
        if is_ordered("after acknowledge"):
            die()

    partition.PartitionLoop.commit = commit_and_die  # type: ignore[method-assign]


def set_clock(by: Path) -> None:
    """This machine's clock is wrong by the number of seconds in a file, which may change."""
    right, right_ns = time.time, time.time_ns

    def wrong() -> float:
        with suppress(OSError, ValueError):
            return float(by.read_text())
        return 0.0

    time.time = lambda: right() + wrong()
    time.time_ns = lambda: right_ns() + int(wrong() * 1e9)


def join(group: str) -> None:
    """Another group, whose members know nothing of the first one's."""
    begin = app.App.__init__

    def begin_in_group(self: Any, application: str, **arguments: Any) -> None:
        begin(self, application, **arguments, group=f"{application}-{group}")

    app.App.__init__ = begin_in_group  # type: ignore[method-assign]


def tell_memory(folder: Path) -> None:
    """Writes the bytes that RocksDB holds for this process to a file by its id, now and then."""
    stores: weakref.WeakSet[Store] = weakref.WeakSet()
    begin = Store.__init__

    def begin_and_note(self: Any, path: Path) -> None:
        begin(self, path)
        stores.add(self)

    def tell() -> None:
        while True:
            held = 0
            for store in list(stores):
                for name in HELD:
                    with suppress(Exception):  # it was closed meanwhile
                        held += store._db.property_int_value(name) or 0
            part = folder / f"{os.getpid()}.part"
            part.write_text(str(held))
            part.replace(folder / str(os.getpid()))
            time.sleep(2)

    Store.__init__ = begin_and_note  # type: ignore[method-assign]
    threading.Thread(target=tell, daemon=True).start()


def tell_state(orders: Path) -> None:
    """Writes the state of the process on request: `Stage.states`."""
    begin, apps = app.App.__init__, []

    def begin_and_note(self: Any, *positional: Any, **arguments: Any) -> None:
        begin(self, *positional, **arguments)
        apps.append(self)

    def look() -> None:
        asked = orders / f"tell {os.getpid()}"
        while True:
            time.sleep(1)
            if asked.exists():
                part = orders / f"part {os.getpid()}"
                part.write_text("\n".join(map(_state, apps)))
                part.replace(orders / f"told {os.getpid()}")
                asked.unlink()

    app.App.__init__ = begin_and_note  # type: ignore[method-assign]
    threading.Thread(target=look, daemon=True).start()


def _state(of: app.App) -> str:
    text = io.StringIO()
    names = ("stopping", "reading", "rebalancing", "rebalancing_count", "restarting")
    print({name: getattr(of, name) for name in names}, of.exit.failed, file=text)
    for described in (of._reader, *of.ownership.loops.values(), *of.calls.values()):
        print(type(described).__name__, _fields(described), file=text)
        if hasattr(described, "calls"):
            print("  Calls", _fields(described.calls), file=text)
    for task in asyncio.all_tasks(of.loop):
        task.print_stack(limit=5, file=text)
    return text.getvalue()


def _fields(of: Any) -> dict[str, Any]:
    """Its plain fields, and how many its collections hold."""
    fields = {name: getattr(of, name) for name in getattr(of, "__slots__", ())} or vars(of)
    return {
        name: value if isinstance(value, int | str | float | None) else len(value)
        for name, value in fields.items()
        if isinstance(value, int | str | float | None) or hasattr(value, "__len__")
    } | {name: repr(fields[name]) for name in _WHOLE if name in fields}


_WHOLE = ("_applied", "_committed", "_confirmation", "_task", "_end_of", "_later")


if __name__ == "__main__":
    if ORDERS in os.environ:
        make_mortal()
        tell_state(Path(os.environ[ORDERS]))
    if CLOCK in os.environ:
        set_clock(Path(os.environ[CLOCK]))
    if GROUP in os.environ:
        join(os.environ[GROUP])
    if MEMORY in os.environ:
        tell_memory(Path(os.environ[MEMORY]))
    main()
