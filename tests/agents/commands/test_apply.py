"""`journeys apply`: one push, one verdict, problems at the user's own lines."""

from __future__ import annotations

import json
import re

from tests.agents.commands.conftest import Journeys
from tests.agents.commands.welcome import DESTINATION, JOURNEY


def test_a_push_without_register_has_no_verdict_until_register_comes(journeys: Journeys) -> None:
    name = journeys.write("mailer.yaml", DESTINATION.replace("mailer", "first"))
    done = journeys.run("apply", name, "--timeout", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No verdict within 1 s: register is not running" in done.stderr
    (offset,) = re.findall(r"\(journeys\.config, offset (\d+)\)", done.stderr)
    journeys.worker("register")
    verdict = json.loads(journeys.start("tail", "outcomes", "--from-start").until('"first"'))
    assert verdict["type"] == "config.accepted"
    assert verdict["cause"]["offset"] == int(offset)


def test_accepted_documents_are_reported_with_version_and_change(journeys: Journeys) -> None:
    journeys.worker("register")
    mailer = journeys.write("mailer.yaml", DESTINATION.rstrip())  # no line break at its end
    journey = journeys.write("journey.yaml", "%YAML 1.2\n---\n" + JOURNEY)
    first = journeys.run("apply", mailer, journey)
    assert first.returncode == 0, first.stderr
    told = re.fullmatch(
        r"Destination/mailer [0-9a-f]{12} \(created\)\n"
        r"Journey/welcome ([0-9a-f]{12}) \(created\)\n",
        first.stdout,
    )
    assert told, first.stdout
    again = journeys.run("apply", mailer, journey)
    assert again.stdout == first.stdout.replace("(created)", "(unchanged)")
    shown = json.loads(journeys.run("apply", "--json", mailer, journey).stdout)
    assert shown["accepted"] is True
    assert [one["version"] for one in shown["documents"] if one["kind"] == "Journey"] == [told[1]]


def test_a_document_with_a_warning_is_accepted_and_the_warning_reported_once(
    journeys: Journeys,
) -> None:
    journeys.worker("register")
    text = f"{DESTINATION}---\n{JOURNEY}".replace("'${user.id}'", "user.id")
    name = journeys.write("warned.yaml", text.replace("welcome", "suspect"))
    first = journeys.run("apply", name)
    assert first.returncode == 0
    assert first.stderr == (
        "warned.yaml:10:64: warning: 'to' in 'payload' of node 'mail' (destination): "
        "this is sent as it stands: expected '${user.id}'\n"
    )
    assert journeys.run("apply", name).stderr == ""


def test_a_push_with_one_mistake_changes_nothing_and_is_reported_at_its_own_line(
    journeys: Journeys,
) -> None:
    journeys.worker("register")
    good = journeys.write("good.yaml", "# fine\n" + DESTINATION.replace("mailer", "unseen"))
    bad = journeys.write("bad.yaml", "# twice\n\n" + DESTINATION.replace("mailer", "unseen"))
    worse = journeys.write("worse.yaml", DESTINATION + "name: mailer\n")
    done = journeys.run("apply", good, bad, worse)
    assert done.returncode == 1
    assert done.stdout == (
        "bad.yaml:4:7: Destination 'unseen' is defined twice: the first is at good.yaml:3:7\n"
        "worse.yaml:5:1: the key 'name' is duplicated: the first is on line 2\n"
    )
    assert done.stderr == "rejected: nothing has changed\n"
    # What was good in it is not there either: a journey can't name it.
    journey = journeys.write("journey.yaml", JOURNEY.replace("mailer", "unseen"))
    after = journeys.run("apply", journey)
    assert after.returncode == 1
    assert after.stdout == (
        "journey.yaml:5:42: 'destination' in node 'mail' (destination): "
        "'unseen' is not a destination\n"
    )


def test_apply_says_the_same_of_files_as_validate(journeys: Journeys) -> None:
    journeys.worker("register")
    names = [
        journeys.write("one.yaml", "\ufeff" + DESTINATION),
        journeys.write("two.yaml", DESTINATION.replace("mailer", "Mailer").replace("\n", "\r\n")),
        journeys.write("three.yaml", JOURNEY.replace("mailer", "mialer")),
    ]
    applied, validated = journeys.run("apply", *names), journeys.run("validate", *names)
    assert applied.stdout == validated.stdout
    assert applied.stdout.count("\n") == 2
    assert (applied.returncode, validated.returncode) == (1, 1)


def test_nothing_is_pushed_when_a_file_is_missing(journeys: Journeys) -> None:
    mailer = journeys.write("mailer.yaml", DESTINATION)
    done = journeys.run("apply", mailer, "nowhere.yaml")
    assert done.returncode == 1
    assert done.stdout == "nowhere.yaml:1:1: this can't be read: no such file or directory\n"
