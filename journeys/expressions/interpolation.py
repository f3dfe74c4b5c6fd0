"""Finds the expressions inside texts: `${CEL}`, and `$${` for a literal `${`.

Law: the end of an expression is found by CEL's own rules for strings, braces and comments, so any
valid expression can be written inside a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_OPENING = re.compile(r"\$?\$\{")
_TOKEN = re.compile(
    r"""(?P<raw>\b(?:[rR][bB]?|[bB][rR]))?(?P<quote>'{3}|"{3}|'|")|//[^\n]*|(?P<brace>[{}])"""
)


class UnclosedError(ValueError):
    """A `${` without its `}`.

    Attributes:
        offset: the position of the `${`, in characters.
    """

    def __init__(self, offset: int) -> None:
        super().__init__("'${' is not closed: expected '}'")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Hole:
    """An expression inside a text; `offset` is where it starts, in characters."""

    text: str
    offset: int


@lru_cache(maxsize=16384)
def pieces(text: str) -> tuple[str | Hole, ...]:
    """Split a text into literal texts and expressions, in order.

    Raises:
        UnclosedError: a `${` is not closed.
    """
    found: list[str | Hole] = []
    literal = ""
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        literal += text[at : opening.start()]
        if opening.group() == "$${":
            literal += "${"
            at = opening.end()
            continue
        if literal:
            found.append(literal)
            literal = ""
        end = _end(text, opening.end(), opening.start())
        found.append(Hole(text[opening.end() : end], opening.end()))
        at = end + 1
    literal += text[at:]
    if literal:
        found.append(literal)
    return tuple(found)


def _end(text: str, start: int, opened: int) -> int:
    depth = 0
    at = start
    while (token := _TOKEN.search(text, at)) is not None:
        at = token.end()
        if token.group("brace") == "{":
            depth += 1
        elif token.group("brace") == "}":
            if depth == 0:
                return token.start()
            depth -= 1
        elif token.group("quote"):
            at = string_end(text, at, token.group("quote"), token.group("raw") is not None)
            if at < 0:
                break
    raise UnclosedError(opened)


def string_end(text: str, at: int, quote: str, raw: bool) -> int:
    """Where a string of CEL ends, whose content begins at `at`; -1: it is not closed."""
    while at < len(text):
        if text.startswith(quote, at):
            return at + len(quote)
        at += 2 if text[at] == "\\" and not raw else 1
    return -1
