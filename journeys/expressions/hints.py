"""Hints for expressions written in the syntax of another language, with CEL's way to write them.

Law: a hint is given only if the text itself shows what was meant.
"""

from __future__ import annotations

import re

from journeys.expressions.scope import EVENT, FIELDS

NUMBERS = frozenset(("int", "double", "uint"))
_SIGNS = {
    "=": "'=='",
    "===": "'=='",
    "!==": "'!='",
    "<>": "'!='",
    "=>": "'>='",
    "=<": "'<='",
    "&": "'&&'",
    "|": "'||'",
    "~": "x.matches('...')",
    "=~": "x.matches('...')",
    "??": "has(x) ? x : y",
    "?.": "has(x) ? x : y",
}
_WORDS = {
    "and": "'&&'",
    "or": "'||'",
    "not": "'!' in front of the condition",
    "is": "'=='",
    "isnot": "'!='",
    "then": "condition ? one : other",
    "like": "x.matches('...')",
    "if": "condition ? one : other",
}
_VALUES = {
    **dict.fromkeys(("True", "TRUE"), "true"),
    **dict.fromkeys(("False", "FALSE"), "false"),
    **dict.fromkeys(("None", "Null", "NULL", "nil", "undefined"), "null"),
}
_FUNCTIONS = {
    **dict.fromkeys(("len", "length", "strlen"), "size(x)"),
    **dict.fromkeys(("includes", "include", "has_key"), "x.contains('...') or 'a' in list"),
    **dict.fromkeys(("any", "some", "find"), "list.exists(x, ...)"),
    **dict.fromkeys(("every", "forEach"), "list.all(x, ...)"),
    **dict.fromkeys(("today", "currentTime", "current_time", "Date"), "now"),
    **dict.fromkeys(("isNull", "is_null", "isEmpty", "exists", "isset", "defined"), "has(a.b)"),
    **dict.fromkeys(("str", "toString", "to_string"), "string(x)"),
    **dict.fromkeys(("number", "float", "Number", "parseFloat", "toNumber"), "double(x)"),
    **dict.fromkeys(("parseInt", "integer", "toInt", "round", "floor"), "int(x)"),
    **dict.fromkeys(("lowerAscii", "toLowerCase", "lowercase", "lcase", "downcase"), "x.lower()"),
    **dict.fromkeys(("upperAscii", "toUpperCase", "uppercase", "ucase", "upcase"), "x.upper()"),
    **dict.fromkeys(("strip", "trimStart", "trimEnd", "lstrip", "rstrip"), "x.trim()"),
    **dict.fromkeys(("substr", "slice", "left", "right", "mid"), "x.substring(0, 3)"),
    **dict.fromkeys(("concat", "append"), "a + b, or list.join(', ')"),
    **dict.fromkeys(("replaceAll", "sub", "gsub"), "x.replace('a', 'b')"),
    **dict.fromkeys(("sprintf", "printf"), "'%s'.format([x])"),
    **dict.fromkeys(
        (
            "addMonths",
            "date_add",
            "dateAdd",
            "add_months",
            "addDays",
            "addYears",
            "months",
            "years",
        ),
        "plus(t, 'P1M', zone)",
    ),
    **dict.fromkeys(
        ("next_birthday", "nextBirthday", "birthday", "anniversary"), "next_anniversary(date, zone)"
    ),
    **dict.fromkeys(
        ("default", "coalesce", "ifNull", "ifnull", "nvl", "orValue"), "has(x) ? x : y"
    ),
    **dict.fromkeys(("formatDate", "strftime", "toDate", "dateFormat"), "date(t, zone)"),
    **dict.fromkeys(("indexOf", "charAt"), "x.contains('a'), x.split(' ') or x.substring(0, 3)"),
}
_ORDER = ("<", "<=", ">", ">=")
_MACROS = "all|exists|exists_one|filter|map"
_FIELDS = {"name": "event", "type": "event", "id": "messageId", "time": "timestamp"}
_TYPES = {
    "string": "text",
    "int64": "int",
    "uint64": "uint",
    **dict.fromkeys(("null_type", "null"), "null"),
    "dyn": "any value",
    "google.protobuf.Timestamp": "a time",
    "timestamp": "a time",
    "duration": "a duration",
    "google.protobuf.Duration": "a duration",
    "map": "a map",
    **{kind: kind for kind in ("bool", "int", "uint", "double", "bytes")},
}


