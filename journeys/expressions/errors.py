"""Error messages for expressions, with the line and column in the expression's text.

Law: every message of the CEL library is rewritten before a user sees it: operators as they are
written, types by their everyday names, positions in the document.
"""

from __future__ import annotations

import re
from typing import Any

from journeys.expressions import hints as cel_hints
from journeys.expressions.functions import DECLARED
from journeys.expressions.scope import EVENT, FIELDS, MAPS, ROOTS, Path
from journeys.expressions.syntax import COUNT, Syntax, count_variable
from journeys.expressions.values import MACRO_CONDITION, NO_ORDER
from journeys.problems import nearest, short, suggest
from journeys.time import parse_duration

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_TYPE_WORDS = frozenset(
    "bool bytes double int list map null_type string type uint google.protobuf.Timestamp "
    "google.protobuf.Duration".split()
)
_FUNCTIONS = sorted(
    "all bool bytes contains count double duration dyn endsWith exists exists_one filter getDate "
    "getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes "
    "getMonth getSeconds has int map matches size startsWith string timestamp type uint".split()
    + [one.name for one in DECLARED]
)
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MISMATCH = re.compile(
    r"(?:found no matching overload for|No matching overloads found :) '?([^\s'(]+)'?"
    r"(?: applied to '|)\((.*)\)'?",
    re.DOTALL,
)
_RANGE = re.compile(r"expression of type '(.*)' cannot be the range of a comprehension")
_NUMBER = re.compile(r"\b(int|uint|double)\b")
_COMPARISONS = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"))
_CONSTANTS = {
    "bool_value": "bool",
    "int64_value": "int",
    "uint64_value": "uint",
    "double_value": "double",
    "string_value": "string",
    "null_value": "null",
}
_UNCHECKED = "CEL doesn't accept the expression here: write it in another way"
_MESSAGES = {
    "has() argument": "'has' takes a field: has(event.properties.x)",
    "invalid int literal": "a number beyond 64 bits: write it in quotes",
    "invalid uint literal": "a number beyond 64 bits: write it in quotes",
    "invalid double literal": "a number that can't be read: expected one such as 1.5",
    "variable name cannot be": "a macro can't use this name for the item: choose another name",
    "unsupported syntax": "found '?', expected has(x) ? x : y",
}
_SELECTED = re.compile(r"expression of type '(.*)' cannot be the operand of a select operation")


