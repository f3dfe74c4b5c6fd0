"""Results of tests as JUnit XML, which continuous integration reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from agents.errors import unwritable

if TYPE_CHECKING:
    from journeys.problems import Problem
    from journeys.simulation.testing.run import Result

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class FinishedTest:
    """One test of a file and its result; `timeline` says what happened, for a failed test."""

    file: str
    result: Result
    timeline: list[str]
    seconds: float


def write_junit(path: Path, runs: Sequence[FinishedTest], wrong: Sequence[Problem]) -> None:
    """Writes a test suite per file; problems of a file are its errors.

    Raises:
        UserError: the file can't be written.
    """
    root = ElementTree.Element("testsuites")
    for file, some in groupby(runs, lambda one: one.file):
        tests = list(some)
        suite = _element(
            root,
            "testsuite",
            name=file,
            tests=len(tests),
            failures=sum(bool(one.result.failures) for one in tests),
            errors=0,
            time=f"{sum(one.seconds for one in tests):.6f}",
        )
        for one in tests:
            name, line = one.result.name, one.result.line
            case = _element(
                suite, "testcase", classname=file, name=name, file=file, line=line,
                time=f"{one.seconds:.6f}",
            )  # fmt: skip
            for failure in one.result.failures:
                words = f"expected {failure.expected}, found {failure.found}"
                element = _element(case, "failure", message=f"{failure.what}: {words}")
                element.text = _text("\n".join([f"{file}:{failure.line}", "", *one.timeline]))
    for file, found in groupby(wrong, lambda one: one.file):
        problems = list(found)
        suite = _element(
            root, "testsuite", name=file, tests=len(problems), failures=0, errors=len(problems)
        )
        for problem in problems:
            case = _element(suite, "testcase", classname=file, name=f"line {problem.line}")
            _element(case, "error", message=str(problem))
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise unwritable(path, error) from None


def _element(above: ElementTree.Element, tag: str, **facts: str | int) -> ElementTree.Element:
    return ElementTree.SubElement(
        above, tag, {name: _text(str(value)) for name, value in facts.items()}
    )


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
