"""`journeys draw`: a drawing on standard output, or what keeps it from being drawn."""

from __future__ import annotations

from tests.agents.commands.conftest import Journeys

TWO = """\
kind: Journey
name: one
entry: {event: start}
nodes:
  done: {type: exit}
---
kind: Journey
name: two
entry: {event: go}
nodes:
  over: {type: exit}
"""


def test_a_journey_is_drawn_in_either_language(offline: Journeys) -> None:
    file = offline.write("one.yaml", TWO.split("---")[0])
    assert offline.run("draw", file).stdout.startswith("---\ntitle: one\n---\nflowchart TD\n")
    assert offline.run("draw", file, "--format", "dot").stdout.startswith('digraph "one" {\n')


def test_of_several_journeys_one_is_named(offline: Journeys) -> None:
    file = offline.write("two.yaml", TWO)
    unnamed = offline.run("draw", file)
    assert unnamed.returncode == 1
    assert unnamed.stderr == (
        "journeys: --journey: expected the name of a journey; there is one, two\n"
    )
    assert '"over<br/>exit"' in offline.run("draw", file, "--journey", "two").stdout


def test_a_journey_that_does_not_hold_is_not_drawn(offline: Journeys) -> None:
    file = offline.write(
        "one.yaml", TWO.replace("{type: exit}", "{type: delay, for: 1h, next: dne}")
    )
    done = offline.run("draw", file)
    assert done.returncode == 1
    assert done.stdout.startswith("one.yaml:5:38: ")
