"""Declares functions that the CEL library doesn't have, once for both checks and evaluation.

Law: a declared function can be called both ways, `f(x, y)` and `x.f(y)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cel_expr_python import cel

from journeys.expressions.operators import Function

_KINDS = {
    "any": cel.Type.DYN,
    "text": cel.Type.STRING,
    "texts": cel.Type.List(cel.Type.STRING),
    "list": cel.Type.List(cel.Type.DYN),
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "time": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
}


ABSENT: Any = object()
"""The value of an argument that is left out; a null is a value."""


def given(*values: Any) -> list[Any]:
    """The arguments without those left out."""
    return [value for value in values if value is not ABSENT]


class Declared(NamedTuple):
    """A function.

    Attributes:
        takes: the kinds of its arguments, `text int`; one text for each way to call it.
        gives: the kind of its value.
        call: takes the frame and the arguments.
        reads_now: whether its value depends on the time of the step.
    """

    name: str
    takes: Sequence[str]
    gives: str
    call: Function
    reads_now: bool = False

    def declaration(self) -> Any:
        """The declaration in the form that the CEL library takes."""
        overloads = [
            cel.Overload(
                f"{self.name}_{way}_{takes}".replace(" ", "_"),
                return_type=_KINDS[self.gives],
                parameters=[_KINDS[kind] for kind in takes.split()],
                is_member=way == "method",
            )
            for takes in self.takes
            for way in ("function", "method")
        ]
        return cel.FunctionDecl(self.name, overloads)
