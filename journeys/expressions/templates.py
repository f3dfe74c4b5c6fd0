"""Renders data with `${CEL}` inside: payloads, labels, traits, headers.

Law: a text that consists of one `${...}` becomes the value itself, with its type; any other text is
joined from its pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from journeys.expressions.expression import (
    CelError,
    Expression,
    ExpressionFailed,
    Scope,
    compile_cel,
)
from journeys.expressions.interpolation import Hole, UnclosedError, pieces
from journeys.expressions.scope import Path
from journeys.expressions.values import kind_of, number_text, plain_text
from journeys.time import LONGEST, parse_duration

_SECONDS = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)s")


def render(data: Any, scope: Scope, *, env: bool = False) -> Any:
    """Render data once; raises ExpressionFailed if an expression has no value."""
    return template(data, env=env)(scope)


def template(data: Any, *, env: bool = False) -> Callable[[Scope], Any]:
    """Compile data to a function that renders it for a scope; it raises ExpressionFailed.

    Args:
        env: whether the expressions may read `env`.
    """
    if isinstance(data, str) and "${" in data:
        parts = pieces(data)
        if len(parts) == 1 and isinstance(parts[0], Hole):
            return partial(_hole(parts[0], env).evaluate, nul=True)
        texts = [_constant(part) if isinstance(part, str) else _text(part, env) for part in parts]
        return lambda scope: "".join([text(scope) for text in texts])
    if isinstance(data, dict):
        fields = [(key, template(value, env=env)) for key, value in data.items()]
        return lambda scope: {key: value(scope) for key, value in fields}
    if isinstance(data, list | tuple):
        items = [template(value, env=env) for value in data]
        return lambda scope: [item(scope) for item in items]
    return _constant(data)


def _constant(data: Any) -> Callable[[Scope], Any]:
    return lambda _: data


def _text(hole: Hole, env: bool) -> Callable[[Scope], str]:
    evaluate = _hole(hole, env).evaluate
    return lambda scope: as_text(evaluate(scope, True), hole.text)


def data_paths(data: Any, *, duration: bool = False) -> frozenset[Path]:
    """The paths that the expressions inside data read; duration: see `compile_cel`."""
    if isinstance(data, str):
        found = data_expressions(data, env=True, duration=duration)
        return frozenset().union(*(expression.paths for expression, _ in found))
    if isinstance(data, dict):
        return frozenset().union(*map(data_paths, data.values()))
    if isinstance(data, list | tuple):
        return frozenset().union(*map(data_paths, data))
    return frozenset()


def data_expressions(
    text: str, *, env: bool = False, duration: bool = False
) -> list[tuple[Expression, int]]:
    """The expressions in a text, each with its offset in characters.

    Args:
        duration: whether they are meant to give durations, see `compile_cel`.

    Raises:
        CelError: one is not valid; its position is relative to `text`.
    """
    try:
        holes = [part for part in pieces(text) if isinstance(part, Hole)]
    except UnclosedError as error:
        raise CelError(str(error), text, error.offset) from None
    found = []
    for hole in holes:
        try:
            found.append((compile_cel(hole.text, env=env, duration=duration), hole.offset))
        except CelError as error:
            offset = hole.offset + error.offset
            raise CelError(error.message, text, offset, error.nearest) from None
    return found


def duration(text: str, scope: Scope) -> int:
    """What the expression of a duration, `${CEL}`, gives: ms, also 0 or less.

    Raises:
        ExpressionFailed: it gives no duration, or one of more than 1,000 years.
    """
    expression = text[2:-1]  # a checked document has no other text around it
    value = compile_cel(expression, duration=True).evaluate(scope)
    if isinstance(value, str):
        try:
            seconds = _SECONDS.fullmatch(value)
            ms = int(Decimal(seconds[1]) * 1_000) if seconds else parse_duration(value)
        except ValueError as error:
            raise ExpressionFailed(expression, f"{str(error)[:200]}") from None
        if abs(ms) > LONGEST:
            raise ExpressionFailed(expression, f"{value[:40]} is longer than 1,000 years")
        return ms
    expected = "expected a duration"
    if isinstance(value, int | float) and not isinstance(value, bool):
        expected += ": write hours(x) or days(x), which say what the number counts"
    raise ExpressionFailed(expression, f"found {kind_of(value)}, {expected}")


def as_text(value: Any, expression: str) -> str:
    """A value as it is joined with text; numbers in their shortest round-trip form.

    Args:
        expression: what gave the value, for the error.

    Raises:
        ExpressionFailed: the value is null, a list or a map.
    """
    if isinstance(value, float):
        return number_text(value)
    text = plain_text(value)
    if text is None:
        raise ExpressionFailed(expression, f"{kind_of(value)} has no form as text")
    return text


def _hole(hole: Hole, env: bool) -> Expression:
    return compile_cel(hole.text, env=env)
