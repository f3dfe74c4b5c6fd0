"""The command line: one clear line for an error a user can mend, and a start that is quick."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.cli import PANELS, command_line
from agents.kafka.embedded.broker import EmbeddedKafka

JOURNEYS = Path(sys.executable).with_name("journeys")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [JOURNEYS, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def test_an_error_of_the_user_is_one_line_and_exit_code_1() -> None:
    done = run("topics", "check", JOURNEYS_BROKER="nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "journeys: JOURNEYS_BROKER is 'nowhere'; it must be HOST:PORT, "
        "several with commas between.\n"
    )


def test_a_wrong_option_is_exit_code_2() -> None:
    assert run("topics", "create", "--partitions", "0").returncode == 2


def test_topics_are_made_and_checked(empty_kafka: EmbeddedKafka) -> None:
    broker = empty_kafka.bootstrap
    before = run("topics", "check", JOURNEYS_BROKER=broker)
    assert before.returncode == 1
    assert before.stderr == (
        "journeys: The topic journeys.config does not exist. `journeys topics create` makes it.\n"
    )
    made = run("topics", "create", "--partitions", "3", JOURNEYS_BROKER=broker)
    assert made.returncode == 0, made.stderr
    assert "made journeys.events\n" in made.stdout
    after = run("topics", "check", "--json", JOURNEYS_BROKER=broker)
    checked = json.loads(after.stdout)
    assert (checked["partitions"], checked["destinations"]) == (3, [])
    assert checked["installation"]
    assert checked["warning"].startswith("All topics have a single copy")


HEAVY = "confluent_kafka faust aiokafka rocksdict duckdb sqlalchemy aiohttp httpx rich".split()
CALLS = [
    ("--version", 0.25, [*HEAVY, "asyncio", "pydantic", "cel_expr_python"]),
    ("--help", 0.25, [*HEAVY, "pydantic", "cel_expr_python", "journeys.engine.processor"]),
    ("completion", 0.25, [*HEAVY, "cel_expr_python", "journeys.engine.processor"]),
    ("validate", 0.5, [*HEAVY, "journeys.engine.processor"]),
]
NOISE = 5
"""How much more CPU time a call may take where other programs use the same cores and caches."""


@pytest.mark.parametrize(("call", "seconds", "heavy"), CALLS, ids=[call for call, _, _ in CALLS])
def test_a_start_is_quick(call: str, seconds: float, heavy: list[str], tmp_path: Path) -> None:
    environment = dict(os.environ)
    words = [call]
    if call == "validate":
        words.append(str(Path(__file__).parents[2] / "examples" / "checkout" / "journey.yaml"))
    if call == "completion":
        words = []
        environment |= {
            "_JOURNEYS_COMPLETE": "complete_bash",
            "COMP_WORDS": "journeys va",
            "COMP_CWORD": "1",
        }
    code = (
        "import atexit, sys\nsys.argv[0] = 'journeys'\n"
        "from journeys_engine import main\n"
        f"atexit.register(lambda: print('loaded', *sorted({{*{heavy!r}}} & sys.modules.keys())))\n"
        "main()"
    )
    command = [sys.executable, "-c", code, *words]
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.stdout.splitlines()[-1] == "loaded"
    assert min(taken) < seconds * NOISE


def test_a_call_of_destinations_loads_no_terminal() -> None:
    code = (
        "import sys, agents.roles.deliver; print(sorted({'rich', 'pygments'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_every_command_is_in_the_help() -> None:
    said = run("--help").stdout
    for panel, names in PANELS.items():
        assert f"\n{panel}:\n" in said
        for name in names.split():
            assert f"\n  {name} " in said
            helped = CliRunner().invoke(command_line(), [name, "--help"], prog_name="journeys")
            assert helped.output.startswith(f"Usage: journeys {name} ")