class CelError(ValueError):
    """A text is not a valid expression.

    Attributes:
        line, column: the position of the error, from 1.
        offset: the same in characters from the start of the text.
        nearest: the valid word that was most likely meant, or None.
    """

    def __init__(self, message: str, text: str, offset: int, near: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = min(max(offset, 0), len(text))
        self.nearest = near
        before = text[: self.offset]
        self.line = before.count("\n") + 1
        self.column = self.offset - (before.rfind("\n") + 1) + 1


def check_names(syntax: Syntax, text: str, env: bool) -> None:
    """Check the variables and fields that an expression names.

    Args:
        env: whether the expression may read `env`.

    Raises:
        CelError: a name is unknown or may not be used.
    """
    for name, offset in syntax.bound:
        if name in ROOTS and name != "before":  # accepted documents may bind that name
            raise CelError(f"'{name}' is already defined: choose another name", text, offset)
    for function, offset in syntax.internal:
        raise _unknown_function(function, text, offset)
    for message, offset in syntax.messages:
        raise CelError(
            f"'{message}{{...}}' is not data: expected a map {{'name': value}}", text, offset
        )
    for iterated in syntax.ranges:
        if not iterated.path or ".".join(iterated.path) in MAPS:
            raise CelError(NO_ORDER, text, iterated.offsets[0])
    for reference in syntax.references:
        path, offsets = reference.path, reference.offsets
        root = path[0]
        if root not in ROOTS:
            if root in _TYPE_WORDS or root == "google":
                continue
            raise _unknown_name(root, text, offsets[0], env)
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
            inside = ".".join(path[:at])
            tail, near = suggest(path[at], known, most=9)
            if near is None:
                found, near = cel_hints.unknown_field(inside, path[at])
                tail = found or tail
            raise CelError(f"'{inside}' has no field '{path[at]}'{tail}", text, offsets[at], near)


def _unknown_name(name: str, text: str, offset: int, env: bool) -> CelError:
    if name in _FUNCTIONS:
        return CelError(f"'{name}' is a function: write {name}(...)", text, offset)
    known = [root for root in ROOTS if root != "before" and (env or root != "env")]
    tail, near = cel_hints.unknown_name(name, text, offset)
    if not tail:
        # `before` has a value in few places, so it is suggested and not listed.
        listed = known if nearest(name, ["before"]) is None else ["before"]
        tail, near = suggest(name, listed)
        if near is None:
            tail += ", or a text in quotes"
    return CelError(f"unknown name '{name}'{tail}", text, offset, near)


def read_counts(syntax: Syntax, text: str) -> dict[str, tuple[str, str, str]]:
    """The calls of `count`, keyed by the variable that replaces each call.

    Returns:
        paths such as `("count", "login", "10m")`.

    Raises:
        CelError: the event's name or the window is not a literal, or is not valid.
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
                raise ValueError("the window must be longer than 0")
        except ValueError as error:
            raise CelError(f"'count': {error}", text, call.offset) from None
        found[count_variable(event, window)] = (COUNT, event, window)
    return found


def _check_env(path: Path, offsets: tuple[int, ...], text: str, allowed: bool) -> None:
    if not allowed:
        raise CelError("'env' can be read only in the headers of a Destination", text, offsets[0])
    if len(path) != 2 or not _ENV_NAME.fullmatch(path[1]):
        raise CelError("'env' is read by a name: expected env.NAME", text, offsets[-1])


_Finding = tuple[str, int]
"""The library's message, and its position in characters."""


def compile_error(error: str, text: str) -> CelError:
    """The library's first compile error, rewritten for the author of the document."""
    if "recursion" in error:
        return CelError("the expression is nested too deeply: at most 32 levels", text, 0)
    if "map key type" in error and "ERROR" not in error:
        return CelError("a key of a map is text, an int, true or false", text, 0)
    if "node count" in error or "codepoint limit" in error:
        return CelError("the expression is too large: write it in parts", text, 0)
    return _first_error(_findings(error, text), text)


def mixed_type(error: str, tree: Any, text: str) -> str:
    """The type of an expression that the library refuses only for comparing int with double.

    CEL compares numbers of different kinds; the library's checker has no such operators.

    Returns:
        the name of the type in lower case, as the library's; `dyn` where it isn't known.

    Raises:
        CelError: something else is wrong, too.
    """
    found = _findings(error, text)
    wrong = [one for one in found if not _mixes_numbers(one[0])]
    if not found or wrong:
        raise _first_error(wrong, text)
    return kind_of_tree(tree)


def kind_of_tree(node: Any) -> str:
    """The type of a node, if its operator alone determines it."""
    if node.HasField("comprehension"):
        loop = node.comprehension
        return kind_of_tree(loop.accu_init if loop.result.HasField("ident") else loop.result)
    if not node.HasField("call"):
        const = node.const.WhichOneof("constant_kind") if node.HasField("const") else None
        return _CONSTANTS.get(const or "", "dyn")
    if node.call.function == "_?_:_":
        one, other = map(kind_of_tree, node.call.args[1:])
        return one if one == other else "dyn"
    truths = ("_&&_", "_||_", "!_", "@not_strictly_false", *_COMPARISONS)
    return "bool" if node.call.function in truths else "dyn"


def _findings(error: str, text: str) -> list[_Finding]:
    lines = text.split("\n")
    found = []
    for line, column, message in _ERROR.findall(error):
        start = sum(len(one) + 1 for one in lines[: int(line) - 1])
        found.append((message, start + max(int(column) - 1, 0)))
    return found


def _mixes_numbers(message: str) -> bool:
    """Whether the only complaint of a message is that numbers of two kinds are compared."""
    if message.startswith("maximum number of ERROR issues"):
        return True  # not a complaint itself: the other messages decide
    found = _MISMATCH.search(message)
    if found is None or found[1] not in _COMPARISONS:
        return False
    given = [_NUMBER.sub("number", one) for one in cel_hints.arguments(found[2])]
    if found[1] == "@in":
        item = given[0]
        return item == "number" and re.match(r"(list|map)\(number[,)]", given[1]) is not None
    return given[0] == given[1]


def _first_error(found: list[_Finding], text: str) -> CelError:
    if not found:
        return CelError(_UNCHECKED, text, 0)
    message, offset = found[0]
    if message.startswith("Syntax error: "):
        return _syntax_error(message.removeprefix("Syntax error: "), text, offset)
    for undeclared, place in found:
        name = re.match(r"undeclared reference to '([^']+)'", undeclared)
        if name is not None:
            at = text.rfind(name[1], 0, place + 1)
            return _unknown_function(name[1], text, at if at >= 0 else place)
    reserved = re.match(r"reserved identifier: (\w+)", message)
    if reserved is not None:
        hint = cel_hints.unknown_function(reserved[1])
        return CelError(f"'{reserved[1]}' is a reserved word of CEL{hint}", text, offset)
    for start, rewritten in _MESSAGES.items():
        if start in message:
            return CelError(rewritten, text, offset)
    name = re.match(r"(\w+)\(\) variable name must be", message)
    if name is not None:
        way = f"list.{name[1]}(x, ...)"
        return CelError(f"'{name[1]}' takes a name for the item first: {way}", text, offset)
    condition = _MISMATCH.search(message)
    if condition is not None and condition[1] in ("_?_:_", "_&&_", "_||_"):
        sign = _operator(condition[1])
        if not text.startswith(sign[:1], offset):  # macros expand to such operators
            given = [cel_hints.kind_in_words(one) for one in cel_hints.arguments(condition[2])]
            kind = given[0] if sign == "? :" else given[-1]
            return CelError(f"{MACRO_CONDITION}: found {kind}", text, offset)
    return CelError(plain(message), text, offset)


def _unknown_function(name: str, text: str, at: int) -> CelError:
    if name in ROOTS:
        return CelError(f"'{name}' is not a function: write it without '()'", text, at, name)
    forms = [
        f"{name}({', '.join(t.split())})" for one in DECLARED if one.name == name for t in one.takes
    ]
    if forms:
        return CelError(f"'{name}' takes other arguments: {' or '.join(forms[:2])}", text, at)
    tail, near = cel_hints.unknown_function(name), None
    if not tail and name not in _FUNCTIONS:
        tail, near = suggest(name, _FUNCTIONS)
    return CelError(f"unknown function '{name}'{tail}", text, at, near)


def _syntax_error(message: str, text: str, offset: int) -> CelError:
    if (hint := cel_hints.found_sign(text, offset)) is not None:
        return CelError(hint[0], text, hint[1])
    return CelError(_unreadable(message), text, offset)


def _unreadable(message: str) -> str:
    unexpected = re.match(
        r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: expecting|$)",
        message,
        re.DOTALL,
    )
    if unexpected is None:
        token = re.match(r"token recognition error at: '(.*)", message, re.DOTALL)
        if token is None:
            absent = re.match(r"missing ('[^']*') at '(.*)'$", message, re.DOTALL)
            return (
                _expected(absent[2], absent[1]) if absent else "the expression can't be read here"
            )
        found = token[1].removesuffix("'").rstrip()
        if found[:1] not in ("'", '"'):
            return f"found '{found[:1]}', which means nothing in CEL"
        escape = re.search(r"\\(.)", found)
        if escape is not None and escape[1] not in "abfnrtv\\'\"`?xXuU01234567":
            return f"found '{escape[0]}', which is not an escape: write r'...' around the text"
        return f"a text that is not closed: expected a closing {found[0]}"
    wanted = re.search(r"expecting ('[^']*')$", message)
    return _expected(unexpected[1], wanted[1] if wanted else None)


def _expected(found: str, wanted: str | None) -> str:
    if found == "<EOF>":
        return f"the expression ends too early: found its end, expected {wanted or 'a value'}"
    expected = wanted or "an operator or a value"
    return f"the expression can't be read: found '{short(found)}', expected {expected}"


def plain(message: str) -> str:
    """A message of the library's checker, rewritten for the author."""
    if (found := _MISMATCH.search(message)) is not None:
        return cel_hints.mismatch(_operator(found[1]), found[2])
    if (found := _SELECTED.search(message)) is not None:
        kind = cel_hints.kind_in_words(found[1])
        way = ": write getFullYear(), getHours() and so on" if kind == "a time" else ""
        return f"found a field of {kind}, which has no fields{way}"
    if (found := _RANGE.search(message)) is not None:
        kind = cel_hints.kind_in_words(found[1])
        return f"a macro such as map or exists needs a list: found {kind}"
    return _UNCHECKED


def _operator(name: str) -> str:
    """CEL's name of an operator, such as `_+_`, as it is written: `+`."""
    special = {"_[_]": "[]", "@in": "in", "_?_:_": "? :", "!_": "!", "-_": "-"}
    return special.get(name, name.strip("_"))
