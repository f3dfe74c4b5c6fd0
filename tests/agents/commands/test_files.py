"""Files and folders, documents, tests and responses among each other: every command takes them."""

from __future__ import annotations

import json

import pytest

from tests.agents.commands.conftest import Journeys
from tests.agents.commands.welcome import DESTINATION, JOURNEY

TESTS = """\
documents: [mailer.yaml, welcome.yaml]
tests:
  - name: a mail
    events: [{event: Signed Up}]
    expect: {path: [mail]}
"""
RESPONSES = "responses:\n  - {destination: mailer, payload: {ok: true}}\n"
FOREIGN = {
    "compose.yaml": "services:\n  kafka: {image: kafka}\n",
    "deployment.yml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
    ".github/ci.yaml": "kind: of\n",
}


@pytest.fixture
def project(offline: Journeys) -> Journeys:
    """A folder of all kinds of YAML files."""
    (offline.folder / ".github").mkdir()
    files = {
        "mailer.yaml": DESTINATION,
        "welcome.yaml": JOURNEY,
        "welcome.test.yaml": TESTS,
        "more.yaml": TESTS,
        "responses.yaml": RESPONSES,
        **FOREIGN,
    }
    for name, text in files.items():
        offline.write(name, text)
    return offline


OWN = ["mailer.yaml", "more.yaml", "responses.yaml", "welcome.test.yaml", "welcome.yaml"]


@pytest.mark.parametrize("given", [["."], OWN, [*OWN, "."]], ids=["folder", "files", "both"])
def test_validate_knows_each_file_for_what_it_is(project: Journeys, given: list[str]) -> None:
    done = project.run("validate", *given)
    assert (done.returncode, done.stdout) == (0, "")
    left, summary = done.stderr.splitlines()[:-1], done.stderr.splitlines()[-1]
    assert summary == ("2 documents in 2 files, 2 files of tests, 1 file of responses: valid")
    assert len(left) == (2 if "." in given else 0), left
    assert all(line.startswith("left out: ") for line in left)


def test_validate_also_checks_tests_and_responses(project: Journeys) -> None:
    project.write("more.yaml", TESTS.replace("path: [mail]", "path: [mial]"))
    project.write("responses.yaml", RESPONSES.replace("payload", "paylod"))
    done = project.run("validate", ".")
    assert done.returncode == 1
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [
        "more.yaml:5:21",
        "responses.yaml:2:27",
    ]


def test_a_wrong_document_is_reported_once_though_tests_name_it(project: Journeys) -> None:
    project.write("welcome.yaml", JOURNEY.replace("Signed Up", "''"))
    done = project.run("validate", ".")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1, done.stdout


@pytest.mark.parametrize("given", [["."], OWN, []], ids=["folder", "files", "here"])
def test_test_runs_the_tests_among_them(project: Journeys, given: list[str]) -> None:
    done = project.run("test", *given)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("more.yaml .\nwelcome.test.yaml .\n2 passed in ")


def test_the_other_commands_take_folders_too(project: Journeys) -> None:
    project.write(
        "e.jsonl", '{"event": "Signed Up", "userId": "u", "timestamp": "2026-01-01T00:00:00Z"}\n'
    )
    drawn = project.run("draw", ".")
    assert "title: welcome" in drawn.stdout, drawn.stderr
    told = project.run("simulate", ".", "--events", "e.jsonl")
    assert "welcome/mail" in told.stdout, told.stderr
    counted = project.run("backtest", ".", "--events", "e.jsonl", "--json")
    assert json.loads(counted.stdout)["actions"] == 1, counted.stderr


def test_a_journey_is_drawn_without_its_destinations(project: Journeys) -> None:
    done = project.run("draw", "welcome.yaml")
    assert done.returncode == 0
    assert "mail" in done.stdout


@pytest.mark.parametrize("command", ["validate", "plan", "apply", "draw"])
def test_a_folder_without_yaml_is_an_error(offline: Journeys, command: str) -> None:
    (offline.folder / "empty").mkdir()
    done = offline.run(command, "empty")
    assert done.returncode == 1
    assert done.stdout == "empty:1:1: no file in it ends with .yaml or .yml\n"


@pytest.mark.parametrize("command", ["plan", "apply", "draw"])
def test_tests_alone_are_nothing_to_push(project: Journeys, command: str) -> None:
    done = project.run(command, "welcome.test.yaml")
    assert done.returncode == 1
    assert "no documents among the files: found welcome.test.yaml" in done.stderr


def test_an_offset_is_no_time_of_a_history(project: Journeys) -> None:
    """It would silently get the time of the event before it."""
    project.write("e.jsonl", '{"event": "Signed Up", "userId": "u-1", "at": "+1h"}\n')
    done = project.run("backtest", ".", "--events", "e.jsonl")
    assert done.returncode == 1
    assert "e.jsonl:1: 'at' is an offset, which only simulate and tests read" in done.stderr
    timed = '{"event": "Signed Up", "userId": "u-1", "at": "+1h", "timestamp": 1767225600000}\n'
    project.write("e.jsonl", timed)
    assert project.run("backtest", ".", "--events", "e.jsonl").returncode == 0
