"""Reads variables, paths and calls from the syntax tree that the official CEL library produces.

Law: everything that an expression can read is covered by a path found here or by a prefix of one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

COUNT = "count"
"""The function that returns how often an event occurred recently."""

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int64": _FIELD.TYPE_INT64,
    "uint64": _FIELD.TYPE_UINT64,
    "bytes": _FIELD.TYPE_BYTES,
    "int32": _FIELD.TYPE_INT32,
    "double": _FIELD.TYPE_DOUBLE,
    "string": _FIELD.TYPE_STRING,
    "bool": _FIELD.TYPE_BOOL,
}
# The part of cel/expr/syntax.proto that is read here: message -> field -> (number, type).
_SYNTAX: dict[str, dict[str, tuple[int, str]]] = {
    "Const": {
        "null_value": (1, "int32"),
        "bool_value": (2, "bool"),
        "int64_value": (3, "int64"),
        "uint64_value": (4, "uint64"),
        "double_value": (5, "double"),
        "string_value": (6, "string"),
        "bytes_value": (7, "bytes"),
    },
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr"), "field": (2, "string"), "test_only": (3, "bool")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "*Expr")},
    "List": {"elements": (1, "*Expr")},
    "Entry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Struct": {"message_name": (1, "string"), "entries": (2, "*Entry")},
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
        "iter_var2": (8, "string"),
    },
    "Expr": {
        "id": (2, "int64"),
        "const": (3, "Const"),
        "ident": (4, "Ident"),
        "select": (5, "Select"),
        "call": (6, "Call"),
        "list": (7, "List"),
        "struct": (8, "Struct"),
        "comprehension": (9, "Comprehension"),
    },
    "Position": {"key": (1, "int64"), "value": (2, "int32")},
    "SourceInfo": {"positions": (4, "*Position")},
    "Parsed": {"expr": (2, "Expr"), "source_info": (3, "SourceInfo")},
}


def _parsed_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="journeys/cel_syntax.proto", package="journeys.cel", syntax="proto3"
    )
    for name, fields in _SYNTAX.items():
        message = file.message_type.add(name=name)
        if name == "Const":  # a oneof, so that an empty text differs from no text
            message.oneof_decl.add(name="constant_kind")
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number)
            if name == "Const":
                added.oneof_index = 0
            added.label = _FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _FIELD.TYPE_MESSAGE
                added.type_name = f".journeys.cel.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("journeys.cel.Parsed"))


_Parsed = _parsed_class()


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable that an expression reads, with its fields as far as their names are literals.

    Attributes:
        path: the variable and its fields, such as `("event", "properties", "total")`.
        offsets: the position of each name, in characters from the start of the expression.
        dotted: how many of the names are written `a.b` and can form one declared variable.
        tested: whether it is the argument of `has`.
    """

    path: tuple[str, ...]
    offsets: tuple[int, ...]
    dotted: int
    tested: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """A call of `count`.

    Attributes:
        arguments: the text of each argument, or None where it is not a text literal.
        offset: its position, in characters.
        method: whether it is called on a value, `x.count()`.
    """

    arguments: tuple[str | None, ...]
    offset: int
    method: bool


LITERALS = frozenset("timestamp duration matches plus local date weekday next_anniversary".split())
"""Functions that need texts of a certain form; literal ones are checked when pushed."""


@dataclass(frozen=True, slots=True)
class Call:
    """A text literal among the arguments of a call of one of LITERALS.

    Attributes:
        at: which argument it is, from 0; in `x.f(y)`, x is the first one.
    """

    function: str
    text: str
    offset: int
    at: int


@dataclass(frozen=True, slots=True)
class Syntax:
    """What one expression names; `tree` is the library's own."""

    tree: Any
    references: tuple[Reference, ...]
    bound: tuple[tuple[str, int], ...]
    """Variables that macros such as `exists` bind, and where."""
    counted: tuple[Counted, ...]
    ranges: tuple[Reference, ...]
    """What macros iterate over, if that is a path or (with an empty path) a map literal."""
    calls: tuple[Call, ...]
    messages: tuple[tuple[str, int], ...]
    """Protobuf messages that it builds, `google.protobuf.Struct{...}`, and where."""
    internal: tuple[tuple[str, int], ...]
    """Internal functions of operators that are called by name, `_in_(1, [1])`."""
    functions: frozenset[str]
    """What it calls, operators included, by the library's names."""


def read(serialized: bytes, text: str) -> Syntax:
    """Reads an expression compiled without check.

    Args:
        serialized: what the library's `serialize` returns.
        text: the expression, to find the names in it.
    """
    container = any_pb2.Any()
    container.ParseFromString(serialized)
    parsed = _Parsed()
    parsed.ParseFromString(container.value)
    positions = {entry.key: entry.value for entry in parsed.source_info.positions}
    reader = _Reader(text, positions)
    references = tuple(reader.walk(parsed.expr, frozenset()))
    return Syntax(
        parsed.expr,
        references,
        tuple(reader.bound),
        tuple(reader.counted),
        tuple(reader.ranges),
        tuple(reader.calls),
        tuple(reader.messages),
        tuple(reader.internal),
        frozenset(reader.functions),
    )


