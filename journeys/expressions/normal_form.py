"""The normal form of an expression: equal for two texts that differ only in how they are written.

Law: expressions with the same normal form have the same value for all data. Blanks, comments,
parentheses, quotes, `a["b"]` for `a.b`, the names that macros bind and those of lets don't count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journeys.expressions.errors import CelError
from journeys.expressions.expression import compile_cel

_APART = frozenset({"id", "lets"})
"""What the library and `syntax.py` note about a node, which is no part of its meaning."""

_NOTHING: Mapping[str, str] = {}


def normal_form(text: str, facts: Mapping[str, Any] | None = None) -> Any:
    """The normal form of an expression whose lets are written out; it can be compared.

    Args:
        facts: what fields of `journey` stand for, which then count instead of their names.
    """
    try:
        tree = compile_cel(text).tree
    except CelError:  # of a version that an earlier program accepted
        return text
    return _Form(facts or {}).of(tree, _NOTHING)


class _Form:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self._macros = 0

    def of(self, node: Any, bound: Mapping[str, str]) -> Any:
        """
        Args:
            bound: the variables of the macros around the node, and what replaces each.
        """
        if node.HasField("ident"):
            name = node.ident.name.lstrip(".")
            return "name", bound.get(name, name)
        if node.HasField("comprehension"):
            return self._macro(node.comprehension, bound)
        if node.HasField("select"):
            select = node.select
            return self._field(self.of(select.operand, bound), select.field, select.test_only)
        if node.HasField("call") and node.call.function == "_[_]":
            inner, key = node.call.args
            if key.HasField("const") and key.const.HasField("string_value"):
                return self._field(self.of(inner, bound), key.const.string_value, False)
        return self._message(node, bound)

    def _field(self, inner: Any, name: str, tested: bool) -> Any:
        if inner == ("name", "journey") and name in self._facts and not tested:
            return "fact", self._facts[name]
        return "field", inner, name, tested

    def _macro(self, loop: Any, bound: Mapping[str, str]) -> Any:
        # Numbered, not counted by depth: a name may hide that of an outer macro.
        self._macros += 1
        names = [loop.iter_var, loop.iter_var2, loop.accu_var]
        fresh = {name: f"@{self._macros}.{index}" for index, name in enumerate(names) if name}
        inside = {**bound, **fresh}
        return (
            "macro",
            bool(loop.iter_var2),
            self.of(loop.iter_range, bound),
            self.of(loop.accu_init, bound),
            self.of(loop.loop_condition, inside),
            self.of(loop.loop_step, inside),
            self.of(loop.result, inside),
        )

    def _message(self, message: Any, bound: Mapping[str, str]) -> Any:
        return tuple(
            (field.name, self._value(value, bound))
            for field, value in message.ListFields()
            if field.name not in _APART
        )

    def _value(self, value: Any, bound: Mapping[str, str]) -> Any:
        if hasattr(value, "DESCRIPTOR"):
            is_node = value.DESCRIPTOR.name == "Expr"
            return self.of(value, bound) if is_node else self._message(value, bound)
        if isinstance(value, str | bytes | bool | int | float):
            return type(value).__name__, value
        return tuple(self._value(one, bound) for one in value)
