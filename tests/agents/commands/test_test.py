"""`journeys test`: dots and failures, exit codes, JUnit XML; and the examples' own tests."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import forked
from tests.forked import JOURNEYS

ROOT = Path(__file__).parents[3]
JOURNEY = """\
kind: Journey
name: tour
entry: {event: start}
nodes:
  pause: {type: delay, for: 1h}
  done: {type: exit, reason: done}
"""
TESTS = """\
tests:
  - name: it ends
    events: [{event: start}]
    expect: {exit: done}
  - name: it ends <at once>
    events: [{event: start}]
    expect:
      exit: {at: +0s}
"""


def run(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return forked.run(JOURNEYS, "test", *words, folder=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tour.yaml").write_text(JOURNEY)
    (tmp_path / "tour.test.yaml").write_text(TESTS)
    return tmp_path


def test_the_examples_hold() -> None:
    done = run("examples")
    assert done.returncode == 0, done.stdout
    assert "examples/checkout/journey.test.yaml ......\n" in done.stdout
    assert "examples/helpdesk/journey.test.yaml .......\n" in done.stdout


def test_a_failure_shows_what_was_expected_and_what_happened(folder: Path) -> None:
    done = run(folder=folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:8] == [
        "tour.test.yaml .F",
        "",
        "FAILED tour.test.yaml:5: it ends <at once>",
        "  tour.test.yaml:8: expect.exit.at",
        '    expected  "2026-01-01T00:00:00.000Z"',
        '    found     "2026-01-01T01:00:00.000Z"',
        "  what happened:",
        "    2026-01-01 00:00:00.000  start",
    ]
    assert "    2026-01-01 01:00:00.000  timer" in lines
    assert lines[-1].startswith("1 failed, 1 passed in ")


def test_junit_xml_lists_each_test_and_failure(folder: Path) -> None:
    (folder / "wrong.test.yaml").write_text("tests: 5\n")
    done = run(".", "--junit", "report.xml", folder=folder)
    assert done.returncode == 1
    root = ElementTree.parse(folder / "report.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    tour = suites["tour.test.yaml"]
    assert (tour.get("tests"), tour.get("failures"), tour.get("errors")) == ("2", "1", "0")
    assert [case.get("name") for case in tour] == ["it ends", "it ends <at once>"]
    (failure,) = tour.iter("failure")
    assert (failure.get("message") or "").startswith('expect.exit.at: expected "2026-01-01T00:00')
    assert "2026-01-01 01:00:00.000  timer" in (failure.text or "")
    assert suites["wrong.test.yaml"].get("errors") == "1"


def test_a_wrong_file_or_journey_is_reported_with_its_place_and_the_others_run(
    folder: Path,
) -> None:
    (folder / "bad.yaml").write_text(JOURNEY.replace("delay", "dely"))
    (folder / "bad.test.yaml").write_text(TESTS)
    (folder / "lost.test.yaml").write_text(TESTS)
    done = run(".", folder=folder)
    assert done.returncode == 1
    assert "bad.yaml:5:17: unknown node type 'dely' in node 'pause': did you mean 'delay'?" in (
        done.stdout
    )
    assert "lost.yaml:1:1: this can't be read: no such file or directory" in done.stdout
    assert "1 failed, 1 passed, 2 problems in" in done.stdout


def test_a_folder_without_tests_is_an_error(tmp_path: Path) -> None:
    done = run(folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "journeys: no tests in .: expected files named *.test.yaml\n"
