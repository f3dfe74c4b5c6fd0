"""`journeys plan`: what an apply would change, compared with the present catalog; exit codes."""

from __future__ import annotations

import json
import re

from tests.agents.commands.conftest import Journeys
from tests.agents.commands.welcome import DESTINATION, JOURNEY


def test_changes_are_shown_until_they_are_applied(journeys: Journeys) -> None:
    mailer = journeys.write("mailer.yaml", DESTINATION)
    journey = journeys.write("journey.yaml", JOURNEY)
    fresh = journeys.run("plan", mailer, journey, "--detailed-exitcode")
    assert fresh.returncode == 2, fresh.stderr
    assert re.fullmatch(
        r"\+ Destination/mailer [0-9a-f]{12} \(created\)\n"
        r"\+ Journey/welcome [0-9a-f]{12} \(created\)\n"
        r"2 created\n",
        fresh.stdout,
    ), fresh.stdout
    journeys.worker("register")
    assert journeys.run("apply", mailer, journey).returncode == 0
    same = journeys.run("plan", mailer, journey, "--detailed-exitcode")
    assert same.returncode == 0
    assert same.stdout.endswith("2 unchanged\n")

    changed = JOURNEY.replace("Signed Up", "Joined") + "  later: {type: delay, for: 90m}\n"
    journeys.write("journey.yaml", changed)
    done = journeys.run("plan", journey)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"~ Journey/welcome [0-9a-f]{12} -> [0-9a-f]{12} \(changed\)", lines[0])
    assert lines[1:4] == [
        '    ~ entry.event: "Signed Up" -> "Joined"',
        '    + nodes.mail.next: "later"',
        "    + nodes.later (delay)",
    ]
    assert lines[4:] == ["1 changed"]  # no live instances: no node of the old version waits
    read = json.loads(journeys.run("plan", journey, "--json").stdout)
    assert read["accepted"] is True
    assert [one["change"] for one in read["documents"]] == ["changed"]
    assert read["documents"][0]["fields"][0] == {
        "path": ["entry", "event"],
        "change": "changed",
        "before": "Signed Up",
        "after": "Joined",
    }

    assert journeys.run("apply", journey).returncode == 0
    journeys.write("journey.yaml", changed.replace("90m", "2h"))
    lines = journeys.run("plan", journey).stdout.splitlines()
    assert re.fullmatch(
        r"    instances of [0-9a-f]{12} at later keep their version: in_flight is pin", lines[2]
    )

    wrong = journeys.write("wrong.yaml", changed.replace("destination: mailer", "destination: m"))
    rejected = journeys.run("plan", mailer, wrong)
    assert rejected.returncode == 1
    assert rejected.stdout.startswith("wrong.yaml:5:")


SPLIT = """\
kind: Journey
name: tour
let: {company: event.properties.company}
entry: {event: start}
nodes:
  split:
    type: experiment
    by: let.company
    variants: {a: {weight: 50}, b: {weight: 50}}
"""


def test_notes_say_who_moves_and_what_stays_paused(journeys: Journeys) -> None:
    tour = journeys.write("tour.yaml", SPLIT)
    journeys.worker("register")
    assert journeys.run("apply", tour).returncode == 0
    assert journeys.run("pause", "tour").returncode == 0
    stays = "    it stays paused: the document says running, but a Lifecycle document has paused it"
    lines = journeys.run("plan", tour).stdout.splitlines()
    assert lines[1:] == [stays, "1 unchanged"]

    journeys.write("tour.yaml", SPLIT.replace("properties.company", "properties.team"))
    edited = [
        '    ~ let.company: "event.properties.company" -> "event.properties.team"',
        stays,
        "    experiment split: 50 % of users get another variant when they next reach it: what "
        "`by` reads has changed; `by: event.properties.company` keeps them",
        "1 changed",
    ]
    assert journeys.run("plan", tour).stdout.splitlines()[1:] == edited
    read = json.loads(journeys.run("plan", tour, "--json").stdout)
    assert read["documents"][0]["notes"] == [line.strip() for line in edited[1:3]]

    renamed = SPLIT.replace("let.company", "let.firm").replace(
        "{company: event.properties.company}", """{firm: 'event.properties["company"]'}"""
    )
    journeys.write("tour.yaml", renamed)
    planned = journeys.run("plan", tour)
    assert planned.returncode == 0
    assert planned.stdout.splitlines()[4:] == [stays, "1 changed"]
    assert journeys.run("apply", tour).returncode == 0
    assert journeys.run("resume", "tour").returncode == 0
    assert journeys.run("plan", tour).stdout.splitlines()[1:] == ["1 unchanged"]


def test_without_a_broker_it_is_reported_in_one_line(offline: Journeys) -> None:
    done = offline.run("plan", offline.write("mailer.yaml", DESTINATION))
    assert done.returncode == 1
    assert done.stderr.startswith("journeys: ")
    assert done.stderr.count("\n") == 1
