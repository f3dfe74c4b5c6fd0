"""Downloads the embedded broker's jars once, and accepts only files with the lock's hashes.

`broker-jars.lock` names every jar with its SHA-256. A start reads the lock and checks the cached
files against it; dependencies are not resolved again. `python -m agents.kafka.embedded.jars` prints
a new lock after its coordinates changed. The benchmarks have a lock of their own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from agents.errors import UserError
from agents.kafka.embedded.extra import load

if TYPE_CHECKING:
    from collections.abc import Iterator

KAFKA_VERSION = "4.1.0"

Report = Callable[[str], None]


class JarError(UserError):
    """The jars of a lock could not be downloaded."""


@dataclass(frozen=True)
class Lock:
    """A file that names jars, and the input for creating it.

    path: the file
    what: describes the jars in messages
    megabytes: about the size of all jars
    coordinates: `group:artifact:version` of the resolver's inputs
    otherwise: a sentence for the error that says what to do if they can't be downloaded
    replaced: `group:artifact` of dependencies that another jar replaces
    """

    path: Path
    what: str
    megabytes: int
    coordinates: tuple[str, ...]
    otherwise: str = ""
    replaced: tuple[str, ...] = ()


BROKER = Lock(
    Path(__file__).with_name("broker-jars.lock"),
    f"Apache Kafka {KAFKA_VERSION}",
    44,
    # kafka-clients must be named, else the resolver picks an old one. The others are newer than the
    # versions that Kafka names, for their security fixes.
    (
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3",
        "org.apache.logging.log4j:log4j-core:2.25.3",
        "commons-beanutils:commons-beanutils:1.11.0",
        "at.yawk.lz4:lz4-java:1.10.1",
    ),
    " With JOURNEYS_BROKER=HOST:PORT a Kafka that already runs is used instead.",
    # Its last version has known faults; at.yawk.lz4 continues it, with the same classes.
    replaced=("org.lz4:lz4-java",),
)


@dataclass(frozen=True)
class Jar:
    """One jar of the lock: Maven coordinates and the SHA-256 (hex) of its bytes."""

    group: str
    artifact: str
    version: str
    sha256: str

    def path(self, cache: Path) -> Path:
        """The path of the jar below `cache`, which has the layout of a Maven repository."""
        name = f"{self.artifact}-{self.version}.jar"
        return cache.joinpath(*self.group.split("."), self.artifact, self.version, name)

    def is_intact(self, cache: Path) -> bool:
        """Whether the cached file exists with exactly the locked bytes."""
        try:
            with self.path(cache).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


def cache_dir() -> Path:
    """The folder of the cached jars: `journeys/jars` in the user's cache (XDG_CACHE_HOME)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "journeys" / "jars"


def read_lock(lock: Lock = BROKER) -> list[Jar]:
    """The jars of a lock, in class path order."""
    lines = lock.path.read_text(encoding="utf-8").splitlines()
    return [Jar(*line.split()) for line in lines if line and not line.startswith("#")]


def classpath(report: Report | None = None, lock: Lock = BROKER) -> list[Path]:
    """The jars of a lock as intact local files; missing ones are downloaded.

    Args:
        report: called with a line of progress for each jar that has to be downloaded.
        lock: which jars; the broker's unless given.

    Raises:
        JarError: a jar can't be downloaded, or doesn't have the hash in the lock.
    """
    jars, cache = read_lock(lock), cache_dir()
    missing = [jar for jar in jars if not jar.is_intact(cache)]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one_process(cache / ".lock"):
            # Another process may have downloaded them while this one waited for the lock.
            missing = [jar for jar in missing if not jar.is_intact(cache)]
            _download(missing, cache, lock, report or (lambda line: None))
    return [jar.path(cache) for jar in jars]


def _download(jars: list[Jar], cache: Path, lock: Lock, report: Report) -> None:
    context = load("jgo.maven").MavenContext(
        repo_cache=cache, remote_repos=_repositories(), timeout=30
    )
    for number, jar in enumerate(jars, start=1):
        report(
            f"Downloading {lock.what} ({lock.megabytes} MB, once): "
            f"{number} of {len(jars)}, {jar.artifact}"
        )
        # The resolver would take a file left by a killed download as present.
        jar.path(cache).unlink(missing_ok=True)
        project = context.project(jar.group, jar.artifact)
        try:
            project.at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise JarError(
                f"{lock.what} could not be downloaded ({jar.artifact}: {error}).{lock.otherwise}"
            ) from error
        if not jar.is_intact(cache):
            jar.path(cache).unlink(missing_ok=True)
            raise JarError(
                f"{jar.group}:{jar.artifact}:{jar.version} was downloaded, but its SHA-256 is not "
                f"the one in {lock.path.name}; it was thrown away."
            )


def _repositories() -> dict[str, str]:
    """Maven Central and repositories from the user's jgo configuration, such as a company's
    mirror."""
    added: dict[str, str] = load("jgo.config").GlobalSettings.load().repositories
    return {**added, "central": load("jgo.constants").MAVEN_CENTRAL_URL}


@contextmanager
def _only_one_process(path: Path) -> Iterator[IO[str]]:
    """Holds an exclusive lock on `path`; the kernel releases it when the process dies."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def new_lock(lock: Lock, comment: str) -> str:
    """Resolves the coordinates with jgo and returns the text of a new lock."""
    lines = [f"# {comment}"]
    for artifact in load("jgo").resolve("+".join(lock.coordinates), repositories=_repositories()):
        if f"{artifact.groupId}:{artifact.artifactId}" in lock.replaced:
            continue
        sha256 = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        lines.append(f"{artifact.groupId} {artifact.artifactId} {artifact.version} {sha256}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    made = "The embedded broker's jars; made by `python -m agents.kafka.embedded.jars`."
    print(new_lock(BROKER, made), end="")  # noqa: T201