def found_sign(text: str, offset: int) -> tuple[str, int] | None:
    """A hint for the operator or word at, or right before, a syntax error.

    Args:
        offset: where the error is, in characters.

    Returns:
        the message and its offset, or None if nothing is recognised.
    """
    start = end = offset
    while start > 0 and text[start - 1] in "=!<>&|?~":
        start -= 1
    while end < len(text) and text[end] in "=!<>&|?~.":
        end += 1
    sign = text[start:end] if text[start:end] in _SIGNS else text[start:end].rstrip(".")
    if sign in _SIGNS:
        return f"found '{sign}', expected {_SIGNS[sign]}", start
    char = text[offset : offset + 1]
    if (named := re.match(r"\$\w*", text[offset:])) and text[:offset].rstrip().endswith("."):
        before = re.search(r"[\w.\[\]\"']*$", text[:offset].rstrip()[:-1])
        path = before[0] if before else ""
        return f"a name with a '$' is written in brackets: {path}[\"{named[0]}\"]", offset
    if char == "$" or text.startswith("{{"):
        start = offset if char == "$" else 0
        return "the whole field is CEL: write it without '${' and '}'", start
    if char in tuple("“”„‘’‚«»"):
        return f"found {char}, expected a straight quote: ' or \"", offset
    if char == "#":
        return "found '#', which means nothing in CEL: a comment begins with //", offset
    if char == "," and (opened := re.search(r"\bin\s*[('\"][^\[]*$", text[:offset])):
        return "found ',', expected a list: x in ['a', 'b']", opened.end() - len(opened[0]) + 3
    dot = offset - (text[max(offset - 1, 0) : offset] == ".")
    if (field := re.match(r"\.(\w+)", text[dot:])) is not None:
        return f"found '{field[0]}': a field of that name is written ['{field[1]}']", dot
    word = re.match(r"[A-Za-z_]+", text[offset:])
    before = re.search(r"([A-Za-z_]+)\s+$", text[:offset])
    places = (word and (word[0], offset), before and (before[1], before.start(1)))
    for written, place in (one for one in places if one):
        meant = _WORDS.get(written.lower())
        if meant is not None and written.lower() == "is" and re.match(r"\w+\s+not\b", text[place:]):
            meant = "'!='"
        if meant is not None:
            return f"found '{written}', expected {meant}", place
    return None


def unknown_name(name: str, text: str, offset: int) -> tuple[str, str | None]:
    """The end of a message about an unknown variable, and the nearest valid name.

    Returns:
        an empty text and None if there is no hint.
    """
    if name in _VALUES:
        return f": did you mean '{_VALUES[name]}'?", _VALUES[name]
    if (called := re.search(r"\.(\w+)\(\s*$", text[:offset])) is not None:
        if re.fullmatch(_MACROS, called[1]):
            return f": '{called[1]}' takes a name and what to do: list.{called[1]}(x, x > 3)", None
        if called[1] in _FUNCTIONS:
            return f": instead of '{called[1]}' write {_FUNCTIONS[called[1]]}", None
    if name.lower() in _WORDS:
        return f": expected {_WORDS[name.lower()]}", None
    if (dashed := re.search(r"\.(\w+)-$", text[:offset])) is not None:
        return f": a field whose name has a '-' is written ['{dashed[1]}-{name}']", None
    for root in ("user", "event"):
        if name in FIELDS[root]:
            return f": did you mean '{root}.{name}'?", f"{root}.{name}"
    return "", None


