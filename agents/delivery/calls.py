"""The calls to one destination, which run concurrently with the loops of its partitions.

Law: calls are limited in number and rate, and made one at a time per user, in the order of the log.
A user's next call starts when the previous one returned; if the destination is ordered, when the
previous delivery has ended. A delivery that can't be called waits, but no longer than its time
allows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from agents.delivery.circuit import Change, Circuit
from agents.destinations.call_result import CallResult
from tables.deliveries import Delivery, Received

AT_ONCE = 64
"""Concurrent calls of a worker to one destination."""


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """The result of the call of one delivery."""

    key: bytes
    answer: CallResult


class Receiver(Protocol):
    """Takes results: the loop of the partition that owns the delivery. fail: ends the process."""

    def hand_in(self, result: FinishedCall) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    async def confirm(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One delivery to be called. key: of its record. loop: gets the result."""

    partition: int
    key: bytes
    delivery: Delivery
    action: Received
    loop: Receiver

    @property
    def lane(self) -> tuple[int, str]:
        return self.partition, self.action.user_id

    @property
    def name(self) -> tuple[int, bytes]:
        return self.partition, self.key


@dataclass(slots=True)
class _Lane:
    """The deliveries of one user: the one whose turn it is, and those after it."""

    turn: bytes | None = None
    behind: deque[Call] = field(default_factory=deque)


