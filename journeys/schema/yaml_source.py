"""Parses YAML into documents that know the position of every key and value.

Law: any bytes give documents or problems, in bounded time and memory. Scalars follow YAML 1.2's
core schema: everything but `true`, `false`, `null`, integers and decimal numbers is text. Merge
keys (`<<`) are refused. Aliases are allowed; each use counts toward the size limit.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from journeys.problems import MOST_PROBLEMS, Problem, short, shown
from journeys.schema.yaml_errors import QUOTES, mistake_of

MAX_BYTES = 1_000_000
"""Largest text, bytes; also the limit for what its aliases expand to."""
MAX_DEPTH = 64
"""Deepest nesting of mappings and lists."""

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CORE = "tag:yaml.org,2002:"
_TAGS = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True, eq=False)
class YamlNode:
    """A value and its position; lines and columns count from 1.

    Attributes:
        value: a scalar, a dict of nodes by key, or a list of nodes.
        keys: the line and column of each key of a mapping.
        style: how a text is written: None (plain), `'`, `"`, `|` or `>`.
        start, end: the position of a text in the source, in characters.
        cost: the size of the value with all below it, in values and characters.
        height: levels of nesting, this one included.
        damaged: whether a problem was found in it, so that parts of it may be missing.
    """

    line: int
    column: int
    value: Any
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    style: str | None = None
    start: int = 0
    end: int = 0
    cost: int = 1
    height: int = 1
    damaged: bool = False

    def plain(self) -> Any:
        """The value as plain JSON data, without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the documents in it."""

    file: str
    text: str
    documents: tuple[YamlNode, ...]

    def position(self, node: YamlNode, offset: int) -> tuple[int, int]:
        """Line and column in the source of the character at `offset` in a text value.

        Quotes, escapes and folded white space make offsets differ between value and source. The
        characters that are not white space have the same order in both, so they are counted.
        """
        if not isinstance(node.value, str):
            return node.line, node.column
        wanted = sum(not char.isspace() for char in node.value[:offset])
        at_space = offset >= len(node.value) or node.value[offset].isspace()
        place = node.start
        for count, (start, end) in enumerate(_written(self.text, node)):
            if at_space and count == wanted - 1:
                spaces = offset - len(node.value[:offset].rstrip())
                place = end + spaces
                break
            if not at_space and count == wanted:
                place = start
                break
        return _place(self.text[:place])


class _RefusedError(Exception):
    def __init__(
        self,
        line: int,
        column: int,
        message: str,
        found: str | None = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message
        self.found, self.expected = found, expected

    def of(self, file: str) -> Problem:
        return Problem(file, self.line, self.column, self.message, self.found, self.expected)


def load(text: str | bytes, file: str) -> tuple[Source | None, list[Problem]]:
    """Parse YAML.

    Returns:
        the documents, or None if the text can't be parsed at all; and the problems. Duplicate keys
        and values that are not JSON are problems, but the rest of the text is still read.
    """
    try:
        decoded = _decode(text)
        builder = _Builder(decoded)
        documents = tuple(builder.documents())
        if not documents and not builder.problems:
            raise _RefusedError(
                1,
                1,
                "no document: found nothing, expected 'kind', 'name' and what they need",
                found="nothing",
                expected="a document",
            )
    except _RefusedError as refused:
        return None, [refused.of(file)]
    except yaml.YAMLError as error:
        offset, message = mistake_of(error, decoded)
        return None, [Problem(file, *_place(decoded[:offset]), message)]
    problems = [
        refused.of(file)
        for refused in sorted(builder.problems, key=lambda one: (one.line, one.column))
    ]
    return Source(file, decoded, documents), problems


def _decode(given: str | bytes) -> str:
    size = len(given if isinstance(given, bytes) else given.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _RefusedError(
            1,
            1,
            f"the text is too large: found {size} bytes, expected at most {MAX_BYTES}",
            found=f"{size} bytes",
            expected=f"at most {MAX_BYTES} bytes",
        )
    text = given if isinstance(given, str) else ""
    if isinstance(given, bytes):
        try:
            text = given.decode("utf-8")
        except UnicodeDecodeError as error:
            line, column = _place(_unified(given[: error.start].decode("utf-8")))
            raise _RefusedError(
                line,
                column,
                f"found byte 0x{given[error.start]:02x}, which is not UTF-8: expected UTF-8 text",
                found=f"byte 0x{given[error.start]:02x}",
                expected="UTF-8 text",
            ) from None
    text = _unified(text)
    if (wrong := _NOT_YAML.search(text)) is not None:
        line, column = _place(text[: wrong.start()])
        found = f"the character U+{ord(wrong.group()):04X}"
        raise _RefusedError(
            line,
            column,
            f'found {found}, which YAML doesn\'t allow: expected printable text or "\\u..."',
            found=found,
            expected="printable text",
        )
    return text


def _unified(text: str) -> str:
    """The text with `\\n` as the only line end and without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _place(before: str) -> tuple[int, int]:
    """Line and column right after a text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


class _Builder:
    """Builds nodes from parser events without recursion, within the size and depth limits."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._anchors: dict[str, YamlNode | None] = {}
        self._spent = 0
        self.problems: list[_RefusedError] = []

    def documents(self) -> Iterator[YamlNode]:
        open_: list[tuple[YamlNode, str | None, list[YamlNode]]] = []
        for event in yaml.parse(self._text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                node = self._collection(event)
                open_.append((node, event.anchor, []))
                if len(open_) > MAX_DEPTH:
                    self._too_deep(node)
                continue
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                node, anchor, items = open_.pop()
                self._close(node, items)
                if anchor is not None:
                    self._anchors[anchor] = node
            elif isinstance(event, yaml.ScalarEvent):
                node = self._scalar(event)
                if event.anchor is not None:
                    self._anchors[event.anchor] = node
            elif isinstance(event, yaml.AliasEvent):
                node = self._alias(event, len(open_))
            else:
                continue
            if open_:
                open_[-1][2].append(node)
            elif not (node.value is None and node.start == node.end):
                yield node

    def _place(self, event: Any) -> tuple[int, int]:
        """Line and column of an event, as editors count: the parser's own count also ends lines at
        characters such as U+2028."""
        index = event.start_mark.index
        line = bisect_left(self._ends, index)
        return line + 1, index - (self._ends[line - 1] if line else -1)

    def _collection(self, event: Any) -> YamlNode:
        mapping = isinstance(event, yaml.MappingStartEvent)
        node = YamlNode(*self._place(event), {} if mapping else [])
        self._check_tag(node, event.tag, "map" if mapping else "seq")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # open: an alias to it would contain itself
        return node

    def _close(self, node: YamlNode, items: list[YamlNode]) -> None:
        node.cost = 1 + sum(item.cost for item in items)
        node.height = 1 + max((item.height for item in items), default=0)
        if isinstance(node.value, list):
            node.value = items
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._entry(node, key, value)
            node.damaged |= key.damaged

    def _entry(self, node: YamlNode, key: YamlNode, value: YamlNode) -> None:
        if not isinstance(key.value, str):
            found = shown(key.value)
            hint = ": write it in quotes"
            if isinstance(key.value, dict | list):
                hint = f", or {QUOTES} that begins with '{{' or '['"
            self._problem(key, f"a key must be text: found {found}, expected text{hint}", found)
        elif key.value == "<<" and key.style is None:
            self._problem(key, "merge keys ('<<') are not supported: write the fields out", "'<<'")
        elif key.value in node.value:
            line = node.keys[key.value][0]
            self._problem(
                key,
                f"the key {shown(key.value)} is duplicated: the first is on line {line}",
                f"'{key.value}'",
            )
        else:
            node.value[key.value] = value
            node.keys[key.value] = (key.line, key.column)

    def _scalar(self, event: Any) -> YamlNode:
        start, end = event.start_mark.index, event.end_mark.index
        node = YamlNode(*self._place(event), event.value, {}, None, start, end)
        node.cost = 1 + len(event.value)
        tag = self._check_tag(node, event.tag, *_TAGS)
        if event.style in ("'", '"', "|", ">"):
            node.style = event.style
        elif tag is None:
            node.value = self._resolve(node, event.value)
        if tag is not None and tag.startswith(_CORE):
            kind = _TAGS.get(tag.removeprefix(_CORE), str)
            value = event.value if kind is str else self._resolve(node, event.value)
            if type(value) is not kind and not (kind is float and type(value) is int):
                self._problem(node, f"found {shown(value)}, which is not !!{tag[len(_CORE) :]}")
            node.value = value
        return node

    def _resolve(self, node: YamlNode, text: str) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            digits = text.lstrip("+-0").lower()
            whole = 2**64 if len(digits) > 24 else int(text, 0 if text[:2] in ("0o", "0x") else 10)
            if not -(2**63) <= whole < 2**63:
                self._problem(
                    node, "found an integer beyond 64 bits: write it in quotes", "an integer"
                )
                return 1
            return whole
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
        elif not _NOT_FINITE.fullmatch(text):
            return text
        self._problem(node, f"found {text}, expected a finite number", text)
        return 1.0

    def _alias(self, event: Any, depth: int) -> YamlNode:
        line, column = self._place(event)
        node = self._anchors.get(event.anchor)
        if node is None:
            node = YamlNode(line, column, None)
            if event.anchor in self._anchors:
                self._problem(node, f"'*{short(event.anchor)}' contains itself")
            else:
                way = f"expected an anchor above it, or {QUOTES}"
                self._problem(node, f"'*{short(event.anchor)}' is not defined: {way}")
            return node
        self._spent += node.cost
        if self._spent > MAX_BYTES:
            raise _RefusedError(
                line,
                column,
                f"the aliases expand to too much: expected at most {MAX_BYTES} bytes in all",
            )
        if depth + node.height > MAX_DEPTH:
            self._too_deep(YamlNode(line, column, None))
        return node

    def _check_tag(self, node: YamlNode, tag: str | None, *known: str) -> str | None:
        if tag is None or tag.removeprefix(_CORE) in known:
            return tag
        name = short(tag.replace(_CORE, "!!"))
        # YAML reads a condition that begins with '!' as a tag and drops the negation.
        way = "" if name.startswith("!!") else f", or {QUOTES} where '!' means 'not'"
        self._problem(node, f"found the tag '{name}': expected none{way}", name)
        return None

    def _problem(self, node: YamlNode, message: str, found: str | None = None) -> None:
        node.damaged = True
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(_RefusedError(node.line, node.column, message, found=found))

    def _too_deep(self, node: YamlNode) -> None:
        raise _RefusedError(
            node.line, node.column, f"nested too deeply: expected at most {MAX_DEPTH} levels"
        )


def _written(text: str, node: YamlNode) -> Iterator[tuple[int, int]]:
    """The positions (start, end) in the source of a value's characters except white space."""
    at, end = node.start, node.end
    if node.style in ("|", ">"):
        at = text.find("\n", at) + 1
    elif node.style in ("'", '"'):
        at, end = at + 1, end - 1
    while at < end:
        char = text[at]
        width = 1
        if node.style == "'" and char == "'":
            width = 2
        elif node.style == '"' and char == "\\":
            width = 2 + {"x": 2, "u": 4, "U": 8}.get(text[at + 1], 0)
            if text[at + 1] in " tnrvfNLP_\n\t":
                at += width
                continue
        elif char.isspace():
            at += 1
            continue
        yield at, at + width
        at += width
