"""The least amount that an expression builds: one that can never fit is refused at the push.

Law: an expression that is refused here fails for all data except empty texts and lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journeys.expressions.frame import ITEM, MAX_BUILT, text_size


def least_built(tree: Any) -> int:
    """The least bytes that an evaluation builds if each value it reads has one character or item.

    It stops counting a little above MAX_BUILT.
    """
    least = _Least()
    least.size(tree, {})
    return least.built


class _Least:
    """Attributes: built: bytes built so far."""

    def __init__(self) -> None:
        self.built = 0

    def size(self, node: Any, local: Mapping[str, int]) -> int:
        """The least size of a node's value, bytes; intermediate values are counted in `built`."""
        if self.built > MAX_BUILT:
            return 1
        if node.HasField("const"):
            return max(text_size(node.const.string_value), 1)
        if node.HasField("ident"):
            return local.get(node.ident.name, 1)
        if node.HasField("select"):
            self.size(node.select.operand, local)
        elif node.HasField("call"):
            return self._call(node.call, local)
        elif node.HasField("list"):
            parts = [self.size(item, local) for item in node.list.elements]
            return sum(parts) + ITEM * len(parts)
        elif node.HasField("struct"):
            return sum(self.size(entry.value, local) for entry in node.struct.entries) + ITEM
        elif node.HasField("comprehension"):
            return self._macro(node.comprehension, local)
        return 1

    def _call(self, call: Any, local: Mapping[str, int]) -> int:
        if call.function in ("_&&_", "_||_", "@not_strictly_false"):
            self.size(call.args[0], local)  # the other operand may not be evaluated
            return 1
        if call.function == "_?_:_":
            self.size(call.args[0], local)
            return min(self._untaken(side, local) for side in call.args[1:])
        parts = [self.size(part, local) for part in call.args]
        if call.HasField("target"):
            self.size(call.target, local)
        if call.function != "_+_":
            return 1
        if call.args[0].ident.name.startswith("@"):  # a macro appends to its list in place
            return parts[1]
        self.built += sum(parts)
        return sum(parts)

    def _untaken(self, node: Any, local: Mapping[str, int]) -> int:
        built = self.built
        size = self.size(node, local)
        self.built = built
        return size

    def _macro(self, loop: Any, local: Mapping[str, int]) -> int:
        self.size(loop.iter_range, local)
        items = list(loop.iter_range.list.elements) if loop.iter_range.HasField("list") else []
        least = min((self._untaken(item, local) for item in items), default=1)
        turns = len(items) if loop.loop_condition.const.bool_value else min(len(items), 1)
        inside = {**local, loop.iter_var: least, loop.accu_var: 0}
        before = self.built
        added = self._turn(loop.loop_step, inside)
        self.built += (self.built - before) * max(turns - 1, 0)
        return max(added * turns, 1)

    def _turn(self, step: Any, local: Mapping[str, int]) -> int:
        """What an iteration adds to the result: nothing for `exists` and `all`, whose condition is
        counted all the same."""
        if step.call.function in ("_&&_", "_||_"):
            self.size(step.call.args[1], local)
            return 0
        return self.size(step, local)
