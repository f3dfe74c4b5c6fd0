"""Collects what is wrong with one document, each problem at its place in the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from journeys.problems import MOST_PROBLEMS, Problem
from journeys.schema.annotations import (
    Path,
    child,
)
from journeys.schema.yaml_source import Source, YamlNode


class TooManyError(Exception):
    """A document has more problems than anyone reads."""


@dataclass(slots=True)
class Findings:
    """Collects the problems of one document, at most one for each place and message.

    Attributes:
        warnings: what doesn't keep the document from being accepted.
    """

    source: Source
    root: YamlNode
    document: str | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _known: set[Problem] = field(default_factory=set)

    def at(
        self,
        place: YamlNode | tuple[int, int],
        message: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        near: str | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        line, column = (place.line, place.column) if isinstance(place, YamlNode) else place
        problem = Problem(
            self.source.file, line, column, message, found, expected, near, self.document, severity
        )
        if problem in self._known:
            return
        several = self.problems if severity == "error" else self.warnings
        if len(several) >= MOST_PROBLEMS:
            raise TooManyError
        self._known.add(problem)
        several.append(problem)

    def warn(
        self,
        place: YamlNode | tuple[int, int],
        message: str,
        *,
        found: str | None = None,
        near: str | None = None,
    ) -> None:
        """The same for what doesn't keep the document from being accepted."""
        self.at(place, message, found=found, near=near, severity="warning")

    def node(self, path: Path) -> YamlNode:
        """The value at a path, or the innermost one above it that is there."""
        node = self.root
        for part in path:
            below = child(node, part)
            if below is None:
                break
            node = below
        return node

    def key(self, path: Path) -> YamlNode | tuple[int, int]:
        """Where the key of the value at a path is written (of a list's item: where it starts)."""
        above = self.node(path[:-1])
        if path and isinstance(path[-1], str) and path[-1] in above.keys:
            return above.keys[path[-1]]
        return self.node(path)
