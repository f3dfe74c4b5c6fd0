"""Compiles the syntax tree of an expression to functions that evaluate it and count their work.

Law: the result is that of CEL's specification, always the same for the same data, and costs no more
than the frame allows. It differs from the library that checks expressions in three ways: numbers
compare by their exact value, doubles become text in their shortest form, and macros don't iterate
over maps, whose keys have no order. A property test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from journeys.expressions.frame import ITEM, NODE, UNREAD, Frame, NoValue, pattern
from journeys.expressions.functions import Functions, search
from journeys.expressions.scope import FIELDS, ROOTS, Path, Reader, Scope
from journeys.expressions.syntax import COUNT, Reference, counted_variable, lets_of, reference
from journeys.expressions.values import (
    LISTS,
    MACRO_CONDITION,
    NO_ORDER,
    Time,
    Type,
    Uint,
    fit,
    kind_of,
    map_key,
    to_json,
    unfit,
)

Term = Callable[[Frame], Any]
_MS = 1_000_000
_EVENTS = frozenset(("event", "entry"))
_STAMP = ("event", "timestamp")
_TEXTS = frozenset((root, name) for root in FIELDS for name in FIELDS[root]) - {
    (root, name)
    for root in FIELDS
    for name in ("properties", "context", "traits", "traits_once", "timestamp")
}
"""Fields that are texts; null counts as absent."""


class _Failed:
    """Replaces a macro's accumulated value when an iteration has no value."""

    __slots__ = ("error",)

    def __init__(self, error: NoValue) -> None:
        self.error = error


