"""What a user must be told about a document.

Law: a problem says where it is, what was found, what was expected and the nearest valid word, and
its message alone is enough to act on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_PROBLEMS = 200
"""Of one document; the rest is not looked for."""
MOST_CANDIDATES = 1_000
"""Words that a misspelt one is compared with; a comparison takes about 10 µs."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one document; lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None
    document: str | None = None
    """`kind/name`, where the document could be told."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ProblemError(Exception):
    """Carries the problems of a text to whoever asked for its meaning."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None when none is close."""
    candidates = {name.lower(): name for name in sorted(known)[:MOST_CANDIDATES]}
    close = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    return candidates[close[0]] if close else None


def suggest(word: str, known: Iterable[str], *, most: int = 8) -> tuple[str, str | None]:
    """The end of a message about an unknown word, and the nearest valid one.

    Returns:
        `": did you mean 'x'?"`; or, where nothing is near, `": expected one of a, b, c"`; or
        nothing where there are none or too many to list.
    """
    names = sorted(set(known))
    near = nearest(word, names)
    if near is not None:
        return f": did you mean '{near}'?", near
    if 0 < len(names) <= most:
        listing = ", ".join(f"'{name}'" for name in names)
        return f": expected {'one of ' if len(names) > 1 else ''}{listing}", None
    return "", None


def shown(value: Any) -> str:
    """A value of a document as a message shows it, with the name of its type."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{'true' if value else 'false'} (boolean)"
    if isinstance(value, int):
        return f"{value} (integer)"
    if isinstance(value, float):
        return f"{value!r} (number)"
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return "'" + text.replace("\n", "\\n") + "'" if text else "an empty text"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return type(value).__name__
