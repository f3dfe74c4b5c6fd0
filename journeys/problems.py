"""What a user must be told about a document.

Law: a problem says where it is, what was found, what was expected and the nearest valid word, and
its message alone is enough to act on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

MOST_PROBLEMS = 200
"""Of one document; the rest is not looked for."""
MOST_CANDIDATES = 1_000
"""Words that a misspelt one is compared with; a comparison takes about 10 µs."""

LONGEST_MESSAGE = 1_000
"""Characters; it is one line."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one document; lines and columns count from 1.

    A document with a warning is accepted all the same: what it says holds, but is hardly meant.
    """

    file: str
    line: int
    column: int
    message: str
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None
    document: str | None = None
    """`kind/name`, where the document could be told."""
    severity: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        message = printable(self.message)
        if len(message) > LONGEST_MESSAGE:  # an author's own words may be of any length
            message = f"{message[: LONGEST_MESSAGE - 3]}..."
        object.__setattr__(self, "message", message)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {'' if self.severity == 'error' else 'warning: '}{self.message}"


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that `word` was most likely meant to be, or None when none is close.

    It is the one spelt most alike, or the only one that has the word as one of its parts, as
    `wait_for_event` has `wait`.
    """
    candidates = {name.lower(): name for name in sorted(known)[:MOST_CANDIDATES]}
    close = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=cutoff)
    if not close and len(word) > 2:
        close = [name for name in candidates if word.lower() in re.split("[-_ .]", name)]
    return candidates[close[0]] if len(close) == 1 else None


def suggest(word: str, known: Iterable[str], *, most: int = 8) -> tuple[str, str | None]:
    """The end of a message about an unknown word, and the nearest valid one.

    Returns:
        `": did you mean 'x'?"`; or, where nothing is near, `": expected one of a, b, c"`; or
        nothing where there are none or too many to list.
    """
    names = sorted(set(known))
    near = nearest(word, names)
    if near is not None:
        return f": did you mean '{short(near)}'?", near
    if 0 < len(names) <= most:
        listing = ", ".join(f"'{short(name)}'" for name in names)
        return f": expected {'one of ' if len(names) > 1 else ''}{listing}", None
    return "", None


def short(text: str) -> str:
    """A text of a document as a message has it: on one line, and not more than 60 characters."""
    return printable(text if len(text) <= 60 else text[:57] + "...")


def printable(text: str) -> str:
    """The text with an escape for every character that a line doesn't show."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


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
        return f"'{short(value)}'" if value else "an empty text"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return type(value).__name__
