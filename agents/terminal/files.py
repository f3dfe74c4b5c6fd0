"""The files that a command is given: which are documents, tests of journeys, or canned responses.

Law: every command takes files and folders in the same way, and a file of documents is never taken
for a file of tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents.terminal.text import echo

if TYPE_CHECKING:
    from journeys.catalog.catalog import Catalog
    from journeys.problems import Problem
    from journeys.simulation.testing.suite import SuiteFile

_ENDINGS = (".yaml", ".yml")
_TESTS = (".test.yaml", ".test.yml")
_KEY = re.compile(rb"""^["']?([A-Za-z]+)["']?[ \t]*:(?:[ \t]|$)""", re.MULTILINE)
_FLOW = re.compile(rb"^\s*\{", re.MULTILINE)


@dataclass(slots=True)
class Files:
    """Files by what they hold; their bytes by name, in the order they were given.

    Attributes:
        problems: one for each file that can't be read.
        order: the position of each file, from 0.
    """

    documents: dict[str, bytes] = field(default_factory=dict)
    tests: dict[str, bytes] = field(default_factory=dict)
    responses: dict[str, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    order: dict[str, int] = field(default_factory=dict)


def read_files(paths: Iterable[Path], *, report: bool = True) -> Files:
    """Reads files, and in folders those that end with `.yaml` or `.yml`, except in hidden folders.

    A file that was named holds documents unless it clearly holds tests or responses. A file found
    in a folder must have a `kind`; skipped files are reported on stderr.

    Args:
        report: whether to report skipped files.
    """
    files = Files()
    for path, named in _each_once(paths):
        name, content = str(path), _read(path)
        files.order[name] = len(files.order)
        if not isinstance(content, bytes):
            files.problems.append(content)
            continue
        held = _held(path, content) or ("documents" if named else None)
        if held is not None:
            getattr(files, held)[name] = content
        elif report:
            echo(f"left out: {name}, which has no document with a kind", err=True)
    return files


def read_texts(paths: Iterable[Path]) -> tuple[dict[str, bytes], list[Problem]]:
    """The files' bytes by name, and a problem for each file that can't be read."""
    found = {str(path): _read(path) for path in paths}
    texts = {name: one for name, one in found.items() if isinstance(one, bytes)}
    return texts, [one for one in found.values() if not isinstance(one, bytes)]


def _read(path: Path) -> bytes | Problem:
    from journeys.problems import Problem

    try:
        if path.is_dir():
            return Problem(str(path), 1, 1, f"no file in it ends with {' or '.join(_ENDINGS)}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        return Problem(str(path), 1, 1, f"this can't be read: {reason}")


def load_tests(
    file: str, text: bytes, texts: dict[str, bytes]
) -> tuple[SuiteFile, Catalog] | list[Problem]:
    """The tests of a file and the catalog they run on, or the problems of either.

    Args:
        texts: the texts of the documents that it names are added here, for messages.
    """
    from agents.kinds import KINDS
    from journeys.catalog.catalog import Rejected, catalog_of
    from journeys.simulation.testing.suite import read_tests
    from journeys.simulation.testing.words import check_names

    tests = read_tests(text, file)
    if isinstance(tests, list):
        return tests
    documents, problems = read_texts(Path(file).parent / one for one in tests.documents)
    texts |= documents
    catalog = Rejected(problems) if problems else catalog_of(documents.items(), KINDS)
    if isinstance(catalog, Rejected):
        return catalog.problems
    return check_names(tests, catalog) or (tests, catalog)


def _held(path: Path, content: bytes) -> str | None:
    """What a file holds, by its name and the keys at the beginning of its lines; None if neither
    shows it."""
    keys = {match[1] for match in _KEY.finditer(content)}
    if path.name.endswith(_TESTS):
        return "tests"
    if b"kind" in keys and b"apiVersion" not in keys:  # every Kubernetes manifest has the latter
        return "documents"
    if b"kind" not in keys and b"tests" in keys:
        return "tests"
    if keys == {b"responses"}:
        return "responses"
    if b"kind" in content and _FLOW.search(content):
        return "documents"
    return None


def _each_once(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """The files, each once, and whether each was named; a folder without files is returned
    itself."""
    seen: set[Path] = set()
    for path in paths:
        below = sorted(_below(path)) if path.is_dir() else []
        for file in below or [path]:
            place = file.resolve()
            if place not in seen:
                seen.add(place)
                yield file, not below


def _below(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.name.endswith(_ENDINGS) and file.is_file():
            parts = file.relative_to(folder).parts
            if not any(part.startswith(".") for part in parts):
                yield file
