"""Functions of texts that standard CEL lacks, with their costs.

Law: that of functions.py. The time of each grows with the sum of the sizes of the texts, not with
their product.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from journeys.expressions.conversions import CONVERSIONS
from journeys.expressions.declared import ABSENT, Declared, given
from journeys.expressions.frame import ITEM, Frame, NoValue, text_size
from journeys.expressions.values import LISTS, Time, fit, kind_of, to_json, unfit
from journeys.problems import short

MOST_DIGITS = 20
"""The most digits after the point in `%.2f`."""

_PART = 4 * ITEM
"""Bytes that a text in a list takes in addition to its characters."""


def search_work(frame: Frame, text: str, part: str) -> None:
    """Counts the work of searching a text for a part."""
    whole, small = len(text), len(part)
    # CPython searches long texts in linear time; for short ones the worst case is the product.
    if whole < 2_500 or (small < 100 and whole < 30_000) or small < 6:
        frame.work(whole * small)
    else:
        frame.work(4 * (whole + small))


def _lower(frame: Frame, text: Any) -> str:
    if type(text) is not str:
        raise unfit("lower", text)
    frame.build(3 * text_size(text))  # one letter can become three
    return text.lower()


def _upper(frame: Frame, text: Any) -> str:
    if type(text) is not str:
        raise unfit("upper", text)
    frame.build(3 * text_size(text))
    return text.upper()


def _trim(frame: Frame, text: Any) -> str:
    if type(text) is not str:
        raise unfit("trim", text)
    frame.build(text_size(text))
    return text.strip()


def _split(frame: Frame, text: Any, mark: Any, most: Any = ABSENT) -> list[str]:
    if type(text) is not str or type(mark) is not str or not _is_count(most):
        raise unfit("split", *given(text, mark, most))
    if most is not ABSENT and most < 1:
        raise NoValue(f"split(..., {most}): expected 1 or more parts")
    if mark == "":
        parts = len(text) if most is ABSENT else min(len(text), most)
        frame.build(_PART * parts + text_size(text))
        return [*text] if parts == len(text) else [*text[: parts - 1], text[parts - 1 :]]
    search_work(frame, text, mark)
    parts = text.count(mark) + 1 if most is ABSENT else min(text.count(mark) + 1, most)
    frame.build(_PART * parts + text_size(text))
    return text.split(mark, parts - 1) if parts > 1 else [text]


def _join(frame: Frame, items: Any, mark: Any = ABSENT) -> str:
    if type(items) not in LISTS or (mark is not ABSENT and type(mark) is not str):
        raise unfit("join", *given(items, mark))
    between = "" if mark is ABSENT else mark
    frame.build(ITEM * len(items))
    texts = []
    for item in items:
        if type(item) is not str:
            plain = isinstance(item, int | float | Time)
            way = "list.map(x, string(x)).join(', ')" if plain else "list.map(x, x.name).join(', ')"
            raise NoValue(f"join takes texts: found {kind_of(item)}, write {way}")
        texts.append(fit(item, frame))
    characters = sum(map(len, texts)) + len(between) * len(texts)
    frame.build(characters * _width((between, *texts)))
    return between.join(texts)


def _replace(frame: Frame, text: Any, old: Any, new: Any, most: Any = ABSENT) -> str:
    if not type(text) is type(old) is type(new) is str or not _is_count(most):
        raise unfit("replace", *given(text, old, new, most))
    if most is not ABSENT and most < 0:
        raise NoValue(f"replace(..., {most}): expected 0 or more times")
    search_work(frame, text, old)
    found = text.count(old) if most is ABSENT else min(text.count(old), most)
    frame.build((len(text) + found * len(new)) * _width((text, new)))
    return text.replace(old, new, found)


def _width(texts: Iterable[str]) -> int:
    """Bytes that a character takes in a text made of others: as many as the widest of them."""
    return 1 if all(map(str.isascii, texts)) else 4


def _substring(frame: Frame, text: Any, start: Any, end: Any = ABSENT) -> str:
    if type(text) is not str or type(start) is not int or not _is_count(end):
        raise unfit("substring", *given(text, start, end))
    last = len(text) if end is ABSENT else end
    if not 0 <= start <= last <= len(text):
        asked = f"{start}" if end is ABSENT else f"{start}, {end}"
        raise NoValue(f"substring({asked}): the text has {len(text)} characters")
    frame.build(text_size(text[start:last]))
    return text[start:last]


def _is_count(value: Any) -> bool:
    return value is ABSENT or type(value) is int


# --- format --------------------------------------------------------------------------------------

_DIRECTIVE = re.compile(r"%(?:\.(\d{1,4}))?(.?)", re.DOTALL | re.ASCII)
_WHOLE = tuple("dxXob")
_FRACTIONS = tuple("fe")
_LETTERS = ("s", *_WHOLE, *_FRACTIONS)


def _format(frame: Frame, text: Any, values: Any) -> str:
    if type(text) is not str or type(values) not in LISTS:
        raise unfit("format", text, values)
    frame.build(text_size(text) + ITEM * len(values))
    pieces, at, used = [], 0, 0
    for found in _DIRECTIVE.finditer(text):
        pieces.append(text[at : found.start()])
        at = found.end()
        frame.work(500)
        if found[0] == "%%":
            pieces.append("%")
            continue
        if found[2] == "":
            raise NoValue("format: found '%' at the end, write %% for a percent sign")
        if used == len(values):
            if found[2] not in _LETTERS:
                raise _no_directive(found[0])
            raise NoValue(f"format: {short(found[0])!r} has no value: found {len(values)} values")
        pieces.append(_piece(frame, found[0], found[1], found[2], fit(values[used], frame)))
        used += 1
    if used < len(values):
        raise NoValue(f"format: found {len(values)} values for {used} places such as %s")
    pieces.append(text[at:])
    if _width(pieces) > 1:
        frame.build(4 * sum(map(len, pieces)))
    return "".join(pieces)


def _no_directive(written: str) -> NoValue:
    expected = "%s, %d, %f, %.2f, %e, %x, %X, %o, %b or %%"
    return NoValue(f"format: found {short(written)!r}, expected {expected}")


def _piece(frame: Frame, written: str, digits: str | None, letter: str, value: Any) -> str:
    kind = type(value)
    if digits is not None and (letter not in _FRACTIONS or int(digits) > MOST_DIGITS):
        expected = f"'%.2f' or '%.2e' with at most {MOST_DIGITS} digits"
        raise NoValue(f"format: found {short(written)!r}, expected {expected}")
    if letter == "s":
        return _plain(frame, value)
    if letter in _FRACTIONS:
        if kind is bool or not isinstance(value, int | float):
            raise NoValue(f"format: '{written}' takes a number: found {kind_of(value)}")
        if letter == "f" and isinstance(value, int):
            value = Decimal(value)  # beyond 2^53 a double isn't exact
        result = f"{value:.{6 if digits is None else int(digits)}{letter}}"
        frame.build(len(result))
        return result
    if letter in _WHOLE:
        if kind is bool or not isinstance(value, int):
            raise NoValue(f"format: '{written}' takes a whole number: found {kind_of(value)}")
        return f"{int(value):{letter}}"
    raise _no_directive(written)


def _plain(frame: Frame, value: Any) -> str:
    """A value as `%s` shows it: as `string` does, null as `null`, lists and maps as JSON."""
    if value is None:
        return "null"
    if type(value) in LISTS or type(value) is dict:
        text = msgspec.json.encode(to_json(value, frame)).decode()
        frame.build(text_size(text))
        return text
    text = str(CONVERSIONS["string"](frame, value))
    frame.build(text_size(text))
    return text


TEXTS = (
    Declared("lower", ["text"], "text", _lower),
    Declared("upper", ["text"], "text", _upper),
    Declared("trim", ["text"], "text", _trim),
    Declared("split", ["text text", "text text int"], "texts", _split),
    Declared("join", ["list", "list text"], "text", _join),
    Declared("replace", ["text text text", "text text text int"], "text", _replace),
    Declared("substring", ["text int", "text int int"], "text", _substring),
    Declared("format", ["text list"], "text", _format),
)
