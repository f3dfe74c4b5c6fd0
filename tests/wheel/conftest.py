"""The wheel as users get it, and environments that it is installed into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Runs a command and returns what it prints; this process's own settings are left out."""
    kept = {name: text for name, text in os.environ.items() if "JOURNEYS" not in name}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def clone_to(folder: Path) -> Path:
    """The files of a clone, edited ones as they are."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(source: Path, out: Path) -> Path:
    """The wheel of a clone or of an sdist."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    run(*pip, "--wheel-dir", out, source, cwd=source.parent)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, in which an older layout was built before."""
    folder = clone_to(tmp_path_factory.mktemp("clone"))
    left_over = folder / "build" / "lib" / "agents" / "__init__.py"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    return folder


@pytest.fixture(scope="session")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(clone, tmp_path_factory.mktemp("wheel"))


class Environment:
    """A virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        run(UV, "venv", "--quiet", "--python", sys.executable, folder, cwd=folder.parent)

    def install(self, *arguments: str | Path) -> None:
        run(UV, "pip", "install", "--quiet", "--python", self.python, *arguments, cwd=self.folder)

    def uninstall(self, name: str) -> None:
        run(UV, "pip", "uninstall", "--quiet", "--python", self.python, name, cwd=self.folder)

    def run(self, *words: str | Path, cwd: Path) -> str:
        """Runs a program of the environment."""
        return run(self.folder / "bin" / words[0], *words[1:], cwd=cwd)

    @property
    def packages(self) -> Path:
        (packages,) = self.folder.glob("lib/python*/site-packages")
        return packages


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel in an environment that takes its dependencies from this one."""
    made = Environment(tmp_path_factory.mktemp("installed") / "venv")
    made.install("--offline", "--no-deps", wheel)
    # Behind its own packages, and without the .pth files there: the checkout isn't importable.
    (made.packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return made


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose modules have the names of ours, of what we import and of Python's own."""
    for name in "agents tables journeys journeys_engine typer faust random http socket".split():
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the folder ran')")
    return tmp_path
