"""What the README says can be typed, and is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
import typer

from agents.cli import app
from journeys.backtest import Backtest
from journeys.catalog import Accepted, Catalog, check_push, validate_files
from journeys.effects import Effects
from journeys.program import RunningCatalog

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "checkout"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TYPED = [
    line.removeprefix("$ ").split("#")[0].strip()
    for language, block in BLOCKS
    if language == "console"
    for line in block.splitlines()
    if line.startswith("$ ")
] + re.findall(r"`(journeys [^`]+)`", README)
NOT_FOR_USERS = {"JOURNEYS_WORKER", "JOURNEYS_"}
FAMILIES = ("JOURNEYS_SECRET_", "JOURNEYS_KAFKA_")


def command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words call, and what is left of them."""
    found: click.Command = typer.main.get_command(app)
    while isinstance(found, click.Group) or hasattr(found, "commands"):
        found = found.commands[words[0]]
        words = words[1:]
    return found, words


def test_its_documents_are_valid() -> None:
    documents = [block for language, block in BLOCKS if language == "yaml"]
    assert documents
    assert validate_files([(f"{n}.yaml", text) for n, text in enumerate(documents)]) == []


def test_its_journey_is_the_example_that_it_applies() -> None:
    assert (EXAMPLE / "journey.yaml").read_text() in [block for _, block in BLOCKS]


def test_the_example_does_what_it_says() -> None:
    verdict = check_push((EXAMPLE / "journey.yaml").read_bytes(), "journey.yaml", Catalog())
    assert isinstance(verdict, Accepted)
    catalog = Catalog()
    for key, value in verdict.entries:
        catalog = catalog.with_entry(key, value)
    all_effects = Effects()
    lines = (EXAMPLE / "events.jsonl").read_bytes().splitlines()
    for effects in Backtest(RunningCatalog(catalog), "events.jsonl").run(lines, drain=True):
        all_effects.actions += effects.actions
        all_effects.outcomes += effects.outcomes
    ended = {
        one.user_id: (one.detail or {})["reason"]
        for one in all_effects.outcomes
        if one.type == "journey.exited"
    }
    assert ended == {"ann": "reminded", "ben": "bought"}
    told = next(block for _, block in BLOCKS if block.startswith("/mail "))
    _, action_id, payload = told.split(" ", 2)
    assert [one.payload for one in all_effects.actions] == [json.loads(payload)]
    assert re.fullmatch("[0-9a-f-]{36}", action_id)


@pytest.mark.parametrize("typed", [line for line in TYPED if "journeys " in line])
def test_its_commands_and_their_options_exist(typed: str) -> None:
    words = typed[typed.index("journeys ") + len("journeys ") :].split()
    found, rest = command(words)
    options = {name for parameter in found.params for name in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= options


@pytest.mark.parametrize(
    "path", re.findall(r"(?<![./])(?:examples|docker|docs|journeys|agents)/[\w./]+", README)
)
def test_the_files_it_names_are_there(path: str) -> None:
    assert (ROOT / path.rstrip(".")).exists()


@pytest.mark.parametrize("target", re.findall(r"`?make (\w+)", README))
def test_its_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_its_settings_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in sorted((ROOT / "agents").rglob("*.py")))
    told = re.findall(r"^\| `(JOURNEYS_[A-Z_]+)", README, re.MULTILINE)
    read = re.findall(r"\bJOURNEYS_[A-Z_]*", code)
    assert {_family(name) for name in read} - NOT_FOR_USERS == {_family(name) for name in told}


def _family(variable: str) -> str:
    """The variable, or what all those that begin alike have in common."""
    return next((start for start in FAMILIES if variable.startswith(start)), variable)


def test_its_node_types_are_those_there_are() -> None:
    said = re.search(r"The node types are (.*?)\. ", README, re.DOTALL)
    assert said is not None
    files = {path.stem for path in (ROOT / "journeys" / "nodes").glob("*.py")}
    assert set(re.findall(r"`(\w+)`", said[1])) == files - {"__init__", "base"}
