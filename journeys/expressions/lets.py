"""`let`: the named expressions of a journey, which its other expressions read as `let.<name>`.

Law: an expression with `let.x` means, reads and costs what it does with the text of `x` written out
in its place, in parentheses; and that text is no longer than any expression may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from journeys.expressions.errors import CelError
from journeys.expressions.expression import MAX_EXPRESSION
from journeys.expressions.interpolation import Hole, pieces, string_end
from journeys.expressions.origins import enclosed, length
from journeys.problems import suggest

MAX_LETS = 100
"""Lets of one journey."""

_TOKEN = re.compile(
    r"""(?P<raw>[rR][bB]?|[bB][rR])?(?P<quote>'{3}|"{3}|'|")"""
    r"|(?P<space>\s+|//[^\n]*)|`[^`\n]*`|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|.",
    re.DOTALL,
)
_FIELD = re.compile(r"\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")


class BrokenLet(Exception):
    """An expression reads a let that is refused itself, where it is defined."""


class Use(NamedTuple):
    """A `let.<name>` in an expression: the name, and where the text starts and ends."""

    name: str
    start: int
    end: int


def uses(text: str) -> Iterator[Use]:
    """What an expression reads of `let`, which is a reserved word in CEL.

    Raises:
        CelError: `let` is written without a name, or is called.
    """
    if "let" not in text:
        return
    at, field = 0, False
    while at < len(text) and (token := _TOKEN.match(text, at)) is not None:
        at = token.end()
        if token["quote"]:
            at = string_end(text, at, token["quote"], token["raw"] is not None)
            if at < 0:
                return  # a text that is not closed: the library reports it
        elif token["space"]:
            continue
        elif token["name"] == "let" and not field:
            start = token.start()
            read = _FIELD.match(text, at)
            if read is None:
                raise CelError("'let' is read by a name: let.<name>", text, start)
            at = read.end()
            if text[at:].lstrip()[:1] == "(":
                found = f"let.{read[1]}"
                raise CelError(f"'{found}' is a value: write it without '()'", text, start)
            yield Use(read[1], start, at)
        field = token[0] == "."


def refuse_lets(text: str, kind: str) -> None:
    """Raises CelError for an expression of a document, of another kind than a journey, that reads a
    let."""
    for use in uses(text):
        why = f"'let' belongs to a journey, and a {kind.lower()} has none: write the expression out"
        raise CelError(why, text, use.start)


class Lets:
    """The lets of a journey.

    Args:
        texts: the expressions by name.
        broken: the names of those that are refused where they are defined.
    """

    def __init__(self, texts: Mapping[str, str], broken: frozenset[str] = frozenset()) -> None:
        self.texts = texts
        self._broken = broken
        self._known: dict[str, str] = {}

    def write_out(self, text: str) -> str:
        """An expression with its lets written out.

        Raises:
            CelError: it reads an unknown let, or would be too long.
            BrokenLet: it reads a let that is refused itself.
        """
        if "let" not in text:
            return text
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._write_out(text)
        return known

    def write_out_data(self, data: Any) -> Any:
        """Data with the lets of its expressions written out; raises as `write_out`."""
        if isinstance(data, str):
            return self._write_out_text(data) if "let" in data and "${" in data else data
        if isinstance(data, dict):
            return {key: self.write_out_data(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self.write_out_data(value) for value in data]
        return data

    def _write_out_text(self, text: str) -> str:
        found, at = "", 0
        for part in pieces(text):
            if isinstance(part, Hole):
                try:
                    inside = self.write_out(part.text)
                except CelError as error:
                    place = part.offset + error.offset
                    raise CelError(error.message, text, place, error.nearest) from None
                found += text[at : part.offset] + inside
                at = part.offset + len(part.text)
        return found + text[at:]

    def _write_out(self, text: str) -> str:
        found: list[str] = []
        size, at = len(text), 0
        for use in uses(text):
            if use.name not in self.texts:
                raise self._unknown(use, text)
            if use.name in self._broken:
                raise BrokenLet
            body = self.write_out(self.texts[use.name])
            size += length(body) + 2 - (use.end - use.start)
            if size > MAX_EXPRESSION:
                found_size = "it is too long with its lets written out"
                expected = f"at most {MAX_EXPRESSION} characters are allowed"
                raise CelError(f"{found_size}: {expected}", text, use.start)
            found += [text[at : use.start], enclosed(use.name, body)]
            at = use.end
        return "".join([*found, text[at:]])

    def _unknown(self, use: Use, text: str) -> CelError:
        if not self.texts:
            return CelError("the journey has no 'let'", text, use.start)
        tail, near = suggest(use.name, self.texts)
        offset = text.rfind(use.name, use.start, use.end)
        return CelError(f"no let is called '{use.name}'{tail}", text, offset, near)
