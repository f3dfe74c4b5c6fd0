"""Where no broker answers, every command says so in one line and ends with an error."""

from __future__ import annotations

from tests.agents.commands.conftest import NOWHERE, Journeys

COMMANDS = [
    "worker evaluate",
    "up",
    "apply mailer.yaml",
    "send events.jsonl",
    "tail outcomes",
    "dead list",
    "dead replay --all",
]


def test_a_missing_broker_is_one_line_and_an_error(offline: Journeys) -> None:
    offline.write("mailer.yaml", "kind: Destination\n")
    offline.write("events.jsonl", "{}\n")
    started = {command: offline.start(*command.split()) for command in COMMANDS}
    for command, process in started.items():
        assert process.ended() == 1, command
        assert process.output.startswith(
            f"journeys: No Kafka broker answered at {NOWHERE} within "
        ), command
        assert process.output.count("\n") == 1, command
