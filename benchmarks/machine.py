"""The machine and the versions of a measurement, as one line."""

from __future__ import annotations

import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from agents.compiled import is_compiled
from agents.kafka.embedded.jars import KAFKA_VERSION
from agents.kafka.embedded.java import find_java
from benchmarks.toys import PEERS, ROOT

_OURS = ("confluent-kafka", "rocksdict", "msgspec")
_THEIRS = ("faust-streaming", "quixstreams")


def described() -> str:
    """The machine and the versions, comma-separated."""
    found = [
        _processor(),
        f"{psutil.cpu_count()} cores",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"Linux {platform.release()}" if platform.system() == "Linux" else platform.platform(),
        f"Python {platform.python_version()}, engine {'compiled' if is_compiled() else 'as it is'}",
        f"Java {_java()}",
        f"Kafka and Kafka Streams {KAFKA_VERSION}",
        *(f"{name} {version(name)}" for name in _OURS),
        *_peers(),
        f"commit {_commit()}",
    ]
    return ", ".join(found)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.processor()


def _java() -> str:
    said = subprocess.run([find_java(), "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "([^"]+)"', said)
    return found[1] if found else "unknown"


def _peers() -> list[str]:
    """The versions of the peers' environment."""
    code = f"from importlib.metadata import version\nfor n in {_THEIRS}: print(n, version(n))"
    if not PEERS.exists():
        return []
    said = subprocess.run([PEERS, "-c", code], capture_output=True, text=True, check=True).stdout
    return said.splitlines()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "unknown"
