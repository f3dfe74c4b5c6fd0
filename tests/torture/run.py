"""Runs one scenario and draws up its account."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.processes import supervisor
from tests.torture.account import Account, draw_up
from tests.torture.file_system import small_file_system
from tests.torture.scenarios.every import SCENARIOS
from tests.torture.stage import Stage, stage

supervisor.LONGEST_PAUSE = 2.0  # what dies twenty times is not to be waited for half a minute

LEAST_TRAFFIC_SECONDS = 10.0

_COLUMNS = (
    ("inputs", 7),
    ("lost", 5),
    ("applied_twice", 6),
    ("unexpected", 6),
    ("wrong_order", 6),
    ("actions_lost", 8),
    ("actions_repeated", 8),
    ("timers_lost", 7),
    ("timers_early", 7),
    ("timers_double", 7),
    ("deliveries_lost", 8),
    ("repeated_after_answer", 8),
    ("stuck", 6),
    ("strangers", 7),
    ("deliveries_repeated", 8),
    ("stall_s", 7),
    ("recover_s", 8),
)
_HEADS = (
    "inputs lost twice odd order act.lost act.rep t.lost t.early t.double del.lost del.bad "
    "stuck forged del.rep stall recover"
).split()


@dataclass
class Result:
    scenario: str
    account: Account
    done: Counter[str]
    left: str | None
    seconds: float

    def faults(self) -> dict[str, Any]:
        """What must not be; empty when the promise was kept."""
        found = self.account.faults()
        return {**found, "not_settled": self.left} if self.left else found

    def line(self) -> str:
        values = (f"{getattr(self.account, name):>{width}}" for name, width in _COLUMNS)
        what = ", ".join(f"{count} {what}" for what, count in self.done.items())
        mark = "" if not self.faults() else f"   <- {self.faults()}"
        return f"{self.scenario:<34}{self.seconds:>5.0f} {' '.join(values)}  {what}{mark}"


def columns() -> str:
    """The head of the lines."""
    heads = (f"{head:>{width}}" for head, (_, width) in zip(_HEADS, _COLUMNS, strict=True))
    return f"{'scenario':<34}{'s':>5} {' '.join(heads)}"


def run(name: str, seed: int, directory: Path, scale: float = 1) -> Result:
    """One scenario from nothing to its account. scale: below 1 for one that is as much shorter."""
    scenario = SCENARIOS[name]
    began = time.monotonic()
    disk = small_file_system(directory / "state") if scenario.own_disk else nullcontext()
    with (
        disk,
        stage(
            directory,
            seed,
            place=scenario.place,
            time_out=scenario.time_out,
            scale=scale,
            environment=scenario.environment,
            roles=scenario.roles,
        ) as play,
    ):
        try:
            seconds = max(LEAST_TRAFFIC_SECONDS, scenario.seconds * scale)
            play.users = play.traffic.beside(seconds, scenario.rate)
            scenario.does(play)
            play.users.join()
            left = play.settle()
            states = list(play.states()) if left else []
            account = draw_up(play.read, play.stack.dead(), play.receiver.requests, play.faults)
        except BaseException:
            _tell(play, [])
            raise
        result = Result(name, account, play.done, left, time.monotonic() - began)
        if result.faults():
            _tell(play, [*account.shown, *states])
        return result


def _tell(play: Stage, shown: list[str]) -> None:
    kept = Path("torture-logs.txt")
    kept.write_text("\n".join([*play.stack.lines, *shown]))
    by_word = {line.split(" ", 1)[0]: line for line in reversed(shown)}
    print("\n".join([*by_word.values(), *shown[:20], *play.stack.lines[-30:]]))
    print(f"what the workers printed, and all that is wrong in the account: {kept}")
