"""Random histories of one partition: events, responses, clocks, and changes of the journeys.

A history is a list of what happens, in order; each thing's place in it is its offset.
"""

from __future__ import annotations

from json import dumps
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.journeys.builders import START
from tests.journeys.model.model_terms import HOUR, MINUTE, SECOND, Document, iso
from tests.journeys.model.random_journeys import edited, journeys


class Event(NamedTuple):
    wire: dict[str, Any]
    arrival: int | None = None


class CallResult(NamedTuple):
    """A response to the request that a user made as the `back`-th from the last."""

    user: str
    back: int
    ok: bool
    status_code: int | None
    labels: dict[str, Any]
    arrival: int | None = None


class Clock(NamedTuple):
    """A clock record: a stream's time moves on."""

    to: int


class Fire(NamedTuple):
    """The wall clock shows `now`, and all that arrived before `until` has been applied."""

    until: int
    now: int


class Push(NamedTuple):
    journey: Document


class Turn(NamedTuple):
    """A journey is paused, archived or goes on, at the register's time."""

    name: str
    status: str
    at: int


class Sweep(NamedTuple):
    """A worker sweeps this many users for the changes of the catalog."""

    records: int


Step = Event | CallResult | Clock | Fire | Push | Turn | Sweep
History = list[Step]

TOURS = st.tuples(journeys(), journeys("other")) | st.tuples(journeys())

_numbers = st.sampled_from([0, 1, 1, 2, 2, 2, 3, 1.5, "1", None])
_ABSENT = object()
_properties = st.fixed_dictionaries(
    {
        "n": _numbers | st.just(_ABSENT),
        "ok": st.sampled_from([True, True, True, False, 1, _ABSENT]),
        "k": st.sampled_from([1, 1, 1, "1", "1", "2", True, 1.5, None, _ABSENT]),
        "m": st.sampled_from([1, 1, 1, "1", "1", "2", 1.5, None, _ABSENT]),
        "large": st.sampled_from([*[_ABSENT] * 9, "x" * 4_084, "x" * 4_085, "é" * 2_050]),
    }
).map(lambda some: {name: value for name, value in some.items() if value is not _ABSENT})
_KEPT = dumps(
    {"event": "a", "timestamp": iso(0), "messageId": "m000", "properties": {"p": ""}},
    separators=(",", ":"),
)
A_SIXTEENTH = {"p": "x" * (4_096 - len(_KEPT))}
"""Of an event of which a digest keeps exactly 16."""
LARGE: list[Document] = [
    {},
    A_SIXTEENTH,
    {"p": "x" * (4_096 - len('{"p":""}'))},  # all of it fits
    {"p": "x" * (4_097 - len('{"p":""}')), "q": 1},
    {"p": "x" * 2_000, "q": "x" * 2_100, "r": [1.5, None, {"ok": True}], "s": "x" * 2_000},
    {"é" * 70: "é" * 2_050, "p": "é" * 1_000},
    {**{f"p{number}": "x" * 4_100 for number in range(19)}, "q": 1, "r": "x" * 4_100},
    {f"p{number}": "x" * 4_100 for number in range(25)},
]
"""Properties around what a digest keeps of one event, and of all."""
_zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Mars/Base", 1])
_traits = st.fixed_dictionaries(
    {}, optional={"t": st.sampled_from([0, 1, 2, None, True]), "timezone": _zones}
)
FORWARD = [0, 0, 1, 5 * MINUTE, 10 * MINUTE - 1, *[10 * MINUTE] * 3, 30 * MINUTE, HOUR]
BACK = [-1, -10 * MINUTE, -30 * MINUTE, -HOUR, -5 * HOUR]
LATE = [0, 0, 5 * SECOND, 10 * MINUTE, HOUR, 9 * HOUR]


@st.composite
def logs(
    draw: st.DrawFn,
    *,
    ordered: bool = False,
    received: bool = True,
    repeats: bool = True,
    least: int = 6,
    most: int = 24,
) -> list[dict[str, Any]]:
    """Events of several users, each with a messageId; in order of time when `ordered`."""
    log: list[dict[str, Any]] = []
    time = START
    for number in range(draw(st.sampled_from(range(least, most + 1)))):
        time += draw(st.sampled_from(FORWARD if ordered else FORWARD + FORWARD + BACK))
        if draw(st.integers(0, 50)) == 50:
            time += 7 * HOUR
        event: dict[str, Any] = {
            "event": draw(st.sampled_from("aaaabbbccz")),
            "userId": draw(st.sampled_from("uuuuvw")),
            "timestamp": time,
            "messageId": f"m{number}",
            "properties": draw(_properties),
        }
        chance = draw(st.integers(0, 24))
        if chance < 4 or draw(st.integers(0, 5)) == 5:
            event["traits"] = draw(_traits)
        if chance == 3:
            event["type"] = "identify"
            del event["event"]
        if chance == 4:
            event["backfill"] = draw(st.sampled_from([True, True, "overwrite"]))
            event["traits"] = draw(_traits)
        if chance == 5 and log and repeats:
            event["messageId"] = draw(st.sampled_from(log))["messageId"]
        if 6 <= chance < 10 and received:
            event["receivedAt"] = time + draw(st.sampled_from([*LATE, -HOUR]))
        if chance in (3, 4, 12, 13):
            event["traits_once"] = draw(_traits)
        if chance == 13:
            event["traits"] = draw(_traits)
        if chance == 10:
            event["context"] = {"timezone": draw(_zones)}
        if chance == 11:
            event["anonymousId"] = event.pop("userId")
        log.append(event)
    return log


def user_of(wire: dict[str, Any]) -> str:
    user: str = wire["userId"] if "userId" in wire else wire["anonymousId"]
    return user


