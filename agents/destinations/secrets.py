"""Masks the values of secrets in text that others will read.

Law: no secret leaves this process except in the headers it was meant for, even if a destination's
answer repeats what it was sent, escaped in any way and more than once.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from journeys.expressions.templates import data_paths

PREFIX_VARIABLE = "JOURNEYS_ENV_PREFIX"
DEFAULT_PREFIX = "JOURNEYS_SECRET_"

MASK = "[secret]"
_LEVELS = 4
"""How many times a text is unescaped: JSON in JSON in a URL in HTML."""
_SHORTEST = 4
"""The shortest form of a secret that is searched for besides the secret itself, characters: shorter
ones would match anywhere."""

_ESCAPES = re.compile(
    r"(?P<percent>(?:%[0-9a-fA-F]{2})+)"
    r"|(?P<unicode>(?:\\u[0-9a-fA-F]{4})+)"
    r"|\\(?:x(?P<hex>[0-9a-fA-F]{2})|u\{(?P<point>[0-9a-fA-F]{1,6})\}|U(?P<wide>[0-9a-fA-F]{8})"
    r"|(?P<plain>[^uUx]))"
    r"|(?P<entity>&(?:\#[0-9]{1,8}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});?)",
    re.DOTALL,
)
_UNFINISHED = re.compile(
    r"(?:(?:%[89a-fA-F][0-9a-fA-F])*(?:%[0-9a-fA-F]?)?"
    r"|\\+(?:u\{?[0-9a-fA-F]{0,6}|U[0-9a-fA-F]{0,7}|x[0-9a-fA-F]?)?|&[#a-zA-Z0-9]{0,8})\Z"
)
_LETTERS = dict(zip("nrtbf0", "\n\r\t\b\f\0", strict=True))


class Secrets:
    """The variables of the environment that documents may use in headers.

    They are those whose names start with a prefix, JOURNEYS_SECRET_ unless JOURNEYS_ENV_PREFIX
    says another; `${env.TOKEN}` and `${env.JOURNEYS_SECRET_TOKEN}` both mean JOURNEYS_SECRET_TOKEN.
    So no document can read a variable that was not meant for documents, whatever it names.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._prefix = environment.get(PREFIX_VARIABLE, "").strip() or DEFAULT_PREFIX
        open_ones = {
            name: value.strip()
            for name, value in environment.items()
            if name.startswith(self._prefix) and value.strip()
        }
        texts = {name: value for name, value in open_ones.items() if _is_utf8(value)}
        short = {name.removeprefix(self._prefix): value for name, value in texts.items()}
        self.values = short | texts
        """The value of `${env.NAME}`, by NAME."""
        self._not_utf8 = open_ones.keys() - texts.keys()
        # The longest first: a secret may be the beginning of another.
        self._forms = sorted(
            {form for value in open_ones.values() for form in _forms(value)}, key=len, reverse=True
        )

    def lacking(self, data: object) -> list[str]:
        """The problems of the variables that expressions in a header or a whole document read, such
        as `JOURNEYS_SECRET_TOKEN is not set`."""
        read = {path[1] for path in data_paths(data) if len(path) > 1 and path[0] == "env"}
        full = {
            name if name.startswith(self._prefix) else f"{self._prefix}{name}"
            for name in map(str, read)
            if name not in self.values
        }
        return [
            f"{name} is {'not UTF-8' if name in self._not_utf8 else 'not set'}"
            for name in sorted(full)
        ]

    def masked(self, text: str, *, whole: bool = True) -> str:
        """The text with every secret in it replaced, however it is escaped. whole: False if the
        text may have been cut off in the middle of a secret."""
        if not self._forms:
            return text
        if not whole:
            text = _UNFINISHED.sub("", text)
        found: list[tuple[int, int]] = []
        level = _Level(text, range(len(text)), range(1, len(text) + 1))
        for _ in range(_LEVELS):
            found += self._places(level, whole)
            if not _may_be_escaped(level.text):
                break
            level = level.unescaped()
        return _without(text, found) if found else text

    def _places(self, level: _Level, whole: bool) -> Iterable[tuple[int, int]]:
        for form in self._forms:
            at = level.text.find(form)
            while at >= 0:
                yield level.starts[at], level.ends[at + len(form) - 1]
                at = level.text.find(form, at + len(form))
            if not whole:
                for size in range(min(len(form) - 1, len(level.text)), 0, -1):
                    if level.text.endswith(form[:size]):
                        yield level.starts[len(level.text) - size], level.ends[-1]
                        break


class _Level(NamedTuple):
    """A text that was unescaped a number of times, and where each character starts and ends in the
    original."""

    text: str
    starts: range | list[int]
    ends: range | list[int]

    def unescaped(self) -> _Level:
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for match in _ESCAPES.finditer(self.text):
            start, end = match.span()
            parts.append(self.text[at:start])
            starts.extend(self.starts[at:start])
            ends.extend(self.ends[at:start])
            meant = _meant(match)
            parts.append(meant)
            starts.extend([self.starts[start]] * len(meant))
            ends.extend([self.ends[end - 1]] * len(meant))
            at = end
        parts.append(self.text[at:])
        starts.extend(self.starts[at:])
        ends.extend(self.ends[at:])
        return _Level("".join(parts), starts, ends)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # an environment may hold any bytes
        return False
    return True


def _meant(escape: re.Match[str]) -> str:
    text, kind = escape.group(), escape.lastgroup
    if kind == "percent":
        return unquote_to_bytes(text).decode(errors="surrogateescape")
    if kind == "unicode":
        units = b"".join(int(unit, 16).to_bytes(2, "big") for unit in text.split("\\u")[1:])
        return units.decode("utf-16-be", errors="replace")
    if kind == "hex":
        return chr(int(escape["hex"], 16))
    if kind in ("point", "wide"):
        point = int(escape[kind], 16)
        return chr(point) if point < 0x110000 else text
    if kind == "plain":
        return _LETTERS.get(escape["plain"], escape["plain"])
    return html.unescape(text)


def _may_be_escaped(text: str) -> bool:
    return "%" in text or "\\" in text or "&" in text


def _without(text: str, found: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in sorted(found, key=lambda place: (place[0], -place[1])):
        if start >= at:
            parts += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def _forms(value: str) -> set[str]:
    """The forms of a secret to search for in a text that is already unescaped."""
    raw = value.encode(errors="surrogateescape")  # an environment may hold any bytes
    forms = {raw.hex(), raw.hex().upper(), value.replace(" ", "+")}
    for shift in range(3):  # base64 of a text that contains it at an unknown offset
        whole = base64.b64encode(b"\0" * shift + raw)
        first, last = (0, 2, 3)[shift], len(whole) - (0, 3, 2)[(shift + len(raw)) % 3]
        for alphabet in (whole, whole.translate(bytes.maketrans(b"+/", b"-_"))):
            forms.add(alphabet[first:last].decode())
    level = _Level(value, range(len(value)), range(len(value)))
    for _ in range(_LEVELS - 1):  # a secret may itself look escaped
        level = level.unescaped()
        forms.add(level.text)
    return {value} | {form for form in forms if len(form) >= _SHORTEST}
