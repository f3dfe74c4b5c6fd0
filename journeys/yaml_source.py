"""YAML text as documents that know the position of every key and value.

Law: whatever the bytes are, the answer is documents or problems, quickly. Nothing is coerced: only
`true`, `false`, `null`, integers and decimal numbers of YAML 1.2's core schema are not text.
Merge keys (`<<`) are refused; aliases are allowed and count as often as they are used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from journeys.problems import MOST_PROBLEMS, Problem, shown

MAX_BYTES = 1_000_000
"""Of one text, and of what its aliases expand to."""
MAX_DEPTH = 64

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
    """A value and where it starts; lines and columns count from 1.

    Attributes:
        value: a scalar, a dict of nodes by key, or a list of nodes.
        keys: of a mapping, where each key starts.
        style: of a text, how it is written: None (plain), `'`, `"`, `|` or `>`.
        start, end: of a text, its place in the source in characters.
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

    def plain(self) -> Any:
        """The value without positions, as JSON has it."""
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
        """Line and column of the character `offset` of a text value.

        A value's characters are those of its source but for white space, quotes and escapes, so
        the n-th character that is not white space is looked for there.
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
        before = self.text[:place]
        return before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1


class _RefusedError(Exception):
    def __init__(self, line: int, column: int, message: str, **facts: str | None) -> None:
        super().__init__(message)
        self.line, self.column, self.message, self.facts = line, column, message, facts


def load(text: str | bytes, file: str) -> tuple[Source | None, list[Problem]]:
    """Reads YAML.

    Returns:
        The documents, or None where the text can't be read as YAML at all; and the problems.
        Duplicate keys and values that are not JSON don't hide the rest of the text.
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
        return None, [Problem(file, refused.line, refused.column, refused.message, **refused.facts)]
    except yaml.YAMLError as error:
        line, column, message = _yaml_error(error, decoded)
        return None, [Problem(file, line, column, message)]
    problems = [
        Problem(file, refused.line, refused.column, refused.message, **refused.facts)
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
            before = given[: error.start].decode("utf-8")
            line, column = _place(before)
            raise _RefusedError(
                line,
                column,
                f"found byte 0x{given[error.start]:02x}, which is not UTF-8: expected UTF-8 text",
                found=f"byte 0x{given[error.start]:02x}",
                expected="UTF-8 text",
            ) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
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


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


class _Builder:
    """Builds nodes from parser events, without recursion, counting size and depth on the way."""

    def __init__(self, text: str) -> None:
        self._text = text
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

    def _collection(self, event: Any) -> YamlNode:
        mark = event.start_mark
        self._check_tag(event, "map" if isinstance(event, yaml.MappingStartEvent) else "seq")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # open: an alias to it would contain itself
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        return YamlNode(mark.line + 1, mark.column + 1, value)

    def _close(self, node: YamlNode, items: list[YamlNode]) -> None:
        node.cost = 1 + sum(item.cost for item in items)
        node.height = 1 + max((item.height for item in items), default=0)
        if isinstance(node.value, list):
            node.value = items
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._entry(node, key, value)

    def _entry(self, node: YamlNode, key: YamlNode, value: YamlNode) -> None:
        if not isinstance(key.value, str):
            found = shown(key.value)
            hint = "" if isinstance(key.value, dict | list) else ": write it in quotes"
            self._problem(key, f"a key must be text: found {found}, expected text{hint}", found)
        elif key.value == "<<" and key.style is None:
            self._problem(key, "merge keys ('<<') are not supported: write the fields out", "'<<'")
        elif key.value in node.value:
            line = node.keys[key.value][0]
            self._problem(
                key,
                f"the key {shown(key.value)} is there twice: the first is on line {line}",
                f"'{key.value}'",
            )
        else:
            node.value[key.value] = value
            node.keys[key.value] = (key.line, key.column)

    def _scalar(self, event: Any) -> YamlNode:
        mark, end = event.start_mark, event.end_mark
        node = YamlNode(
            mark.line + 1, mark.column + 1, event.value, {}, None, mark.index, end.index
        )
        node.cost = 1 + len(event.value)
        tag = self._check_tag(event, *_TAGS)
        if event.style in ("'", '"', "|", ">") or tag == "!":
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
                return 0
            return whole
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
        elif not _NOT_FINITE.fullmatch(text):
            return text
        self._problem(node, f"found {text}, expected a finite number", text)
        return 0.0

    def _alias(self, event: Any, depth: int) -> YamlNode:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.anchor not in self._anchors:
            raise _RefusedError(
                line, column, f"'*{event.anchor}' names nothing: expected an anchor above it"
            )
        node = self._anchors[event.anchor]
        if node is None:
            raise _RefusedError(line, column, f"'*{event.anchor}' contains itself")
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

    def _check_tag(self, event: Any, *known: str) -> str | None:
        tag: str | None = event.tag
        if tag is None or tag == "!" or tag.removeprefix(_CORE) in known:
            return tag
        name = tag.replace(_CORE, "!!")
        raise _RefusedError(
            event.start_mark.line + 1,
            event.start_mark.column + 1,
            f"found the tag '{name}': expected none",
            found=name,
        )

    def _problem(self, node: YamlNode, message: str, found: str | None = None) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(_RefusedError(node.line, node.column, message, found=found))

    def _too_deep(self, node: YamlNode) -> None:
        raise _RefusedError(
            node.line, node.column, f"nested too deeply: expected at most {MAX_DEPTH} levels"
        )


def _written(text: str, node: YamlNode) -> Iterator[tuple[int, int]]:
    """Where each character of a text value that is not white space is written: (start, end)."""
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


def _yaml_error(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    """The parser's complaint as place and message."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, 1, f"this is not YAML: {error}".split("\n")[0]
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    problem = error.problem or "it can't be read"
    if "cannot start any token" in problem and mark is not None and mark.index < len(text):
        char = text[mark.index]
        if char == "\t":
            return line, column, "found a tab, expected spaces: YAML is not indented with tabs"
        return line, column, f"found '{char}', which can't start a value: write it in quotes"
    problem = problem.replace("did not find expected", "expected")
    problem = problem.replace("<document start>", "the start of a document")
    message = f"this is not YAML: {problem}"
    if error.context is not None and "next token" not in error.context:
        message += f" ({error.context}"
        if error.context_mark is not None and error.context_mark.line + 1 != line:
            message += f" that starts on line {error.context_mark.line + 1}"
        message += ")"
    return line, column, message