class Evaluator:
    """An expression that is ready to be evaluated.

    Args:
        tree: the expression as the library parsed it.
        counts: how to read the variables that replace calls of `count`.
        functions: what it may call.
    """

    __slots__ = ("_counts", "_functions", "_paths", "_slots", "_term", "_units")

    def __init__(self, tree: Any, counts: Mapping[str, Reader], functions: Functions) -> None:
        self._counts = counts
        self._functions = functions
        self._paths: dict[tuple[Path, bool], int] = {}
        self._slots = 0
        self._term = self._compile(tree, {})
        self._units = NODE * _nodes(tree)

    def __call__(self, scope: Scope, nul: bool) -> Any:
        """The value as JSON.

        Args:
            nul: whether a text with a NUL character may be read.

        Raises: NoValue: the expression has no value for this data. TooMuchWork: the input that the
            scope belongs to has no budget left.
        """
        frame = Frame(scope, len(self._paths), self._slots, nul)
        frame.work(self._units)
        return to_json(self._term(frame), frame)

    def _compile(self, node: Any, local: dict[str, int], step: bool = False) -> Term:
        """The function of a node; `step`: the node is a macro's step, run in each iteration."""
        found = reference(node, local)
        names = lets_of(node) if found is not None else node.lets.split()
        term = self._term_of(node, found, local, step)
        return _named(names, term) if names else term

    def _term_of(
        self, node: Any, found: Reference | None, local: dict[str, int], step: bool
    ) -> Term:
        if found is not None:
            if found.path[0] in ROOTS:
                return self._path(found.path, found.tested)
            kind = Type(".".join(found.path))
            return lambda _: kind
        if node.HasField("ident"):
            return _slot(local[node.ident.name])
        if node.HasField("const"):
            value = _constant(node.const)
            return lambda _: value
        if node.HasField("select"):
            return _field(self._compile(node.select.operand, local), node.select)
        if node.HasField("call"):
            return self._call(node, local, step)
        if node.HasField("list"):
            return self._list(node.list, local)
        if node.HasField("struct"):
            return self._map(node.struct, local)
        return self._macro(node.comprehension, local)

    # What an expression reads.

    def _path(self, path: Path, tested: bool) -> Term:
        at = self._paths.setdefault((path, tested), len(self._paths))

        def read(frame: Frame) -> Any:
            value = frame.values[at]
            if value is UNREAD:
                value = frame.values[at] = _read(path, tested, frame)
            return value

        return read

    # What an expression computes.

    def _call(self, node: Any, local: dict[str, int], step: bool) -> Term:
        call = node.call
        name = call.function
        if name == COUNT:
            count = self._counts[counted_variable(node)]
            return lambda frame: count(frame.scope)
        parts = [*([call.target] if call.HasField("target") else ()), *call.args]
        if name == "_+_" and (append := self._append(parts, local)) is not None:
            return append
        terms = [self._compile(part, local) for part in parts]
        if name == "_&&_":
            return _decided("" if step else "&&", False, *terms)
        if name == "_||_":
            return _decided("" if step else "||", True, *terms)
        if name == "_?_:_":
            return _chosen("" if step else "? :", *terms)
        if name == "@not_strictly_false":
            return _not_strictly_false(*terms)
        if name == "matches" and parts[-1].const.HasField("string_value"):
            return _matched(terms[0], parts[-1].const.string_value)
        function = self._functions[name]
        if len(terms) == 1:
            (only,) = terms
            return lambda frame: function(frame, only(frame))
        if len(terms) > 2:
            return lambda frame: function(frame, *[term(frame) for term in terms])
        one, other = terms
        if name == "_[_]":
            return lambda frame: fit(function(frame, one(frame), other(frame)), frame)
        return lambda frame: function(frame, one(frame), other(frame))

    def _append(self, parts: list[Any], local: dict[str, int]) -> Term | None:
        """`@result + [x]`, the expansion of macros such as `map`, appends to the list in place."""
        result, added = parts
        name = result.ident.name
        if not name.startswith("@") or name not in local or not added.HasField("list"):
            return None
        read = _slot(local[name])
        items = [self._compile(item, local) for item in added.list.elements]

        def append(frame: Frame) -> Any:
            found = read(frame)
            for item in items:
                value = item(frame)
                frame.build(ITEM)
                found.append(value)
            return found

        return append

    def _list(self, written: Any, local: dict[str, int]) -> Term:
        items = [self._compile(item, local) for item in written.elements]
        if items and all(item.HasField("const") for item in written.elements):
            constant = [_constant(item.const) for item in written.elements]
            return lambda _: constant  # safe to share: only the results of macros are changed

        def build(frame: Frame) -> list[Any]:
            frame.build(ITEM * len(items))
            return [item(frame) for item in items]

        return build

    def _map(self, written: Any, local: dict[str, int]) -> Term:
        entries = [
            (self._compile(entry.map_key, local), self._compile(entry.value, local))
            for entry in written.entries
        ]

        def build(frame: Frame) -> dict[Any, Any]:
            frame.build(6 * ITEM * len(entries))
            found: dict[Any, Any] = {}
            for key, value in entries:
                name = map_key(key(frame))
                if name in found:
                    raise NoValue("two keys of a map are equal")
                found[name] = value(frame)
            return found

        return build

    def _macro(self, loop: Any, local: dict[str, int]) -> Term:
        range_ = self._compile(loop.iter_range, local)
        start = self._compile(loop.accu_init, local)
        item_at, result_at = self._slots, self._slots + 1
        self._slots += 2
        inside = {**local, loop.iter_var: item_at, loop.accu_var: result_at}
        step = self._compile(loop.loop_step, inside, step=True)
        result = self._compile(loop.result, {**local, loop.accu_var: result_at})
        # `map` and `filter` never stop early, so an iteration that fails is final.
        strict = loop.loop_condition.const.bool_value
        goes_on = self._compile(loop.loop_condition, inside)
        units = NODE * (2 + _nodes(loop.loop_step))

        def run(frame: Frame) -> Any:
            items = range_(frame)
            if type(items) not in LISTS:
                what = NO_ORDER
                if type(items) is not dict:
                    what = f"a macro such as map or exists needs a list: found {kind_of(items)}"
                raise NoValue(what)
            slots = frame.slots
            slots[result_at] = start(frame)
            for item in items:
                frame.turn(units)
                if not strict and not goes_on(frame):
                    break
                try:
                    slots[item_at] = fit(item, frame)
                    slots[result_at] = step(frame)
                except NoValue as error:
                    if strict:
                        raise
                    slots[result_at] = _Failed(error)
            return result(frame)

        return run


def _named(names: list[str], term: Term) -> Term:
    """A term that names in its errors the lets that it stands for."""
    within = "in " + ", ".join(f"let.{name}" for name in names)

    def evaluate(frame: Frame) -> Any:
        try:
            return term(frame)
        except NoValue as error:
            raise NoValue(f"{within}: {error}") from None

    return evaluate


def _nodes(node: Any) -> int:
    """How many nodes a tree has."""
    return 1 + sum(
        _nodes(part)
        for field, value in node.ListFields()
        if field.message_type is not None
        for part in ([value] if hasattr(value, "ListFields") else value)
    )


def _constant(const: Any) -> Any:
    kind = const.WhichOneof("constant_kind")
    value: Any = None if kind in (None, "null_value") else getattr(const, kind)
    return Uint(value) if kind == "uint64_value" else value