@st.composite
def histories(
    draw: st.DrawFn,
    tours: tuple[Document, ...],
    *,
    wall: bool = False,
    changes: bool = True,
    answers: bool = True,
    **of_logs: Any,
) -> History:
    """A log and all that happens between its events.

    Under the wall clock arrivals come in order, and the clock fires nothing beyond the arrival of
    an event that has not been applied.
    """
    log = draw(logs(ordered=True, received=False, **of_logs) if wall else logs(**of_logs))
    between = _Between(draw, tours, wall)
    kinds = ["time"] * 4 + ["answer"] * answers + ["turn", "push"] * 2 * changes
    steps: History = []
    for number, wire in enumerate(log):
        time = wire["timestamp"]
        if wall:
            late = draw(st.sampled_from([*[0] * 6, 1, MINUTE, 10 * MINUTE, HOUR, 9 * HOUR, -HOUR]))
            wire = {**wire, "timestamp": time - late}
        if number and draw(st.integers(0, 30)) == 0:
            wire = {name: value for name, value in wire.items() if name != "timestamp"}
        steps.append(Event(wire, time if wall else None))
        following = log[number + 1]["timestamp"] if number + 1 < len(log) else time + 4 * HOUR
        between.begin(time, following)
        if answers and draw(st.integers(0, 2)) == 0:
            steps.append(between.answer(user_of(wire)))
        for kind in draw(st.lists(st.sampled_from(kinds), max_size=2)):
            steps += between.some(kind)
    return [*steps, *between.end(max(wire["timestamp"] for wire in log) + 4 * HOUR)]


@st.composite
def worlds(draw: st.DrawFn, **of_histories: Any) -> tuple[tuple[Document, ...], History]:
    """Journeys and what happens to them."""
    tours = draw(TOURS)
    return tours, draw(histories(tours, **of_histories))


class _Between:
    """What happens between two events of the log; it knows the journeys as they are."""

    def __init__(self, draw: st.DrawFn, tours: tuple[Document, ...], wall: bool) -> None:
        self.draw = draw
        self.wall = wall
        self.pushed = {tour["name"]: [tour] for tour in tours}
        self.status = {tour["name"]: "running" for tour in tours}
        self.at = 0
        self.time = self.following = START
        self.shown = START

    def begin(self, time: int, following: int) -> None:
        """After an event at `time`, and before the one at `following`."""
        self.time, self.following = time, max(time, following)

    def some(self, kind: str) -> History:
        if kind == "answer":
            return [self.answer(self.draw(st.sampled_from("uuuuvw")))]
        if kind == "turn":
            return self._turn(self._later())
        if kind == "push":
            return self._push()
        if not self.wall:
            return [Clock(self._later())]
        if self.draw(st.booleans()):
            return [self._fire(self._later())]
        ticks = range(self.time, self.following + 1, 10 * MINUTE)
        self.time = self.following
        return [self._fire(tick) for tick in ticks]

    def _later(self) -> int:
        gap = self.following - self.time
        self.time += self.draw(st.sampled_from([0, min(gap, SECOND), gap // 2, gap]))
        return self.time

    def end(self, time: int) -> History:
        """All that is paused goes on, and so does time."""
        names = [name for name, status in self.status.items() if status == "paused"]
        steps: History = [Turn(name, "running", self._registered(time)) for name in names]
        if not self.wall:
            return [*steps, Clock(time), Clock(time + HOUR)]
        fires = [self._fire(time + HOUR * hour) for hour in (0, 1)]
        return [*steps, Sweep(1_000), *fires]

    def _fire(self, until: int) -> Step:
        late = self.draw(st.sampled_from([0] * 9 + [MINUTE, MINUTE + 1, HOUR]))
        self.shown = max(self.shown, until + late)
        return Fire(until, self.shown)

    def answer(self, user: str) -> Step:
        arrival = self._later()
        ok = self.draw(st.sampled_from([True, True, False]))
        labels = {"code": 200 if ok else 500, "word": self.draw(st.sampled_from(["yes", "no"]))}
        if self.draw(st.integers(0, 4)) == 0:
            del labels["word"]
        return CallResult(
            user,
            self.draw(st.sampled_from([0] * 6 + [1, 2, 9])),
            ok,
            200 if ok else self.draw(st.sampled_from([500, None])),
            labels,
            arrival if self.wall else None,
        )

    def _turn(self, time: int) -> History:
        """For users that no sweep has reached, two pauses in a row are one. So a sweep of all users
        comes before a pause."""
        name = self.draw(st.sampled_from(sorted(self.status)))
        chances = {
            "running": ["paused"] * 5 + ["archived"],
            "paused": ["running"] * 5 + ["archived"],
            "archived": ["running", "running", "paused"],
        }
        self.status[name] = self.draw(st.sampled_from(chances[self.status[name]]))
        turn = Turn(name, self.status[name], self._registered(time))
        return [Sweep(1_000), turn] if turn.status == "paused" else [turn]

    def _registered(self, time: int) -> int:
        """The register's clock may be behind or ahead of that of the log, but goes on."""
        shift = self.draw(st.sampled_from([0, 0, 0, -MINUTE, MINUTE]))
        self.at = max(self.at + 1, time + shift)
        return self.at

    def _push(self) -> History:
        """An edit of the active version, an earlier version, or a completely different journey.

        A late sweep uses the version that is active then, so all users are swept before a push.
        """
        name = self.draw(st.sampled_from(sorted(self.pushed)))
        known = self.pushed[name]
        ways = edited(known[-1]) | edited(known[-1]) | st.sampled_from(known) | journeys(name)
        known.append(self.draw(ways))
        return [Sweep(1_000), Push(known[-1])]