def reference(node: Any, local: Collection[str] = ()) -> Reference | None:
    """The path that a node of the tree stands for, without offsets; None if it is not a path.

    Args:
        local: the variables that macros around the node bind.
    """
    return _Reader("", {})._path(node, local)


def counted_variable(node: Any) -> str:
    """The variable that replaces a node that calls `count`."""
    event, window = (_text_of(argument) or "" for argument in node.call.args)
    return count_variable(event, window)


def count_variable(event: str, window: str) -> str:
    """The variable that replaces a call of `count`; no expression can name it."""
    return f"{COUNT}:{window}:{event}"


def _text_of(node: Any) -> str | None:
    written = node.HasField("const") and node.const.HasField("string_value")
    return node.const.string_value if written else None


class _Reader:
    def __init__(self, text: str, positions: dict[int, int]) -> None:
        self._text = text
        self._positions = positions
        self.bound: list[tuple[str, int]] = []
        self.ranges: list[Reference] = []
        self.counted: list[Counted] = []
        self.calls: list[Call] = []
        self.messages: list[tuple[str, int]] = []
        self.internal: list[tuple[str, int]] = []
        self.functions: set[str] = set()

    def _offset(self, node: Any, name: str) -> int:
        # A selection's position is its dot or bracket; the name follows it.
        start = self._positions.get(node.id, 0)
        found = self._text.find(name, start)
        return found if found >= 0 else start

    def _path(self, node: Any, local: Collection[str]) -> Reference | None:
        """The path that `node` stands for, or None if it is not a path."""
        if node.HasField("ident"):
            name = node.ident.name.lstrip(".")
            if name in local or name.startswith("@"):
                return None
            return Reference((name,), (self._offset(node, name),), 1)
        if node.HasField("select"):
            inner = self._path(node.select.operand, local)
            if inner is None:
                return None
            field = node.select.field
            return Reference(
                (*inner.path, field),
                (*inner.offsets, self._offset(node, field)),
                inner.dotted + (inner.dotted == len(inner.path)),
                node.select.test_only,
            )
        if node.HasField("call") and node.call.function == "_[_]":
            inner = self._path(node.call.args[0], local)
            key = node.call.args[1]
            field = _text_of(key)
            if inner is None or field is None:
                return None
            offsets = (*inner.offsets, self._offset(key, field))
            return Reference((*inner.path, field), offsets, inner.dotted)
        return None

    def walk(self, node: Any, local: frozenset[str]) -> Iterator[Reference]:
        path = self._path(node, local)
        if path is not None:
            yield path
            return
        if node.HasField("select"):
            yield from self.walk(node.select.operand, local)
        elif node.HasField("call"):
            name = node.call.function
            self.functions.add(name)
            if name[:1] == "." or (name[:1] == "_" and name.isidentifier()):
                self.internal.append((name, self._text.find(name)))
            if name == COUNT:
                self._count(node)
            elif node.call.function in LITERALS:
                self._call(node)
            if node.call.HasField("target"):
                yield from self.walk(node.call.target, local)
            for argument in node.call.args:
                yield from self.walk(argument, local)
        elif node.HasField("list"):
            for element in node.list.elements:
                yield from self.walk(element, local)
        elif node.HasField("struct"):
            if node.struct.message_name:
                place = self._positions.get(node.id, 0)
                self.messages.append((node.struct.message_name, place))
            for entry in node.struct.entries:
                if entry.HasField("map_key"):
                    yield from self.walk(entry.map_key, local)
                yield from self.walk(entry.value, local)
        elif node.HasField("comprehension"):
            yield from self._comprehension(node, local)

    def _count(self, node: Any) -> None:
        opening = self._positions.get(node.id, 0)
        offset = max(self._text.rfind(COUNT, 0, opening + 1), 0)
        arguments = tuple(_text_of(argument) for argument in node.call.args)
        self.counted.append(Counted(arguments, offset, node.call.HasField("target")))

    def _call(self, node: Any) -> None:
        target = [node.call.target] if node.call.HasField("target") else []
        for at, argument in enumerate([*target, *node.call.args]):
            text = _text_of(argument)
            if text is not None:
                start = self._positions.get(node.id, 0)
                offset = max(self._text.rfind(node.call.function, 0, start + 1), 0)
                self.calls.append(Call(node.call.function, text, offset, at))

    def _comprehension(self, node: Any, local: frozenset[str]) -> Iterator[Reference]:
        loop = node.comprehension
        names = [name for name in (loop.iter_var, loop.iter_var2) if name]
        start = self._positions.get(node.id, 0)
        self.bound += [(name, max(self._text.find(name, start), 0)) for name in names]
        if loop.iter_range.HasField("struct"):
            self.ranges.append(Reference((), (self._positions.get(loop.iter_range.id, 0),), 0))
        elif (path := self._path(loop.iter_range, local)) is not None:
            self.ranges.append(path)
        yield from self.walk(loop.iter_range, local)
        yield from self.walk(loop.accu_init, local)
        inside = local | {*names, loop.accu_var}
        for part in (loop.loop_condition, loop.loop_step, loop.result):
            yield from self.walk(part, inside)
