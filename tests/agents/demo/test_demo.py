"""`journeys demo` without a terminal plays everything, counts right and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.world

JOURNEYS = Path(sys.executable).with_name("journeys")
README = Path(__file__).parents[3] / "README.md"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo puts what is temporary; not pytest's own, whose name is too long a path."""
    with tempfile.TemporaryDirectory(prefix="journeys-test-") as name:
        yield Path(name)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [JOURNEYS, "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )


def of_the_demo(folder: Path) -> list[psutil.Process]:
    """Every process that works in the demo's temporary folder, wherever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(folder) in text for text in told):
            found.append(process)
    return found


def account(text: str) -> dict[str, int]:
    """The account that the demo ends with: each line's name and number."""
    lines = re.findall(r"^│ (\w+)\s+([\d,]+)\s", text, re.MULTILINE)
    return {name: int(number.replace(",", "")) for name, number in lines}


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("journeys-"))


@pytest.mark.slow
def test_the_demo_loses_nothing_and_repeats_nothing(folder: Path) -> None:
    demo = start(folder, "--seconds", "5")
    said, _ = demo.communicate(timeout=240)
    assert demo.returncode == 0, said
    numbers, shown = account(said), account(README.read_text("utf-8"))
    assert numbers["events"] == 21_348
    assert numbers["users"] == 397
    assert numbers["instances"] == 4_541
    assert numbers["actions"] == numbers["delivered"] == 1_614
    assert numbers.pop("retried") > 0
    assert shown.pop("retried") > 0
    assert (numbers["lost"], numbers["repeated"]) == (0, 0)
    assert numbers == shown, "the README shows another account"
    assert of_the_demo(folder) == []
    assert left_behind(folder) == []


@pytest.mark.slow
def test_a_demo_that_is_interrupted_leaves_nothing_behind(folder: Path) -> None:
    demo = start(folder)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "applied" in line:
            break
    assert len(of_the_demo(folder)) > 4, "the broker and three workers are there"
    demo.send_signal(signal.SIGTERM)
    rest = demo.stdout.read()
    assert demo.wait(60) == 130, rest
    assert "nothing stays behind" in rest
    assert of_the_demo(folder) == []
    assert left_behind(folder) == []
