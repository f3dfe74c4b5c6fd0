"""The command line: one clear line for an error a user can mend, and a start that is quick."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
    assert json.loads(after.stdout) == {"partitions": 3, "destinations": []}


def test_the_command_line_loads_nothing_heavy_before_it_is_needed() -> None:
    heavy = {"confluent_kafka", "faust", "aiokafka", "rocksdict", "duckdb", "sqlalchemy"}
    heavy |= {"pydantic", "cel_expr_python", "journeys.engine.processor"}
    code = f"import sys, agents.cli; print(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr
