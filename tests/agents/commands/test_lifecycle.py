"""`journeys pause`, `resume` and `archive`, with live instances on real workers."""

from __future__ import annotations

import json
from typing import Any

from tests.agents.commands.conftest import Journeys, Process

JOURNEY = """\
kind: Destination
name: letters
type: http
url: http://127.0.0.1:9/letters
---
kind: Journey
name: tour
on_resume: send
entry: {event: begin}
exit: [{event: closed}]
nodes:
  ask: {type: wait_for_event, event: answer, within: 30d}
  send: {type: destination, destination: letters, payload: {said: '${event.properties.said}'}}
  stay: {type: delay, for: 30d}
"""


def send(journeys: Journeys, event: str, user: str, **properties: str) -> None:
    line = json.dumps({"event": event, "userId": user, "properties": properties})
    done = journeys.run("send", "-", stdin=line + "\n")
    assert done.returncode == 0, done.stderr


def until(outcomes: Process, type: str, user: str) -> dict[str, Any]:
    """The next outcome of a type about a user."""
    while True:
        outcome: dict[str, Any] = json.loads(outcomes.until(f'"type":"{type}"'))
        if outcome["user_id"] == user:
            return outcome


def test_a_pause_keeps_what_comes_and_an_archive_ends_what_is_left(journeys: Journeys) -> None:
    for role in ("register", "evaluate"):
        journeys.worker(role)
    journey = journeys.write("journey.yaml", JOURNEY)
    assert journeys.run("apply", journey).returncode == 0
    outcomes = journeys.start("tail", "outcomes", "--from-start")
    for user in ("ann", "ben"):
        send(journeys, "begin", user)
        until(outcomes, "wait.started", user)

    paused = journeys.run("pause", "tour")
    assert (paused.returncode, paused.stdout[:13], paused.stdout[-11:]) == (
        0,
        "Journey/tour ",
        " is paused\n",
    )
    assert journeys.run("pause", "tour").stdout.endswith("is paused, as before\n")
    assert journeys.run("apply", journey).returncode == 0  # the same file undoes nothing
    send(journeys, "answer", "ann", said="hello")
    matched = until(outcomes, "wait.matched", "ann")
    assert matched["node"] == "ask"

    assert journeys.run("resume", "tour").returncode == 0
    requested = until(outcomes, "action.requested", "ann")
    assert requested["cause"]["timer"] is not None
    letters = journeys.run("tail", "actions", "--from-start", "--exit-idle", "2").stdout
    assert [json.loads(line)["payload"] for line in letters.splitlines()] == [{"said": "hello"}]

    told = json.loads(journeys.run("archive", "tour", "--json").stdout)
    assert (told["accepted"], told["documents"][0]["status"]) == (True, "archived")
    # Two partitions, in no particular order.
    ends = [json.loads(outcomes.until('"type":"journey.exited"')) for _ in range(2)]
    assert sorted(one["user_id"] for one in ends) == ["ann", "ben"]
    assert [one["detail"] for one in ends] == [{"reason": "archived"}] * 2


def test_a_journey_that_is_not_there_is_reported_with_the_nearest_name(journeys: Journeys) -> None:
    journeys.worker("register")
    journeys.run("apply", journeys.write("journey.yaml", JOURNEY.replace("tour", "voyage")))
    done = journeys.run("pause", "voyagge")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("journeys: ")
    assert "did you mean 'voyage'?" in done.stderr