def unknown_field(inside: str, name: str) -> tuple[str, str | None]:
    """The same for an unknown field of `event`, `entry`, `user` or a captured event."""
    known = FIELDS.get(inside, EVENT if inside.endswith(".event") else {})
    if "properties" in known:
        near = _FIELDS.get(name, f"properties.{name}")
    elif "traits" in known:
        near = "traits" if name in ("properties", "attributes") else f"traits.{name}"
    else:
        return "", None
    return f": did you mean '{inside}.{near}'?", near


def unknown_function(name: str) -> str:
    """The end of a message about an unknown function that other languages have; may be empty."""
    if name.lower() in _WORDS:
        return f": expected {_WORDS[name.lower()]}"
    if name in _FUNCTIONS:
        return f": expected {_FUNCTIONS[name]}"
    return ""


def mismatch(operator: str, types: str) -> str:
    """The message for arguments whose types a function or operator doesn't accept, with a hint."""
    given = [kind_in_words(one) for one in arguments(types)]
    shown = " and ".join([", ".join(given[:-1]), given[-1]] if len(given) > 1 else given)
    if operator == "? :":
        if given[0] in ("bool", "any value") and len(given) == 3:
            return (
                f"the two sides of ':' are {_a(given[1])} and {_a(given[2])}: expected one kind"
                + _one_kind(given[1:])
            )
        return f"'? :' needs true or false before the '?', found {given[0]}"
    message = f"'{operator}' doesn't take {shown}"
    hint = _way_out(operator, given)
    return f"{message}: {hint}" if hint else message


def _a(kind: str) -> str:
    """A kind with its article: `a text`, `an int`."""
    article = "an " if kind[:1] == "i" else "" if kind[:2] in ("a ", "an", "nu", "by") else "a "
    return f"{article}{kind}"


def _one_kind(sides: list[str]) -> str:
    kinds = set(sides)
    if kinds <= NUMBERS:
        return ", write double(x)"
    if "text" in kinds and kinds & NUMBERS:
        return ", write string(x)"
    return ", or dyn(x) around both where they may differ"


def _way_out(operator: str, given: list[str]) -> str | None:
    kinds = set(given)
    if kinds <= NUMBERS and len(kinds) > 1:
        return "int and double don't mix, write double(x)"
    if operator in ("&&", "||"):
        return "both sides are true or false, as in x == 'a' || x == 'b'"
    if operator in _ORDER and given[0] == "bool":
        return "write a < x && x < b"
    if operator == "in" and given[1] == "text":
        return "write text.contains('...')"
    if operator in ("==", "!=") and sum(kind.startswith("a list") for kind in given) == 1:
        return "write 'a' in list"
    if operator in ("==", "!=") and "null" in kinds and len(kinds) > 1:
        return "it is never null: test whether it exists with has(...)"
    if operator == "format":
        return "write '%s'.format([x])"
    if operator == "plus" and "a duration" in kinds:
        return "write t + duration('1h')"
    sign = not operator.isidentifier() and operator != "[]"
    if sign and kinds & {"a time", "a duration"} and kinds & {"text", *NUMBERS}:
        time = "a time" in kinds and operator not in ("+", "-")
        return "write timestamp('2026-03-01T09:00:00Z')" if time else "write duration('90m')"
    if "text" in kinds and kinds & NUMBERS:
        return "write string(x), or int(x) where the text is a number"
    return None


def arguments(types: str) -> list[str]:
    """The types in a list such as `string, list(int), map(string, dyn)`."""
    found, depth = [""], 0
    for char in types:
        depth += (char in "(<") - (char in ")>")
        if char == "," and depth == 0:
            found.append("")
        else:
            found[-1] += char
    return [one.strip() for one in found]


def kind_in_words(kind: str) -> str:
    """A type such as `list(int)` in words, for people who don't know CEL."""
    name, *inside = re.split(r"[(<]", kind, maxsplit=1)
    if name == "list":
        return f"a list of {kind_in_words(inside[0].rstrip(')>'))}" if inside else "a list"
    return _TYPES.get(name, "a type" if name == "type" else "any value")
