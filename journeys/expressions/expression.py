"""Compiles CEL expressions once and evaluates them against the data of a step.

Law: whatever the data, an evaluation returns a JSON value or raises ExpressionFailed, within the
bounds of frame.py. The CEL library parses and checks expressions; it evaluates none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf.message import DecodeError

from journeys.expressions import syntax as cel_ast
from journeys.expressions.errors import CelError as CelError
from journeys.expressions.errors import check_names, compile_error, mixed_type, read_counts
from journeys.expressions.evaluator import Evaluator
from journeys.expressions.fast_path import (
    NeedsEvaluator,
    Prefilter,
    compile_direct,
    compile_prefilter,
)
from journeys.expressions.frame import MAX_BUILT, NoValue
from journeys.expressions.functions import DECLARED, FUNCTIONS, FUNCTIONS_OF_DURATIONS, Functions
from journeys.expressions.growth import least_built
from journeys.expressions.origins import length, written
from journeys.expressions.scope import VARIABLES, CountPath, Reader, count_readers
from journeys.expressions.scope import Scope as Scope
from journeys.expressions.times import DURATIONS
from journeys.expressions.values import kind_of

MAX_EXPRESSION = 10_000
"""Characters in one expression."""
_COUNT = cel.FunctionDecl(
    cel_ast.COUNT,
    [
        cel.Overload(
            "count_event_window",
            return_type=cel.Type.INT,
            parameters=[cel.Type.STRING, cel.Type.STRING],
        )
    ],
)
_NOW = ("now",)
_READ_NOW = frozenset(one.name for one in DECLARED if one.reads_now)


class ExpressionFailed(Exception):
    """An expression has no value for the data at hand.

    Attributes:
        text: the expression, as its author wrote it.
        why: the reason, as outcomes report it.
    """

    def __init__(self, text: str, why: str) -> None:
        text = written(text)
        super().__init__(f"{text}: {why}")
        self.text = text
        self.why = why


class Expression:
    """One compiled expression.

    Attributes:
        text: with its lets written out.
        written: as its author wrote it.
        paths: the paths it reads, such as `("entry", "properties", "total")`; a whole variable is
            `("event",)`; a call of `count` is `("count", "login", "10m")`.
        offsets: for each path, the positions of its names in the text, in characters.
        calls: its text literals that have to have a form, such as a time or a zone.
        type: CEL's name of its type in lower case, such as `bool`; `dyn` if it depends on data.
    """

    __slots__ = (
        "_counts",
        "_direct",
        "_evaluator",
        "_functions",
        "_prepared",
        "_tree",
        "calls",
        "offsets",
        "paths",
        "tested",
        "text",
        "type",
        "written",
    )

    def __init__(
        self,
        text: str,
        type: str,
        syntax: cel_ast.Syntax,
        counts: Mapping[str, CountPath],
        functions: Functions,
    ) -> None:
        self.text = text
        self.written = written(text)
        self.type = type
        references = syntax.references
        now = [_NOW] if _READ_NOW & syntax.functions else []
        self.paths = frozenset({*(one.path for one in references), *counts.values(), *now})
        self.tested = frozenset(one.path for one in references if one.tested)
        self.offsets = {reference.path: reference.offsets for reference in reversed(references)}
        self.calls = syntax.calls
        self._counts = count_readers(counts)
        self._tree = syntax.tree
        self._functions = functions
        self._prepared = False
        self._direct: Reader | None = None
        self._evaluator: Evaluator | None = None

    def evaluate(self, scope: Scope, nul: bool = False) -> Any:
        """Evaluate the expression.

        Args:
            nul: whether a text may have a NUL character, as in data; not in a condition, a key or a
                value that selects.

        Returns:
            a JSON value; times are ISO 8601 in UTC, durations seconds such as `90s`.

        Raises:
            ExpressionFailed: it has no value for this data, or reads a text that it may not.
            TooMuchWork: the input that the scope belongs to has no budget left.
        """
        direct = self._direct if self._prepared else self.direct
        if direct is not None:
            try:
                return direct(scope)
            except NeedsEvaluator:
                pass
        return self.by_evaluator(scope, nul=nul)

    @property
    def tree(self) -> Any:
        """The library's syntax tree, with what `syntax.py` notes in it."""
        return self._tree

    @property
    def direct(self) -> Reader | None:
        """The fast-path function, or None if the expression is not simple enough for one.

        It is compiled on first use, as that takes longer than the rest of compiling, and most
        documents don't get an event at once. It raises NeedsEvaluator for data that it can't
        evaluate.
        """
        if not self._prepared:
            self._direct, self._prepared = compile_direct(self._tree, self._counts), True
        return self._direct

    def by_evaluator(self, scope: Scope, *, nul: bool = False) -> Any:
        """`evaluate` without the fast path."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self._tree, self._counts, self._functions)
        try:
            return self._evaluator(scope, nul)
        except NoValue as error:
            raise ExpressionFailed(self.text, str(error)) from None


@lru_cache(maxsize=16_384)
def compile_cel(text: str, *, env: bool = False, duration: bool = False) -> Expression:
    """Compile and check one expression; the result is cached.

    Args:
        env: whether it may read `env`, as the headers of a Destination may.
        duration: whether its value is a duration; then `seconds(x)` and `ms(x)` are durations, not
            times.

    Raises:
        CelError: the text is not a valid expression.
    """
    if not text.strip():
        raise CelError("an empty expression: expected CEL", text, 0)
    if len(text) > MAX_EXPRESSION and length(text) > MAX_EXPRESSION:
        raise CelError(
            f"an expression of {length(text)} characters: at most {MAX_EXPRESSION} are allowed",
            text,
            0,
        )
    if "\0" in text:
        raise CelError("a NUL character in an expression", text, text.index("\0"))
    try:
        syntax = _parsed(text)
    except UnicodeError:
        raise CelError("the expression is not valid Unicode", text, 0) from None
    except DecodeError:  # protobuf's own limit, a little above the library's
        raise compile_error("recursion", text) from None
    except RuntimeError as error:
        raise compile_error(str(error), text) from None
    check_names(syntax, text, env)
    counts = read_counts(syntax, text)
    # If `event.userId` is declared as a variable, the checker takes `has(event.userId)` as a test
    # of that variable and rejects it; so tested paths are not declared.
    tested = frozenset(".".join(one.path) for one in syntax.references if one.tested)
    try:
        checked = _library(tested.intersection(VARIABLES), duration).compile(text)
        kind = checked.return_type().name().lower()
    except RuntimeError as error:
        kind = mixed_type(str(error), syntax.tree, text)
    if syntax.bound and least_built(syntax.tree) > MAX_BUILT:
        raise CelError(f"it builds texts and lists of more than {MAX_BUILT} bytes", text, 0)
    functions = FUNCTIONS_OF_DURATIONS if duration else FUNCTIONS
    return Expression(text, kind, syntax, counts, functions)


def _parsed(text: str) -> cel_ast.Syntax:
    return cel_ast.read(_library().compile(text, disable_check=True).serialize(), text)


@lru_cache(maxsize=256)
def _library(undeclared: frozenset[str] = frozenset(), duration: bool = False) -> Any:
    declared = {one.name: one.declaration() for one in DECLARED}
    if duration:
        declared |= {one.name: one.declaration() for one in DURATIONS}
    return cel.NewEnv(
        variables={name: kind for name, kind in VARIABLES.items() if name not in undeclared},
        functions=[_COUNT, *declared.values()],
    )


def condition(text: str, scope: Scope) -> bool:
    """Evaluate a condition.

    Raises:
        ExpressionFailed: it has no value, or one that is neither true nor false.
    """
    value = compile_cel(text).evaluate(scope)
    if value is True or value is False:
        return value
    raise ExpressionFailed(text, f"the condition is {kind_of(value)}, expected true or false")


@lru_cache(maxsize=16_384)
def prefilter(text: str) -> Prefilter | None:
    """Compile a condition to a prefilter, which rules out events before a step is prepared.

    A prefilter that returns false means that `condition` is false as well. Any other result, or
    NeedsEvaluator, decides nothing: the condition must then be evaluated.

    Returns:
        None if the condition is not simple enough, or reads more than a prefilter is given.
    """
    return compile_prefilter(_parsed(text).tree)


def always(text: str) -> bool | None:
    """The constant value of a condition that reads no data.

    Returns:
        whether it is true (False if it fails), or None if it depends on data.
    """
    expression = compile_cel(text)
    if expression.paths:
        return None
    try:
        return expression.evaluate(Scope()) is True
    except ExpressionFailed:
        return False
