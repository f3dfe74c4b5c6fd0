"""A reader who does what a page says: saves its files, types its commands, compares what they show.

What a block is follows from its language and its title:

- `yaml` with a title is a file, else a part of a document, which is completed. Documents must be
  valid, tests of journeys pass. A file named `wrong…` is one that a command later on is shown to
  complain of, `failing….test.yaml` one that fails there.
- `console` is typed at `$`; what follows is compared with what a terminal of 120 columns shows.
  A line `...` stands for any lines. With the title `Terminal N` the command runs on, its lines may
  come in any order, and a `text` block of that title is what it shows later.
- `mermaid` is a drawing that a command wrote into a file, or the one of the rooms.
- `json` is an event, a record or a file.
- A table whose first heading is `CEL`, `Condition`, `Data` or `Duration` says what expressions
  give, and `scope.yaml` is what they read.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from sybil import Example

from agents.client.dead_letters import DeadMark
from agents.destinations.http.document import HttpDestination
from agents.kinds import KINDS
from journeys.catalog.catalog import Rejected, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.checks.check import check
from journeys.expressions.expression import (
    CelError,
    ExpressionFailed,
    Scope,
    compile_cel,
    condition,
)
from journeys.expressions.templates import duration, render
from journeys.records.action import Action
from journeys.records.admission import admit
from journeys.records.dead_letter import DeadLetter
from journeys.records.event import Rejection
from journeys.records.outcome import Outcome
from journeys.schema.annotations import names_of_fields
from journeys.schema.yaml_source import load
from journeys.simulation.scenario import with_drafts
from journeys.simulation.testing.run import Result, run_test
from journeys.simulation.testing.suite import read_tests
from journeys.simulation.testing.words import check_names
from journeys.time import format_duration, parse_time
from tests.docs.packages import drawing, imports
from tests.docs.pages import ROOT, cells, code, row
from tests.loopback import free_port
from tests.terminal import Terminal

_SHOWS = 40.0
"""Seconds that something may take until it is to be seen."""

_ALWAYS = [
    (r"\bin \d+\.\d+ s\b", "in # s"),
    (r"\bin \d+ ms\b", "in # ms"),
    (r"\(\d[\d,]* events/s\)", "(# events/s)"),
    (r"-test-[0-9a-f]{16}", "-test-#"),
]
_LIVE = [
    (r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d\.\d{3}", r"####-##-##\1##:##:##.###"),
    (r"(127\.0\.0\.1|localhost):\d+", r"\1:#"),
    (r'"partition":\d+,"offset":\d+', '"partition":#,"offset":#'),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "#id"),
]
_NO_VALUE = ("refused: ", "fails: ")
_TARGETS = ("next", "otherwise", "on_timeout", "on_error")


class Reader:
    """One reader of one page, in a folder of their own."""

    def __init__(self, folder: Path, *, live: bool = False) -> None:
        self.folder = folder
        self.live = live
        self.shown: dict[int, str] = {}
        """By the start of a console block, what it would have to show."""
        self._unproven: dict[str, str] = {}
        self._terminals: dict[str, Terminal] = {}
        self._code = 0
        self._scope: Scope | None = None
        self._port = free_port() if live else 0
        kept = {name: text for name, text in os.environ.items() if "JOURNEYS" not in name}
        self._environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "JOURNEYS_BROKER": f"127.0.0.1:{self._port or 9}",
        }
        (folder / "examples").symlink_to(ROOT / "examples")

    def evaluate(self, example: Example) -> str | None:
        """Does what a block or table says; what was wrong with it."""
        language, title = example.region.lexemes["language"], example.region.lexemes["title"]
        source = str(example.parsed)
        match language:
            case "yaml":
                return self._yaml(title, source)
            case "json" | "jsonl":
                return self._json(title, source)
            case "python":
                self._write(title or "untitled.py", source)
                compile(source, title or "block", "exec")
                return None
            case "console":
                return self._console(title, source, example.region.start)
            case "text":
                return self._seen(title, source) if title in self._terminals else None
            case "mermaid":
                drawn = [path.read_text() for path in sorted(self.folder.glob("*.mmd"))]
                if source in (*drawn, f"{drawing(imports())}\n"):
                    return None
                self.shown[example.region.start] = drawn[-1] if drawn else ""
                return "this is not what was drawn"
            case "table":
                return self._table(source, example.region.start)
            case "sh":
                return None  # sets the machine up: test_words.py knows its commands
        return f"nobody reads blocks of {language!r}"

    def close(self) -> str | None:
        """Ends what still runs; what the page has left unproven."""
        for terminal in self._terminals.values():
            terminal.close()
        return f"no command was shown about {list(self._unproven)}" if self._unproven else None

    # Files.

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def _yaml(self, title: str | None, source: str) -> str | None:
        if title is not None:
            self._write(title, source)
        name = title or "untitled.yaml"
        if name.startswith(("wrong", "failing")):
            self._unproven[name] = source
            return None
        if name == "scope.yaml":
            self._scope = _scope(plain(source))
            return None
        if name.endswith(".test.yaml"):
            found = run_suite(self.folder / name)
            return found if isinstance(found, str) else "\n".join(_failures(found)) or None
        if title is None:
            source = completed(source)
        elif "kind:" not in source:
            return None  # responses and the like: the command that takes them checks them
        known = dict.fromkeys(_named(source, "destination"), False)
        _, problems = check([(name, source)], KINDS, {"Destination": known})
        return "\n".join(map(str, problems)) or None

    def _json(self, title: str | None, source: str) -> str | None:
        if title is not None:
            self._write(title, source)
        for text in source.splitlines() if source.count("\n{") else [source]:
            if (wrong := _json_record(text)) is not None:
                return wrong
        return None

    # Commands.

    def _console(self, title: str | None, source: str, start: int) -> str | None:
        written, wrong = "", []
        for command, expected in _typed(source):
            for name in [name for name in self._unproven if name in command]:
                del self._unproven[name]
            if title is not None and title.startswith("Terminal"):
                found, said = self._beside(title, command, expected)
            else:
                found, said = self._to_its_end(command, expected)
            wrong += [said] if said else []
            shown = "\n".join(found)
            written += f"$ {command}\n" + (f"{shown}\n" if shown else "")
        self.shown[start] = written
        return "\n".join(wrong) or None

    def _to_its_end(self, command: str, expected: list[str]) -> tuple[list[str], str | None]:
        script = f"(exit {self._code}); {command}"
        terminal = Terminal(["bash", "-c", script], self._environment, self.folder)
        try:
            self._code = terminal.ended()
            found = terminal.lines
        finally:
            terminal.close()
        one, other = self._steady(expected), self._steady(found)
        if "journeys tail" in command:  # partitions are read in no particular order
            one, other = sorted(one), sorted(other)
        if _matches(one, other):
            return expected, None
        return found, f"$ {command}\nshows\n" + "\n".join(found)

    def _beside(
        self, title: str, command: str, expected: list[str]
    ) -> tuple[list[str], str | None]:
        if command.startswith("journeys kafka"):
            command += f" --port {self._port}"
        shell = ["bash", "-c", f"exec env {command}"]
        terminal = Terminal(shell, self._environment, self.folder)
        self._terminals[title] = terminal
        wrong = self._seen(title, "\n".join(expected))
        return expected if wrong is None else terminal.lines, wrong

    def _seen(self, title: str, expected: str) -> str | None:
        wanted = self._steady(expected.splitlines())
        terminal = self._terminals[title]
        if terminal.until(lambda lines: set(wanted) <= set(self._steady(lines)), _SHOWS):
            return None
        missing = set(wanted) - set(self._steady(terminal.lines))
        return f"{title} lacks {sorted(missing)}; it shows\n" + "\n".join(terminal.lines)

    def _steady(self, lines: list[str]) -> list[str]:
        """The lines without what is different every time."""
        text = "\n".join(line.rstrip() for line in lines)
        for pattern, instead in [*_ALWAYS, *(_LIVE if self.live else [])]:
            text = re.sub(pattern, instead, text)
        return text.split("\n")

    # Tables.

    def _table(self, source: str, start: int) -> str | None:
        header, *rows = cells(source)
        if header[0] not in ("CEL", "Condition", "Data", "Duration"):
            return None
        scope = self._scope or Scope()
        wrong = []
        lines = source.splitlines()[:2]
        for given, gives, *_ in rows:
            found = _value(header[0], code(given), scope)
            lines.append(row([given, found if found.startswith(_NO_VALUE) else f"`{found}`"]))
            if found != code(gives):
                wrong.append(f"{given} gives {found}, not {gives}")
        self.shown[start] = "\n".join(lines) + "\n"
        return "\n".join(wrong) or None


def run_suite(file: Path) -> list[Result] | str:
    """The tests in a file, or what keeps them from running."""
    tests = read_tests(file.read_bytes(), file.name)
    if isinstance(tests, list):
        return "\n".join(map(str, tests))
    catalog = catalog_of(
        [(name, (file.parent / name).read_bytes()) for name in tests.documents], KINDS
    )
    problems = catalog.problems if isinstance(catalog, Rejected) else check_names(tests, catalog)
    if problems:
        return "\n".join(map(str, problems))
    assert not isinstance(catalog, Rejected)
    running = RunningCatalog(with_drafts(catalog))
    return [run_test(tests, number, running) for number in range(len(tests.suite.tests))]


def completed(source: str) -> str:
    """A part of a document as the whole that it is a part of."""
    part = plain(source)
    if not isinstance(part, dict) or "kind" in part:
        return source
    if set(part) <= {*names_of_fields(HttpDestination)}:
        whole = {"kind": "Destination", "name": "example", "type": "http", "url": "https://a.test"}
        return yaml.safe_dump({**whole, **part}, sort_keys=False)
    whole = {"kind": "Journey", "name": "example", "entry": {"event": "started"}, "nodes": {}}
    if all(isinstance(value, dict) and "type" in value for value in part.values()):
        whole["nodes"] = part
    else:
        whole |= part
    nodes: Any = whole["nodes"]
    for key in _TARGETS:
        for name in _named(source, key):
            nodes.setdefault(name, {"type": "exit"})
    return yaml.safe_dump(whole | {"nodes": nodes or {"done": {"type": "exit"}}}, sort_keys=False)


def plain(text: str) -> Any:
    """YAML as documents have it."""
    source, problems = load(text, "block")
    assert source is not None, problems
    return source.documents[0].plain()


def _named(source: str, key: str) -> list[str]:
    return re.findall(rf"\b{key}: ([a-z0-9][\w-]*)", source)


def _failures(results: list[Result]) -> Iterator[str]:
    for result in results:
        for one in result.failures:
            yield f"{result.name}: {one.what}: expected {one.expected}, found {one.found}"


def _typed(source: str) -> Iterator[tuple[str, list[str]]]:
    """Each command and the lines it is said to show."""
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        command, _, shown = part.rstrip("\n").partition("\n")
        while command.endswith("\\"):
            more, _, shown = shown.partition("\n")
            command = f"{command}\n{more}"
        yield command, shown.split("\n") if shown else []


def _matches(expected: list[str], found: list[str]) -> bool:
    """Whether the lines are those; `...` stands for any."""
    pattern = "\n".join(r"[\s\S]*?" if line == "..." else re.escape(line) for line in expected)
    return re.fullmatch(pattern, "\n".join(found)) is not None


def _json_record(text: str) -> str | None:
    """What is wrong with an event or a record."""
    value = json.loads(text)
    fields = value if isinstance(value, dict) else {}
    kinds = {"outcome_id": Outcome, "mark": DeadMark, "dead_id": DeadLetter, "action_id": Action}
    for name, kind in kinds.items():
        if name in fields:
            record = msgspec.convert(value, kind)
            same = msgspec.to_builtins(record) == value
            return None if same else f"{kind.__name__} would be {msgspec.to_builtins(record)}"
    if "userId" in fields or "anonymousId" in fields:
        found = admit(text.encode(), "line")
        return found.detail if isinstance(found, Rejection) else None
    return None


def _value(kind: str, text: str, scope: Scope) -> str:
    """What a table has to say of an expression, or of data with some inside."""
    try:
        if kind == "CEL":
            found = compile_cel(text).evaluate(scope)
        elif kind == "Condition":
            found = condition(text, scope)
        elif kind == "Duration":
            found = format_duration(duration(text, scope))
        else:
            found = render(plain(text), scope)
    except CelError as error:
        return f"refused: {error.message}"
    except ExpressionFailed as error:
        return f"fails: {error.why}"
    return json.dumps(found, ensure_ascii=False)


def _scope(given: dict[str, Any]) -> Scope:
    for event in (given.get("event"), given.get("entry")):
        if event is not None:
            event["timestamp"] = parse_time(event["timestamp"])
    return Scope(**{**given, "now": parse_time(given["now"])})
