"""Where the parts of an expression come from that has its `let.<name>` written out.

Law: an expression that is written out holds its own origins, in comments that no document has by
chance. So a message can show the expression as its author wrote it, and name the `let`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

_MARK = "//\x1f"
_BOUND = re.compile(r"\(//\x1flet\.([A-Za-z_][A-Za-z0-9_]{0,62})\n|\n//\x1f\n\)")

Names = tuple[str, ...]
"""Names of lets, the outermost first."""


class _Part(NamedTuple):
    """Attributes: start: in the text written out; place: in the text as written; names: of the lets
    that it is in."""

    start: int
    place: int
    names: Names


def enclosed(name: str, text: str) -> str:
    """The text of a let in parentheses, with its origin."""
    return f"({_MARK}let.{name}\n{text}\n{_MARK}\n)"


def is_written_out(text: str) -> bool:
    """Whether a text may have lets written out."""
    return _MARK in text


def written(text: str) -> str:
    """An expression as its author wrote it."""
    if _MARK not in text:
        return text
    return Origins(text).written


def length(text: str) -> int:
    """The characters of an expression that is written out, without the comments."""
    if _MARK not in text:
        return len(text)
    return len(_without_marks(text))


def plain(text: str) -> str:
    """An expression that is written out as an author can write it, without lets and comments."""
    if _MARK not in text:
        return text
    whole = Origins(text).written.strip()
    bare = _without_marks(text).strip()
    return bare[1:-1].strip() if re.fullmatch(r"let\.\w+", whole) else bare


def _without_marks(text: str) -> str:
    return _BOUND.sub(lambda found: "(" if found[1] else ")", text)


class Origins:
    """The origins of the parts of a text: one expression, or data with `${CEL}` inside.

    Attributes:
        written: the text as its author wrote it.
    """

    __slots__ = ("_parts", "_starts", "written")

    def __init__(self, text: str) -> None:
        self._parts = [_Part(0, 0, ())]
        self.written = text
        if _MARK in text:
            self.written = self._read(text)
        self._starts = [part.start for part in self._parts]

    def _read(self, text: str) -> str:
        names: list[str] = []
        as_written = ""
        at = use = 0
        for bound in _BOUND.finditer(text):
            if bound[1] is not None:
                if not names:
                    as_written += text[at : bound.start()]
                    use = len(as_written)
                    as_written += f"let.{bound[1]}"
                names.append(bound[1])
            elif names:
                names.pop()
            at = bound.end()
            place = use if names else len(as_written)
            self._parts.append(_Part(at, place, tuple(names)))
        return as_written + ("" if names else text[at:])

    def of(self, offset: int) -> tuple[int, Names]:
        """Where the character at an offset is in the text as written, and the lets it is in."""
        part = self._parts[bisect_right(self._starts, offset) - 1]
        return part.place + (0 if part.names else offset - part.start), part.names