def _slot(at: int) -> Term:
    def read(frame: Frame) -> Any:
        value = frame.slots[at]
        if type(value) is _Failed:
            raise value.error
        return value

    return read


def _field(operand: Term, select: Any) -> Term:
    name, tested = select.field, select.test_only

    def read(frame: Frame) -> Any:
        value = operand(frame)
        if type(value) is not dict:
            raise _no_fields(kind_of(value), name)
        if tested:
            return name in value
        if name not in value:
            raise NoValue(f'missing key "{name}"')
        return fit(value[name], frame)

    return read


def _no_fields(what: str, name: str) -> NoValue:
    return NoValue(f"found the field '{name}' of {what}, which has no fields")


def _decided(sign: str, by: bool, left: Term, right: Term) -> Term:
    """`&&` and `||`: an operand without a value is ignored if the other operand decides."""

    def evaluate(frame: Frame) -> Any:
        failed: NoValue | None = None
        one: Any = None
        try:
            one = left(frame)
            if one is by:
                return by
        except NoValue as error:
            failed = error
        try:
            other = right(frame)
        except NoValue as error:
            raise failed or error from None
        if other is by:
            return by
        if failed is not None:
            raise failed
        if type(one) is not bool or type(other) is not bool:
            raise _no_truth(sign, one, other)
        return not by

    return evaluate


def _no_truth(sign: str, *values: Any) -> NoValue:
    """The error of an operator that needs true or false; of a macro, if `sign` is empty."""
    return (
        unfit(sign, *values) if sign else NoValue(f"{MACRO_CONDITION}: found {kind_of(values[-1])}")
    )


def _chosen(sign: str, condition: Term, yes: Term, no: Term) -> Term:
    def evaluate(frame: Frame) -> Any:
        value = condition(frame)
        if type(value) is not bool:
            raise _no_truth(sign, value)
        return yes(frame) if value else no(frame)

    return evaluate


def _not_strictly_false(term: Term) -> Term:
    def evaluate(frame: Frame) -> bool:
        try:
            return term(frame) is not False
        except NoValue:
            return True

    return evaluate


def _matched(text: Term, written: str) -> Term:
    """`matches` with a literal pattern."""

    def evaluate(frame: Frame) -> bool:
        value = text(frame)
        if type(value) is not str:
            raise unfit("matches", value, written)
        return search(frame, value, pattern(written))

    return evaluate


# --- Reading a scope -----------------------------------------------------------------------------


def _read(path: Path, tested: bool, frame: Frame) -> Any:
    """The value at a path; raises NoValue if it is missing."""
    root, depth = path[0], 1
    value: Any = getattr(frame.scope, root)
    if root == "now":
        value = _time(value)
    else:
        if value is None:
            raise NoValue(f"there is no {root} in this step")
        if root == "steps":
            if len(path) < 3 or path[2:] == ("event",):
                value = _steps(value)
        elif len(path) < 2 and root in _EVENTS:
            value = _event(value)
        last = len(path) - 1
        while depth <= last and isinstance(value, dict):
            name = path[depth]
            found = value.get(name, UNREAD)
            if depth == last and found is None and path in _TEXTS:
                found = UNREAD
            if tested and depth == last:
                return found is not UNREAD
            if found is UNREAD:
                raise NoValue(f"{'.'.join(path[: depth + 1])} is missing")
            value = found
            if _is_time(path, depth):
                value = _time(value)
            depth += 1
    if depth < len(path):
        raise _no_fields(f"{'.'.join(path[:depth])}, {kind_of(value)}", path[depth])
    return fit(value, frame)


def _is_time(path: Path, depth: int) -> bool:
    """Whether the name at this depth is the `timestamp` of an event."""
    if path[depth] != "timestamp":
        return False
    return path[0] in _EVENTS if depth == 1 else path[0] == "steps" and path[2:4] == _STAMP


def _time(ms: Any) -> Any:
    return Time(ms * _MS) if type(ms) is int else ms


def _event(event: Any) -> Any:
    """An event that is read as a whole."""
    if not isinstance(event, dict) or "timestamp" not in event:
        return event
    return {**event, "timestamp": _time(event["timestamp"])}


def _steps(steps: Any) -> Any:
    """What all nodes captured."""
    return {
        node: {
            label: _event(value) if label == "event" else value for label, value in captured.items()
        }
        if isinstance(captured, dict)
        else captured
        for node, captured in steps.items()
    }