class Calls:
    """Starts calls as slots become free. Runs on the event loop."""

    def __init__(
        self,
        call: Callable[[Call], Awaitable[CallResult]],
        ordered: Callable[[], bool],
        pace: Callable[[], float],
        overdue: Callable[[Call, float], CallResult | None],
        tell: Callable[[Change], None],
        at_once: int = AT_ONCE,
    ) -> None:
        """call: makes one attempt; an exception ends the process. ordered: whether a delivery that
        waits for a retry holds up the later ones of its user. pace: returns 0 if a call may start,
        and counts it as started; else how long (s) to wait before asking again. overdue: the result
        of a delivery whose time is over, or None; takes the call and how long (s) the circuit has
        held it up. tell: called when the circuit opens or closes."""
        self._call = call
        self._ordered = ordered
        self._pace = pace
        self._overdue = overdue
        self._tell = tell
        self._at_once = at_once
        self._circuit = Circuit()
        self._later: asyncio.TimerHandle | None = None
        self._lanes: dict[tuple[int, str], _Lane] = {}
        self._ready: deque[Call] = deque()
        self._known: dict[tuple[int, bytes], float] = {}
        """The deliveries that wait or are being called, with the time when each was added."""
        self._tasks: dict[asyncio.Task[None], tuple[Call, int]] = {}
        """The calls in flight, each with the circuit's round."""
        self._given_up: set[asyncio.Task[None]] = set()
        self._reported: set[tuple[int, bytes]] = set()
        """The deliveries whose results are handed in but not committed yet."""
        self._paused = False
        self._quiet = asyncio.Event()
        self.ended = 0
        """How many calls have ended, with any result."""

    def add(self, call: Call) -> None:
        """Calls the delivery when it is its turn; does nothing if it already waits or is being
        called."""
        if call.name in self._known:
            return
        self._known[call.name] = asyncio.get_running_loop().time()
        lane = self._lanes.setdefault(call.lane, _Lane())
        if lane.turn is None or lane.turn == call.key:
            self._take_turn(lane, call)
        else:
            lane.behind.append(call)

    def hold(self, partition: int, user: str, key: bytes) -> None:
        """Called after a takeover for each delivery, in the order of the log. If the destination is
        ordered, the user's first delivery has to be called before the others."""
        if self._ordered():
            lane = self._lanes.setdefault((partition, user), _Lane())
            lane.turn = lane.turn or key

    def settled(self, partition: int, user: str, key: bytes, done: bool) -> None:
        """The result of a call is committed. done: the delivery has ended; else it will be
        retried."""
        self._reported.discard((partition, key))
        self._update_quiet()
        lane = self._lanes.get((partition, user))
        if lane is not None and lane.turn == key and (done or not self._ordered()):
            self._next(lane, (partition, user))

    def release(self, partition: int) -> None:
        """Gives up the partition's calls: those in flight are cancelled and their results are
        dropped."""
        self._lanes = {name: lane for name, lane in self._lanes.items() if name[0] != partition}
        self._ready = deque(call for call in self._ready if call.partition != partition)
        self._known = {name: at for name, at in self._known.items() if name[0] != partition}
        self._reported = {name for name in self._reported if name[0] != partition}
        for task in [task for task, (of, _) in self._tasks.items() if of.partition == partition]:
            self._given_up.add(task)
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Starts no more calls, and waits at most `seconds` until those in flight are answered and
        their results committed. A second call before `resume` does nothing."""
        if self._paused:
            return
        self._paused = True
        self._update_quiet()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)

    def resume(self) -> None:
        """Resumes calls."""
        self._paused = False
        self._fill()

    def _update_quiet(self) -> None:
        if self._tasks or self._reported:
            self._quiet.clear()
        else:
            self._quiet.set()

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    @property
    def has_work(self) -> bool:
        """Whether a call should end soon: one is in flight, or one is ready and neither the circuit
        nor the rate holds it up."""
        return bool(self._tasks) or (bool(self._ready) and self._later is None)

    @property
    def circuit_open(self) -> bool:
        """Whether the destination only gets probes, because its deliveries failed."""
        return self._circuit.down

    def _take_turn(self, lane: _Lane, call: Call) -> None:
        lane.turn = call.key
        self._ready.append(call)
        self._fill()

    def _next(self, lane: _Lane, name: tuple[int, str]) -> None:
        lane.turn = None
        if lane.behind:
            self._take_turn(lane, lane.behind.popleft())
        else:
            del self._lanes[name]

    def _fill(self) -> None:
        while self._may_start():
            now = asyncio.get_running_loop().time()
            if (wait := self._circuit.wait(now, len(self._tasks))) > 0:
                self._ask_again(wait)
                if (since := self._circuit.stopped_since) is not None:
                    self._end_overdue(since, now)
                return
            if (wait := self._pace()) > 0:
                self._ask_again(wait)
                return
            call = self._ready.popleft()
            round = self._circuit.started()
            task = asyncio.get_running_loop().create_task(self._run(call, round))
            self._tasks[task] = call, round
            task.add_done_callback(self._ended)

    def _may_start(self) -> bool:
        free = len(self._tasks) < self._at_once and not self._paused
        return bool(self._ready) and free and self._later is None

    def _ask_again(self, wait: float) -> None:
        self._later = asyncio.get_running_loop().call_later(wait, self._ask)

    def _ask(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._fill()

    def _end_overdue(self, since: float, now: float) -> None:
        """Ends the deliveries that the circuit holds up and whose time is over, as if their calls
        had failed; also those behind another one that is only waiting for its call."""
        waiting = list(self._ready)
        if not self._ordered():
            waiting += [call for lane in self._lanes.values() for call in lane.behind]
        ended: dict[tuple[int, bytes], CallResult] = {}
        for call in waiting:
            held_up = now - max(since, self._known[call.name])
            if (answer := self._overdue(call, held_up)) is not None:
                ended[call.name] = answer
        if not ended:
            return
        self._ready = deque(call for call in self._ready if call.name not in ended)
        for lane in self._lanes.values():
            lane.behind = deque(call for call in lane.behind if call.name not in ended)
        for call in waiting:
            if call.name in ended:
                self._hand_in(call, ended[call.name])

    async def _run(self, call: Call, round: int) -> None:
        answer = await self._call(call)
        if asyncio.current_task() in self._given_up:
            return  # its partition is no longer owned
        now = asyncio.get_running_loop().time()
        change = self._circuit.answered(round, call.action.action_id, answer, now)
        if change is not None:
            self._tell(change)
        self._hand_in(call, answer)

    def _hand_in(self, call: Call, answer: CallResult) -> None:
        self._known.pop(call.name, None)
        self._reported.add(call.name)
        call.loop.hand_in(FinishedCall(call.key, answer))
        if not self._ordered():
            lane = self._lanes.get(call.lane)
            if lane is not None and lane.turn == call.key:
                self._next(lane, call.lane)

    def _ended(self, task: asyncio.Task[None]) -> None:
        call, round = self._tasks.pop(task)
        self.ended += 1
        if task in self._given_up:
            self._given_up.discard(task)
            self._circuit.abandoned(round)
        elif task.cancelled():
            call.loop.fail(RuntimeError(f"the call of {call.action.action_id} was cancelled"))
        elif (error := task.exception()) is not None:
            # Its delivery would wait for ever; after a restart it is called again.
            call.loop.fail(error)
        self._update_quiet()
        self._ask()
