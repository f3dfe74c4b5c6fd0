"""What `check-jsonschema`, a program of others, says of a wrong file names what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema" / "v1"
CHECK = [str(Path(sys.executable).with_name("uv")), "tool", "run", "--quiet",
         "--from", "check-jsonschema==0.39.0", "check-jsonschema", "--schemafile"]  # fmt: skip
JOURNEY = """\
kind: Journey
name: welcome
entry: {event: signed_up}
nodes:
  wait: {type: delay, for: 1h}
  done: {type: exit}
"""

pytestmark = pytest.mark.world


def check(text: str, folder: Path, schema: str = "documents") -> subprocess.CompletedProcess[str]:
    file = folder / "journey.yaml"
    file.write_text(text)
    command = [*CHECK, str(SCHEMAS / f"{schema}.schema.json"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(autouse=True)
def _is_there(tmp_path: Path) -> None:
    done = subprocess.run([*CHECK[:-1], "--version"], capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"check-jsonschema can't be had: {done.stderr[-200:]}")


def test_a_right_file_passes(tmp_path: Path) -> None:
    done = check(JOURNEY, tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("for: 1h", "fro: 1h", ("$.nodes.wait", "'fro' was unexpected")),
        ("type: delay", "type: dely", ("$.nodes.wait.type", "'dely' is not one of")),
        ("for: 1h", "for: 5", ("$.nodes.wait.for", "5 is not of type 'string'")),
        ("kind: Journey", "kind: Jurney", ("$.kind", "'Jurney' is not one of")),
        ("event: signed_up", "evnt: x", ("$.entry", "'evnt' was unexpected")),
        ("name: welcome", "name: Welcome", ("$.name", "'Welcome' does not match")),
    ],
)
def test_a_mistake_is_named_where_it_is(
    right: str, wrong: str, said: tuple[str, str], tmp_path: Path
) -> None:
    done = check(JOURNEY.replace(right, wrong), tmp_path)
    assert done.returncode == 1
    assert f"{said[0]}: " in done.stdout, done.stdout
    assert said[1] in done.stdout, done.stdout
    assert "under any of the given schemas" not in done.stdout
