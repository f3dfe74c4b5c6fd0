"""The archive of loaded classes: used when it is whole, and otherwise no hindrance."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from agents.kafka.embedded.broker import JVM_FLAGS
from agents.kafka.embedded.class_archive import KEPT, ClassArchive, listing, using
from agents.kafka.embedded.jars import classpath
from agents.kafka.embedded.java import find_java

pytestmark = pytest.mark.world

TOOL = "kafka.tools.StorageTool"


def archive(cache: Path) -> ClassArchive:
    return ClassArchive(find_java(), classpath(), JVM_FLAGS, cache)


def run(*options: str, jars: list[Path] | None = None) -> str:
    """Runs one of Kafka's small tools and returns what it prints."""
    path = os.pathsep.join(map(str, jars or classpath()))
    command = [find_java(), *JVM_FLAGS, *options, "-cp", path]
    done = subprocess.run([*command, TOOL, "random-uuid"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prints_an_id(said: str) -> bool:
    return re.fullmatch(r"[\w-]{22}", said.splitlines()[-1]) is not None


def written(cache: Path, classes: Path) -> Path:
    made = archive(cache)
    made.write(classes)
    made.wait()
    found = made.find()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classes that one of Kafka's small tools loads."""
    listed = tmp_path_factory.mktemp("listed") / "classes"
    run(*listing(listed))
    return listed


@pytest.fixture(scope="module")
def whole(classes: Path) -> Path:
    return written(classes.with_name("cache"), classes)


def test_a_jvm_takes_the_brokers_classes_from_it(whole: Path) -> None:
    said = run(*using(whole), "-Xlog:class+load")
    assert re.search(r"kafka\.tools\.StorageTool\S* source: shared objects file", said)
    assert [path.name for path in whole.parent.iterdir() if path.suffix != ".jsa"] == [".lock"]


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def flipped(share: float) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        at = int(len(data) * share)
        return data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 64]) + data[at + 64 :]

    return flip


@pytest.mark.parametrize(
    "damage",
    [
        *map(cut, (0, 0.0001, 0.01, 0.5, 0.99)),
        *map(flipped, (0, 0.00005, 0.3, 0.6, 0.9)),
        lambda data: b"not an archive" * 10_000,
    ],
)
def test_a_damaged_one_is_removed(
    whole: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    broken = tmp_path / whole.name
    broken.write_bytes(damage(whole.read_bytes()))
    assert archive(tmp_path).find() is None
    assert not broken.exists()


def test_one_of_other_jars_is_ignored_by_java(whole: Path, tmp_path: Path) -> None:
    """Such as after a jar was downloaded anew: its time is another one."""
    jars = classpath()
    (tmp_path / jars[0].name).write_bytes(jars[0].read_bytes())
    others = [tmp_path / jars[0].name, *jars[1:]]
    assert ClassArchive(find_java(), others, JVM_FLAGS, whole.parent).find() is None
    assert prints_an_id(run(*using(whole), jars=others))


def test_java_runs_without_an_archive_that_has_disappeared(tmp_path: Path) -> None:
    assert prints_an_id(run(*using(tmp_path / "gone.jsa")))


OWNER = """
import sys
from pathlib import Path
from tests.agents.kafka.test_class_archive import archive
archive(Path(sys.argv[1])).write(Path(sys.argv[2]))
print("writing", flush=True)
input()
"""


@pytest.mark.fault
@pytest.mark.parametrize("end", ["stopped", "owner killed", "writer killed"])
def test_one_that_was_not_finished_never_gets_its_name(
    classes: Path, tmp_path: Path, end: str
) -> None:
    cache = tmp_path / "cache"
    if end == "owner killed":
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, cache, classes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "writing\n"
            started = psutil.Process(owner.pid).children(recursive=True)
            owner.kill()
        assert started
        psutil.wait_procs(started, timeout=30)
        assert not any(one.is_running() for one in started)
    else:
        made = archive(cache)
        made.write(classes)
        if end == "writer killed":
            guard = made._guard
            assert guard is not None
            psutil.Process(guard.pid).kill()
            made.wait()
        made.stop()
        assert not list(cache.glob("new-*"))
    assert not list(cache.glob("*.jsa"))
    if end == "owner killed":
        assert written(cache, classes).exists()
    assert not list(cache.glob("new-*"))


def test_a_cache_that_cannot_be_written_is_done_without(classes: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = archive(tmp_path / "file" / "cache")
    made.write(classes)
    made.wait()
    assert made.find() is None
    made.stop()


def test_one_process_at_a_time_writes_one_and_few_are_kept(classes: Path, tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        old = tmp_path / f"{number}.jsa"
        old.touch()
        os.utime(old, (number, number))
    first, second = archive(tmp_path), archive(tmp_path)
    first.write(classes)
    second.write(classes)
    assert second._thread is None
    first.wait()
    kept = list(tmp_path.glob("*.jsa"))
    assert len(kept) == KEPT
    assert second.find() in kept
