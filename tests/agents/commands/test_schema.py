"""`journeys schema`: what is in docs/schema is what the engine reads and writes."""

from __future__ import annotations

import json
from pathlib import Path

from agents.commands.schema import text
from agents.kinds import KINDS
from journeys.views.json_schema import schemas
from tests.agents.commands.conftest import Journeys

KEPT = Path(__file__).parents[3] / "docs" / "schema" / "v1"


def test_the_kept_schemas_are_those_of_the_code() -> None:
    """`journeys schema --write docs/schema/v1` makes them equal again."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in KEPT.glob("*.json")}
    assert kept == {f"{name}.schema.json": text(made()) for name, made in schemas(KINDS).items()}


def test_a_schema_is_printed_and_all_of_them_are_written(offline: Journeys) -> None:
    printed = json.loads(offline.run("schema", "journey").stdout)
    assert printed["title"] == "Journey"
    assert json.loads(offline.run("schema").stdout)["title"] == "Documents"
    assert offline.run("schema", "--write", "made").returncode == 0
    made = sorted(path.name for path in (offline.folder / "made").iterdir())
    assert made == sorted(f"{name}.schema.json" for name in schemas(KINDS))


def test_an_unknown_schema_is_reported_with_the_nearest(offline: Journeys) -> None:
    done = offline.run("schema", "jorney")
    assert done.returncode == 1
    assert done.stderr == "journeys: 'jorney' is not a schema: did you mean 'journey'?\n"
