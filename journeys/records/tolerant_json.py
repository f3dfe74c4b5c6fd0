"""Reads JSON as producers and servers write it; an oddity in one field affects no other field.

Law: pure. What the strict decoder accepts means the same here (that includes integers of up to
4,300 digits, so callers must check the size of numbers). Beyond that: a byte order mark at the
start is skipped; unpaired surrogates and bytes that are not UTF-8 become U+FFFD; control characters
in a text stay; a number beyond the range of a double, NaN and Infinity become null, as does
anything nested more deeply than MAX_DEPTH. Every change is listed. Anything else is not JSON.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

import msgspec

MAX_DEPTH = 100
"""Deepest nesting of lists and objects; anything deeper becomes null."""
MAX_ODDITIES = 1_000
"""How many oddities of one text are listed; later ones are repaired as well."""
_SHOWN = 40

BEYOND_DOUBLE = "a number beyond the range of a double"

_HALF = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_strict = msgspec.json.Decoder().decode


class NotJson(ValueError):
    """The text is not even tolerant JSON; the message says what was found, and where."""


class Oddity(NamedTuple):
    """A difference between what was written and what was read.

    path: the keys and indexes that lead to it; empty if it concerns the whole text.
    what: what was found, such as `a number beyond the range of a double: 1e400`.
    """

    path: tuple[str | int, ...]
    what: str

    def __str__(self) -> str:
        where = ".".join(map(str, self.path))
        return f"{where}: {self.what}" if where else self.what


class Found(NamedTuple):
    """The value of a text and its oddities; none if the strict decoder reads it."""

    value: Any
    oddities: tuple[Oddity, ...] = ()


def read_json(data: bytes | str) -> Found:
    """Reads a JSON text, strictly if that works, else tolerantly. Raises NotJson."""
    try:
        return Found(_strict(data))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return read_odd_json(data)


def read_odd_json(data: bytes | str) -> Found:
    """Reads a JSON text that the strict decoder has refused. Raises NotJson."""
    odd = _Oddities()
    if isinstance(data, bytes):
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            odd.add((), f"bytes that are not UTF-8, the first one at byte {error.start}")
            text = data.decode(errors="replace")
    else:
        text = data
    if text.startswith("\ufeff"):
        odd.add((), "a byte order mark")
        text = text.lstrip("\ufeff")
    # Each level needs a bracket; most texts have too few to be too deep.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        text = _cut(text, odd)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(f"{_words(error)} (line {error.lineno}, column {error.colno})") from None
    return Found(odd.repaired(value, ()), tuple(odd.found))


class _Number:
    """A number that can't be read. what: for people."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what


class _Oddities:
    def __init__(self) -> None:
        self.found: list[Oddity] = []

    def add(self, path: tuple[str | int, ...], what: str) -> None:
        if len(self.found) < MAX_ODDITIES:
            self.found.append(Oddity(path, what))

    def repaired(self, value: Any, path: tuple[str | int, ...]) -> Any:
        """The value without its oddities. Its depth is bounded by MAX_DEPTH."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, _Number):
            self.add(path, value.what)
            return None
        if isinstance(value, list):
            return [self.repaired(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            repaired = {}
            for key, item in value.items():
                name = self._text(key, path)
                repaired[name] = self.repaired(item, (*path, name))
            return repaired
        return value

    def _text(self, text: str, path: tuple[str | int, ...]) -> str:
        if text.isascii() or _HALF.search(text) is None:
            return text
        self.add(path, "half of a surrogate pair")
        return _HALF.sub("\ufffd", text)


def _float(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else _beyond(text)


def _int(text: str) -> Any:
    try:
        return int(text)
    except ValueError:  # more digits than Python, and so the strict decoder, accepts
        return _beyond(text)


def _beyond(text: str) -> _Number:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return _Number(f"{BEYOND_DOUBLE}: {shown}")


def _constant(text: str) -> _Number:
    return _Number(f"{text}, which is not a JSON number")


_decoder = json.JSONDecoder(
    parse_float=_float, parse_int=_int, parse_constant=_constant, strict=False
)


def _cut(text: str, odd: _Oddities) -> str:
    """The text with null in place of anything nested too deeply. Linear in its length."""
    parts: list[str] = []
    depth = kept = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                parts.append(text[kept : token.start()])
        elif mark in "]}":
            if depth == MAX_DEPTH + 1:
                parts.append("null")
                kept = token.end()
            depth -= 1
    if not parts:
        return text
    if depth > MAX_DEPTH:
        raise NotJson("found the end of the text, expected the end of a list or an object")
    odd.add((), f"JSON nested more deeply than {MAX_DEPTH} levels")
    return "".join([*parts, text[kept:]])


_WORDS = {
    "Expecting value": "found no value where one is expected",
    "Expecting property name enclosed in double quotes": "found no field name in double quotes",
    "Expecting ',' delimiter": "found no ',' between two values",
    "Expecting ':' delimiter": "found no ':' after a field name",
    "Unterminated string starting at": "found a text without its closing quote",
    "Invalid \\escape": "found an unknown escape in a text",
    "Invalid \\uXXXX escape": "found an unfinished \\u escape in a text",
    "Extra data": "found more after the end of the value",
}


def _words(error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Expecting value") and error.pos >= len(error.doc.rstrip()):
        return "found the end of the text where a value is expected"
    for message, words in _WORDS.items():
        if error.msg.startswith(message):
            return words
    return "found something that JSON doesn't allow"
