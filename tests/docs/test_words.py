"""What the README and the pages name exists: commands, options, files, settings, node types."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
import typer

from agents.cli import command_line
from agents.delivery import calls, deliverer
from agents.host import app as runtime
from agents.host import watchdog
from agents.kinds import KINDS
from agents.metrics import CATALOGUE
from agents.processes import supervisor
from agents.runtime import input_queue, partition, timers, transaction
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, name_of
from tests.docs.test_fields import tables

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_FOR_USERS = {"JOURNEYS_WORKER", "JOURNEYS_COMPILE", "JOURNEYS_"}
FAMILIES = ("JOURNEYS_SECRET_", "JOURNEYS_KAFKA_")


def command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words call, and what is left of them."""
    found: click.Command = typer.main.get_command(command_line())
    while words and hasattr(found, "commands"):
        found = found.commands[words[0]]
        words = words[1:]
    return found, words


def single(found: click.Command) -> list[click.Command]:
    """The command, or those that it is made of."""
    return [*getattr(found, "commands", {"": found}).values()]


def typed() -> dict[str, str]:
    """Every `journeys ...` that a page shows, and the page."""
    found = {}
    for page in PAGES:
        text = page.read_text("utf-8")
        for language in ("console", "sh"):
            for _, block in blocks(page, language):
                for line in re.findall(r"\bjourneys [a-z][^|>\n]*", block):
                    found[line.split("#")[0].strip()] = name_of(page)
        for line in re.findall(r"`(journeys [a-z][^`]*)`", text):
            found[line] = name_of(page)
    return found


TYPED = typed()


@pytest.mark.parametrize("line", TYPED)
def test_a_command_and_its_options_exist(line: str) -> None:
    words = line.removeprefix("journeys ").split()
    if words[0].startswith("kafka:") or words[0] == "COMMAND":
        return
    found, rest = command(words)
    options = {name for parameter in found.params for name in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= options, TYPED[line]


def test_an_option_in_a_table_belongs_to_the_command_of_its_page() -> None:
    for page in sorted((DOCS / "tools").glob("*.md")):
        known = {
            name
            for word in page.stem.removesuffix("-letters").split("-and-")
            if word not in ("index",)
            for one in single(command([word])[0])
            for parameter in one.params
            for name in parameter.opts
        }
        told = re.findall(r"^\| `(--[\w-]+)", page.read_text("utf-8"), re.MULTILINE)
        assert set(told) <= known, page


@pytest.mark.parametrize(
    "path",
    sorted(
        {
            path
            for page in PAGES
            for path in re.findall(
                r"(?<![./\w-])(?:examples|docker|docs|agents|tests)/[\w./-]*\w",
                page.read_text("utf-8"),
            )
        }
    ),
)
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path.rstrip(".")).exists()


@pytest.mark.parametrize(
    "target",
    sorted(
        {
            target
            for page in PAGES
            for target in re.findall(r"(?:`|^ *|\n *)make ([a-z]+)", page.read_text("utf-8"))
        }
    ),
)
def test_a_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len(README.split()) <= 700  # code and tables included


def test_the_settings_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in sorted((ROOT / "agents").rglob("*.py")))
    page = (DOCS / "settings.md").read_text("utf-8")
    told = re.findall(r"^\| `(JOURNEYS_[A-Z_]+)", page, re.MULTILINE)
    read = re.findall(r"\bJOURNEYS_[A-Z_]*", code)
    assert {_family(name) for name in read} - NOT_FOR_USERS == {_family(name) for name in told}


def _family(variable: str) -> str:
    """The variable, or what all those that begin alike have in common."""
    return next((start for start in FAMILIES if variable.startswith(start)), variable)


def test_every_node_type_and_every_command_has_its_place() -> None:
    files = {path.stem for path in (ROOT / "journeys" / "nodes").glob("*.py")}
    assert {path.stem for path in (DOCS / "nodes").glob("*.md")} - {"index"} == files - {
        "__init__",
        "base",
    }
    index = (DOCS / "nodes" / "index.md").read_text("utf-8")
    assert set(re.findall(r"^\| \[`(\w+)`\]", index, re.MULTILINE)) == files - {"__init__", "base"}
    said = re.search(r"The node types are (.*?)\.\s", README, re.DOTALL)
    assert said is not None
    assert set(re.findall(r"`(\w+)`", said[1])) == files - {"__init__", "base"}
    kinds = (DOCS / "language" / "documents.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", kinds, re.MULTILINE)) == set(KINDS)
    group = typer.main.get_command(command_line())
    tools = (DOCS / "tools" / "index.md").read_text("utf-8")
    assert set(re.findall(r"`journeys ([a-z]+)", tools)) == set(group.commands)  # type: ignore[attr-defined]


def test_the_journey_of_the_readme_is_the_example_that_it_applies() -> None:
    example = (ROOT / "examples" / "checkout" / "journey.yaml").read_text()
    assert example in [block for _, block in blocks(Path(ROOT / "README.md"), "yaml")]


def said() -> str:
    """Every text of the code, one a line, with `…` for what is filled in."""
    texts = []
    for house in ("agents", "tables", "journeys"):
        for path in sorted((ROOT / house).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [
                        str(part.value) if isinstance(part, ast.Constant) else "…"
                        for part in node.values
                    ]
                    texts.append("".join(parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
                elif isinstance(node, ast.ClassDef):
                    texts.append(f"stopped: {node.name}: ")  # what exits.py makes of an error
    return "\n".join([*texts, "stopped: KafkaException: "])


def test_the_lines_that_the_operations_page_quotes_are_those_of_the_code() -> None:
    code = said()
    lines = [
        line for _, block in blocks(DOCS / "operations.md", "text") for line in block.splitlines()
    ]
    assert len(lines) > 10
    for line in lines:
        for piece in line.replace("watchdog: ", "watchdog: …").split("…"):
            assert piece.strip(" :.`,;()") in code, line
    assert 'last_line(f"stopped: {type(error).__name__}: {error}")' in (
        ROOT / "agents" / "runtime" / "exits.py"
    ).read_text("utf-8")


FIGURES = {
    "session of the group": runtime.SESSION_TIMEOUT_SECONDS,
    "a transaction's time-out": transaction._TRANSACTION_TIMEOUT_MS // 1_000,
    "inputs of a transaction": input_queue.MAX_INPUTS,
    "wait for a transaction": partition.COMMIT_INTERVAL_MS,
    "MB of inputs of a transaction": input_queue.MAX_INPUT_BYTES >> 20,
    "watchdog": watchdog.LIMIT_SECONDS,
    "from one mark of a partition to the next": timers.MARK_INTERVAL_MS,
    "outstanding deliveries of a partition": deliverer.MAX_OUTSTANDING,
    "calls at once of a worker to one destination": calls.AT_ONCE,
    "from SIGTERM to SIGKILL by `journeys up`": supervisor.STOP_SECONDS,
}


def test_the_metrics_of_the_operations_page_are_those_of_the_catalogue() -> None:
    rows = [[one.name, one.type, ", ".join(one.labels), one.help] for one in CATALOGUE]
    assert [[cell.replace("`", "") for cell in row] for row in tables("metrics")[""]] == rows


def test_the_figures_of_the_operations_page_are_those_of_the_code() -> None:
    told = {row[0]: int(re.sub(r"\D", "", row[1])) for row in tables("figures")[""]}
    assert told == FIGURES
