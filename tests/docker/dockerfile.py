"""Reads the Dockerfile, and does what a stage says below a folder instead of in a container.

Absolute paths that the steps name are taken below that folder; everything else is as Docker does
it: the context without what the ignore file leaves out, one shell per RUN, the ENV of the stage.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from docker.utils.build import exclude_paths

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
IGNORE = DOCKERFILE.with_name("Dockerfile.dockerignore")
_FLAG = re.compile(r"--(\w[\w-]*)=(\S+)\s+")


class Instruction(NamedTuple):
    """flags: such as {"from": "build"}. value: all behind them, continued lines joined."""

    word: str
    flags: dict[str, str]
    value: str


def instructions() -> list[Instruction]:
    """All of the file's, in order."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    found = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, value = line.partition(" ")
        flags = {}
        while match := _FLAG.match(value):
            flags[match[1]] = match[2]
            value = value[match.end() :]
        found.append(Instruction(word, flags, value.strip()))
    return found


def stages() -> list[list[Instruction]]:
    """The stages, each from its FROM on; what is before the first one is left out."""
    found: list[list[Instruction]] = []
    for one in instructions():
        if one.word == "FROM":
            found.append([])
        if found:
            found[-1].append(one)
    return found


def context() -> set[str]:
    """The files and folders that Docker gets to see, below the project."""
    lines = IGNORE.read_text().splitlines()
    patterns = [line for line in lines if line.strip() and not line.startswith("#")]
    return set(exclude_paths(str(ROOT), patterns, dockerfile="docker/Dockerfile"))


def copied() -> list[str]:
    """The sources of every COPY from the context."""
    return [
        source
        for one in instructions()
        if one.word == "COPY" and "from" not in one.flags
        for source in one.value.split()[:-1]
    ]


def environment(stage: list[Instruction]) -> dict[str, str]:
    """What the stage's ENV say."""
    values = [one.value for one in stage if one.word == "ENV"]
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(values)))


@dataclass
class Machine:
    """A folder that stands for the root of a container."""

    root: Path

    def below(self, path: str, workdir: str = "/") -> Path:
        return self.root / os.path.join(workdir, path).lstrip("/")

    def do(self, stage: list[Instruction]) -> None:
        """Carries out a stage."""
        workdir, seen = "/", context()
        for one in stage:
            match one.word:
                case "WORKDIR":
                    workdir = one.value
                    self.below(workdir).mkdir(parents=True)
                case "COPY":
                    *sources, target = one.value.split()
                    for source in sources:
                        self._copy(source, self.below(target, workdir), seen, target)
                case "RUN":
                    self._run(one.value, self.below(workdir), environment(stage))
                case "FROM" | "ENV":
                    pass
                case _:
                    raise AssertionError(f"{one.word} is not known here")

    def _copy(self, source: str, target: Path, seen: set[str], said: str) -> None:
        files = [name for name in seen if name == source or name.startswith(f"{source}/")]
        assert files, f"{source} is not in the context"
        for name in files:
            if not (ROOT / name).is_file():
                continue
            if name == source:
                place = target / Path(name).name if said.endswith("/") else target
            else:
                place = target / Path(name).relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place)

    def _run(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        done = subprocess.run(
            ["/bin/sh", "-ec", self.moved(command)],
            cwd=folder,
            env={**{k: v for k, v in os.environ.items() if "JOURNEYS" not in k}, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"

    def moved(self, command: str) -> str:
        """The command with its absolute paths below the root."""
        return re.sub(r"(?<![\w./-])/(?=\w)", f"{self.root}/", command)


def json_of(stage: list[Instruction], word: str) -> list[str]:
    """The words of an ENTRYPOINT or a HEALTHCHECK."""
    (one,) = (one for one in stage if one.word == word)
    found: list[str] = json.loads(one.value.removeprefix("CMD "))
    return found
