"""`journeys backtest` as a user calls it."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.forked import JOURNEYS
from tests.helpdesk.compare import EVENTS, ROOT, differences

JOURNEY = ROOT / "examples" / "helpdesk" / "journey.yaml"
WELCOME = """
kind: Journey
name: welcome
entry: {event: signed_up}
nodes:
  later: {type: delay, for: 1d}
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
"""
MAILER = "kind: Destination\nname: mailer\ntype: http\nurl: https://example.com/\n"


def _backtest(*words: Any) -> subprocess.CompletedProcess[str]:
    return forked.run(JOURNEYS, "backtest", *map(str, words))


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    (tmp_path / "welcome.yaml").write_text(WELCOME)
    (tmp_path / "mailer.yaml").write_text(MAILER)
    return [tmp_path / "welcome.yaml", tmp_path / "mailer.yaml"]


def _events(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_its_files_hold_the_whole_history(tmp_path: Path) -> None:
    actions, outcomes = tmp_path / "a.jsonl", tmp_path / "o.jsonl"
    done = _backtest(
        JOURNEY, "--events", EVENTS, "--actions", actions, "--outcomes", outcomes,
        "--drain", "--json",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told, sent = _read(outcomes), _read(actions)
    assert differences(sent, told) == []
    summary = json.loads(done.stdout)
    assert (summary["events"], summary["users"], summary["waiting"]) == (21_348, 397, 0)
    assert summary["actions"] == len(sent)
    assert sum(summary["outcomes"].values()) == len(told)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "o.jsonl"]


def test_without_drain_what_waits_goes_on_waiting(tmp_path: Path, documents: list[Path]) -> None:
    events = _events(
        tmp_path / "e.jsonl",
        '{"event":"signed_up","userId":"u","timestamp":0}',
        '{"event":"signed_up","userId":"v","timestamp":86400000}',
    )
    actions = tmp_path / "a.jsonl"
    done = _backtest(*documents, "--events", events, "--actions", actions, "--json")
    summary = json.loads(done.stdout)
    assert (summary["waiting"], summary["actions"]) == (1, 1)
    assert _read(actions)[0]["at"] == "1970-01-02T00:00:00.000Z"


def test_a_bad_line_is_reported_with_its_number_and_the_next_is_applied(
    tmp_path: Path, documents: list[Path]
) -> None:
    events = _events(
        tmp_path / "e.jsonl", "nonsense", "", '{"event":"signed_up","userId":"u","timestamp":5}'
    )
    outcomes = tmp_path / "o.jsonl"
    done = _backtest(*documents, "--events", events, "--outcomes", outcomes)
    assert done.returncode == 0
    rejected, entered, *_ = _read(outcomes)
    assert (rejected["type"], rejected["cause"]["offset"]) == ("event.rejected", 1)
    assert (entered["type"], entered["cause"]) == (
        "journey.entered",
        {"topic": "e.jsonl", "partition": 0, "offset": 3},
    )
    assert entered["detail"]["message_id"] == "3"
    assert "event.rejected" in done.stdout


def test_a_wrong_document_is_reported_with_file_line_and_column(
    tmp_path: Path, documents: list[Path]
) -> None:
    documents[0].write_text(WELCOME.replace("destination: mailer", "destination: maler"))
    events = _events(tmp_path / "e.jsonl", "{}")
    outcomes = tmp_path / "o.jsonl"
    done = _backtest(*documents, "--events", events, "--outcomes", outcomes)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{documents[0]}:7:42: ")
    assert "mailer" in done.stderr
    assert not outcomes.exists()


def test_a_history_that_breaks_off_leaves_no_half_file(
    tmp_path: Path, documents: list[Path]
) -> None:
    events = tmp_path / "e.jsonl.gz"
    packed = gzip.compress(b'{"event":"signed_up","userId":"u","timestamp":5}\n' * 5_000)
    events.write_bytes(packed[: len(packed) // 2])
    outcomes = tmp_path / "o.jsonl"
    outcomes.write_text("what was there before\n")
    done = _backtest(*documents, "--events", events, "--outcomes", outcomes)
    assert done.returncode == 1
    assert "not a whole gzip file" in done.stderr
    assert outcomes.read_text() == "what was there before\n"
    assert not (tmp_path / "o.jsonl.part").exists()
