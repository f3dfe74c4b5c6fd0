"""Every text that a user controls, with every kind of character that a terminal obeys, through
every command that prints without a broker; and the forms of what comes from one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from agents.cli import main
from agents.terminal.records import FORMS

HOSTILE = (
    "\x1b]0;x\x07\x1b[2J\r\n\x00\x08\x7f\x9b31m"
    "\u202e\u2066\u200b\u200d\ufeff\xad\u2028\u034f%%{init: {}}%%"
)
OBEYED = {char for char in HOSTILE if not (char.isascii() and char.isprintable())} - {"\n"}
DESTINATION = {
    "kind": "Destination", "name": "mailer", "type": "http", "description": "mail",
    "url": "https://mail.example.com/", "headers": {"X-A": "b"},
}  # fmt: skip
JOURNEY = {
    "kind": "Journey", "name": "tour", "description": "d", "timezone": "Europe/Berlin",
    "entry": {"event": "start", "where": "event.properties.n > 0", "key": "user.id"},
    "goal": {"event": "bought", "within": "1d"},
    "nodes": {
        "wait": {"type": "wait_for_event", "event": "answer", "within": "1h", "next": "mail",
                 "on_timeout": "done"},
        "mail": {"type": "destination", "destination": "mailer", "action": "a", "event_name": "b",
                 "payload": {"to": "${user.id}", "text": "hello"}},
        "done": {"type": "exit", "reason": "r"},
    },
}  # fmt: skip
TESTS = {
    "documents": ["doc.yaml"], "user": "ann",
    "tests": [{"name": "t", "events": [{"event": "start", "properties": {"n": 1, "x": "y"}}],
               "expect": {"path": ["mail"], "exit": "never"}}],
}  # fmt: skip
EVENTS = [
    {"event": "start", "userId": "ann", "timestamp": "2026-01-01T00:00:00Z", "messageId": "m",
     "properties": {"n": 1, "x": "y"}, "traits": {"name": "Ann"}},
    {"event": "answer", "userId": "ann", "timestamp": "2026-01-01T00:10:00Z"},
]  # fmt: skip


def _spoilt(value: Any) -> Iterator[Any]:
    """The value with each of its texts and keys spoilt, one at a time."""
    if isinstance(value, str):
        yield value + HOSTILE
        yield HOSTILE
    elif isinstance(value, dict):
        for key, below in value.items():
            yield {(HOSTILE + name if name == key else name): one for name, one in value.items()}
            for one in _spoilt(below):
                yield {**value, key: one}
    elif isinstance(value, list):
        for index, below in enumerate(value):
            for one in _spoilt(below):
                yield [*value[:index], one, *value[index + 1 :]]


def _written(folder: Path, **changed: Any) -> None:
    texts = {"destination": DESTINATION, "journey": JOURNEY, "tests": TESTS, "events": EVENTS}
    texts |= changed
    documents = [texts["destination"], texts["journey"]]
    (folder / "doc.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    (folder / "doc.test.yaml").write_text(yaml.safe_dump(texts["tests"], sort_keys=False))
    lines = [json.dumps(one) for one in texts["events"]]
    (folder / "e.jsonl").write_text("\n".join(lines) + "\n")


COMMANDS = [
    "validate doc.yaml doc.test.yaml", "validate . --json", "test doc.test.yaml",
    "draw doc.yaml", "draw doc.yaml --format dot", "simulate doc.yaml --events e.jsonl",
    "simulate doc.yaml --events e.jsonl --json", "backtest doc.yaml --events e.jsonl",
    "backtest doc.yaml --events e.jsonl --json",
]  # fmt: skip
CASES = [
    *(("destination", one) for one in _spoilt(DESTINATION)),
    *(("journey", one) for one in _spoilt(JOURNEY)),
    *(("tests", one) for one in _spoilt(TESTS)),
    *(("events", one) for one in _spoilt(EVENTS)),
]


def _run(command: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code in (0, 1, 2)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_of_a_file_reaches_the_terminal_as_it_is(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for what, spoilt in CASES[COMMANDS.index(command) % 3 :: 3]:  # three commands see each
        _written(tmp_path, **{what: spoilt})
        _run(command.split())
        out, err = capsys.readouterr()
        assert out + err, (what, spoilt)
        assert not OBEYED & set(out + err), (what, spoilt, out, err)
        if "flowchart TD" in out:
            assert "%%" not in out, out


@pytest.mark.parametrize("what", ["nowhere", "a/b.test.yaml"])
def test_no_name_of_a_file_reaches_the_terminal_as_it_is(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = what + HOSTILE.replace("\x00", "").replace("/", "") + ".yaml"
    for command in (
        "validate",
        "test",
        "draw",
        "schema",
        "simulate --events e",
        "backtest --events e",
    ):
        _run([*command.split(), hostile])
        out, err = capsys.readouterr()
        assert out + err, command
        assert not OBEYED & set(out + err), (command, out, err)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_no_text_of_a_record_reaches_the_terminal_as_it_is(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = {
        "at": "2026-01-01T00:00:00Z", "user_id": "u", "journey": "j", "node": "n", "type": "t",
        "destination": "d", "action": "a", "event_name": "e", "payload": {"to": "x", "in": ["y"]},
        "detail": {"kind": "Journey", "name": "j", "problems": [{"line": 1, "message": "m"}]},
        "role": "evaluate", "reason": "r", "cause": {"topic": "t", "partition": 0, "offset": 1},
    }  # fmt: skip
    console = Console(width=4_000, highlight=False, color_system=None)
    for spoilt in [*_spoilt(record), record | {"detail": HOSTILE}, record | {"mark": HOSTILE}]:
        console.print(FORMS[form](spoilt), no_wrap=True, overflow="ellipsis")
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert not OBEYED & set(out), (spoilt, out)
