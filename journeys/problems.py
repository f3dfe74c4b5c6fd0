"""Problems of documents, and the wording that their messages share.

Law: a problem has a position, what was found, what was expected and the nearest valid word. Its
message alone is enough to fix it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

MOST_PROBLEMS = 200
"""Problems reported per document; the search stops there."""
MOST_IN_ALL = 1_000
"""Problems reported for one push, or for files that are checked together."""
MOST_CANDIDATES = 1_000
"""Known words that a misspelt word is compared with; each comparison takes about 10 µs."""

LONGEST_MESSAGE = 1_000
"""Longest message, and longest quotation from a document, characters; a message is one line."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of one document; lines and columns count from 1.

    A document with errors is rejected. A warning points out something valid that is probably a
    mistake; the document is accepted.
    """

    file: str
    line: int
    column: int
    message: str
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None
    document: str | None = None
    """`kind/name`, if the document could be identified."""
    severity: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _bounded(printable(self.message)))
        for name in ("found", "expected", "nearest", "document"):
            text = getattr(self, name)
            if text is not None:
                object.__setattr__(self, name, _bounded(text))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {'' if self.severity == 'error' else 'warning: '}{self.message}"


def _bounded(text: str) -> str:
    """A problem may quote a text of any length."""
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 3]}..."


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that `word` was most likely meant to be, or None if none is similar.

    It is the most similar word, or the only one that contains `word` as one of its parts, as
    `wait_for_event` contains `wait`.

    Args:
        cutoff: the least similarity, 0 to 1.
    """
    candidates = {name.lower(): name for name in sorted(known)[:MOST_CANDIDATES]}
    close = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=cutoff)
    if not close and len(word) > 2:
        close = [name for name in candidates if word.lower() in re.split("[-_ .]", name)]
    return candidates[close[0]] if len(close) == 1 else None


def suggest(word: str, known: Iterable[str], *, most: int = 8) -> tuple[str, str | None]:
    """The end of a message about an unknown word, and the nearest valid one.

    Returns:
        `": did you mean 'x'?"`; or, if no word is similar, `": expected one of 'a', 'b'"`; or an
        empty text if there are no known words or more than `most`.
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
    """A text of a document as messages quote it: on one line, at most 60 characters."""
    return printable(text if len(text) <= 60 else text[:57] + "...")


def printable(text: str) -> str:
    """The text with every character escaped that a terminal interprets or doesn't show: control
    characters, marks of direction, characters without width, half surrogate pairs."""
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(char if is_printable(char) else ascii(char)[1:-1] for char in text)


def is_printable(char: str) -> bool:
    """Whether a terminal only shows the character."""
    return char.isprintable() and not _UNSEEN.match(char)


# Unicode's Default_Ignorable_Code_Point where Python calls it printable, except the variation
# selectors 15 and 16, which ordinary emoji contain.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]"
)


def shown(value: Any) -> str:
    """A value of a document as messages show it, with its type."""
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
