"""What is wrong with an expression, in words and at the place that its author expects.

Law: no message of the CEL library reaches a user without its operators, types and positions in the
words of the document.
"""

from __future__ import annotations

import re

from journeys.cel_ast import COUNT, Syntax, count_variable
from journeys.problems import suggest
from journeys.scope import EVENT, FIELDS, MAPS, ROOTS, Path
from journeys.time import parse_duration

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

NO_ORDER = "a macro such as map or exists needs a list: found a map, whose keys have no order"
_TYPE_WORDS = frozenset(
    "bool bytes double dyn int list map null_type string type uint google.protobuf.Timestamp "
    "google.protobuf.Duration".split()
)
_FUNCTIONS = (
    "all bool bytes contains count double duration dyn endsWith exists exists_one filter getDate "
    "getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes "
    "getMonth getSeconds has int map matches size startsWith string timestamp type uint"
).split()
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_NUMBERS = re.compile(r"\b(int|int64|uint|uint64|double)\b")


class CelError(ValueError):
    """A text is not an expression; `line` and `column` count from 1, `offset` in characters."""

    def __init__(self, message: str, text: str, offset: int, near: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = min(max(offset, 0), len(text))
        self.nearest = near
        before = text[: self.offset]
        self.line = before.count("\n") + 1
        self.column = self.offset - (before.rfind("\n") + 1) + 1


def check_names(syntax: Syntax, text: str, env: bool) -> None:
    for name, offset in syntax.bound:
        if name in ROOTS:
            raise CelError(f"'{name}' has a meaning already: choose another name", text, offset)
    for iterated in syntax.ranges:
        if not iterated.path or ".".join(iterated.path) in MAPS:
            raise CelError(NO_ORDER, text, iterated.offsets[0])
    for reference in syntax.references:
        path, offsets = reference.path, reference.offsets
        root = path[0]
        if root not in ROOTS:
            if root in _TYPE_WORDS or root == "google":
                continue
            tail, near = suggest(root, [name for name in ROOTS if env or name != "env"])
            raise CelError(f"unknown name '{root}'{tail}", text, offsets[0], near)
        if root == "env":
            _check_env(path, offsets, text, env)
        if root == "steps":
            if len(path) < 2:
                raise CelError("'steps' needs the name of a node: steps.<node>", text, offsets[0])
            known = EVENT if path[2:3] == ("event",) else None
            at = 3
        else:
            known = FIELDS.get(root)
            at = 1
        if known is not None and len(path) > at and path[at] not in known:
            tail, near = suggest(path[at], known, most=9)
            inside = ".".join(path[:at])
            if near is None and known is EVENT:
                tail += f" (what a producer sends is under {inside}.properties)"
            raise CelError(f"'{inside}' has no field '{path[at]}'{tail}", text, offsets[at], near)


def read_counts(syntax: Syntax, text: str) -> dict[str, tuple[str, str, str]]:
    """What the calls of `count` ask for, by the variable that stands for each.

    Raises:
        CelError: the event's name or the window is not written out, or is none.
    """
    found = {}
    for call in syntax.counted:
        given = call.arguments
        if call.method or len(given) != 2 or None in given or not given[0]:
            expected = "the name of an event and a duration, both written out"
            raise CelError(f"'count' takes {expected}: count('event', '10m')", text, call.offset)
        event, window = str(given[0]), str(given[1])
        try:
            if parse_duration(window) == 0:
                raise ValueError("a window of no length counts nothing")
        except ValueError as error:
            raise CelError(f"'count': {error}", text, call.offset) from None
        found[count_variable(event, window)] = (COUNT, event, window)
    return found


def _check_env(path: Path, offsets: tuple[int, ...], text: str, allowed: bool) -> None:
    if not allowed:
        raise CelError("'env' can be read only in the headers of a Destination", text, offsets[0])
    if len(path) != 2 or not _ENV_NAME.fullmatch(path[1]):
        raise CelError("'env' is read by a name: expected env.NAME", text, offsets[-1])


def compile_error(error: str, text: str) -> CelError:
    """The library's first error, in words and at the place a reader of the document expects."""
    if "recursion" in error:
        return CelError("the expression is nested too deeply: at most 32 levels", text, 0)
    found = _ERROR.findall(error)
    if not found:
        return CelError(error.split("\n")[0].removesuffix(" [INVALID_ARGUMENT]"), text, 0)
    line, column, message = found[0]
    lines = text.split("\n")
    offset = sum(len(one) + 1 for one in lines[: int(line) - 1]) + max(int(column) - 1, 0)
    if message.startswith("Syntax error: "):
        return CelError(_syntax_error(message.removeprefix("Syntax error: ")), text, offset)
    for line, column, undeclared in found:
        name = re.match(r"undeclared reference to '([^']+)'", undeclared)
        if name is not None and name[1] not in ROOTS:
            offset = sum(len(one) + 1 for one in lines[: int(line) - 1]) + int(column) - 1
            at = text.rfind(name[1], 0, offset + 1)
            tail, near = suggest(name[1], _FUNCTIONS)
            return CelError(
                f"unknown function '{name[1]}'{tail}", text, at if at >= 0 else offset, near
            )
    return CelError(arithmetic_hint(plain_operators(message)), text, offset)


def _syntax_error(message: str) -> str:
    unexpected = re.match(
        r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: expecting|$)", message
    )
    if unexpected is None:
        token = re.match(r"token recognition error at: '(.*)", message)
        if token is None:
            return f"the expression can't be read: {message.split(' expecting ')[0]}"
        shown = token[1].removesuffix("'") or "a character"
        if shown.strip() == "=":
            return "the expression can't be read: found '=', expected '=='"
        return f"the expression can't be read from {shown} on: a text without its end?"
    if unexpected[1] == "<EOF>":
        return "the expression ends too early: found its end, expected a value"
    wanted = re.search(r"expecting ('[^']*')$", message)
    expected = wanted[1] if wanted else "an operator or a value"
    return f"the expression can't be read: found '{unexpected[1]}', expected {expected}"


def plain_operators(message: str) -> str:
    message = re.sub(r"'?\b_?([!<>=+*/%&|-]+)_\b'?", r"'\1'", message)
    message = message.replace("'_[_]'", "'[]'").replace("'@in'", "'in'").replace("'!_'", "'!'")
    return message.replace("'-_'", "'-'").replace("applied to '(", "for '(")


def arithmetic_hint(message: str) -> str:
    """Where numbers of two kinds meet, what to write instead."""
    kinds = {kind.removesuffix("64") for kind in _NUMBERS.findall(message)}
    if "overload" in message and len(kinds) > 1:
        return f"{message}: int and double don't mix, write double(x)"
    return message
