"""Where no broker answers, every command says so within ten seconds and ends with an error."""

from __future__ import annotations

import time

from tests.commands.conftest import NOWHERE, Journeys

COMMANDS = ["worker evaluate", "up", "apply mailer.yaml", "send events.jsonl", "tail outcomes"]


def test_a_missing_broker_is_one_line_within_ten_seconds(offline: Journeys) -> None:
    offline.write("mailer.yaml", "kind: Destination\n")
    offline.write("events.jsonl", "{}\n")
    began = time.monotonic()
    started = {command: offline.start(*command.split()) for command in COMMANDS}
    for command, process in started.items():
        assert process.ended() == 1, command
        assert process.output.startswith(
            f"journeys: No Kafka broker answered at {NOWHERE} within "
        ), command
        assert process.output.count("\n") == 1, command
    assert time.monotonic() - began < 10
