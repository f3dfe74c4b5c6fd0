"""Collects the problems of one document, each with its line and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from journeys.problems import MOST_PROBLEMS, Problem
from journeys.schema.annotations import (
    child,
)
from journeys.schema.marks import Path
from journeys.schema.yaml_source import Source, YamlNode


class TooManyError(Exception):
    """A document has more than MOST_PROBLEMS problems."""


@dataclass(slots=True)
class Findings:
    """Collects the problems of one document, at most one for each place and message.

    Attributes:
        warnings: problems that don't reject the document.
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
        """Add a problem, unless the same one is there already.

        Args:
            place: a node, or a line and a column.
            found, expected, near: what was found, what was expected and the nearest valid word,
                for programs that read problems as JSON.

        Raises:
            TooManyError: the document has MOST_PROBLEMS problems already.
        """
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
        """Add a warning."""
        self.at(place, message, found=found, near=near, severity="warning")

    def node(self, path: Path) -> YamlNode:
        """The value at a path, or the deepest existing one above it."""
        node = self.root
        for part in path:
            below = child(node, part)
            if below is None:
                break
            node = below
        return node

    def key(self, path: Path) -> YamlNode | tuple[int, int]:
        """The position of the key of the value at a path; for a list item, of the item."""
        above = self.node(path[:-1])
        if path and isinstance(path[-1], str) and path[-1] in above.keys:
            return above.keys[path[-1]]
        return self.node(path)
