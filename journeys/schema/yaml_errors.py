"""Error messages for text that can't be parsed as YAML, with the position to fix.

Law: every message of the YAML library is rewritten to say what was found and, where that is known,
what to write instead.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

QUOTES = "write the whole value in quotes"


class Mistake(NamedTuple):
    """Why a text can't be parsed, and where, in characters from its start."""

    offset: int
    message: str


def mistake_of(error: yaml.YAMLError, text: str) -> Mistake:
    """The library's error as a position and a message."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Mistake(0, f"this is not YAML: {error}".split("\n")[0])
    problem = error.problem or "it can't be read"
    started = error.context_mark.index if error.context_mark is not None else None
    at = error.problem_mark.index if error.problem_mark is not None else started or 0
    return _known(problem, error.context or "", text, at, started) or Mistake(
        at, _unknown(problem, error, text)
    )


def _known(problem: str, context: str, text: str, at: int, started: int | None) -> Mistake | None:
    """Messages for common mistakes, each with its fix; None for any other."""
    char = text[at : at + 1]
    if char == "\t" or "a tab character" in problem:
        at = text.rfind("\t", 0, at + 1)
        return Mistake(at, "found a tab, expected spaces: YAML is not indented with tabs")
    if "cannot start any token" in problem:
        return Mistake(at, f"found '{char}', which can't start a value: {QUOTES}")
    if "mapping values are not allowed" in problem:
        return _second_colon(text, at)
    if "could not find expected ':'" in problem and started is not None:
        return Mistake(started, f"found '{_line(text, started)[:60]}', expected a key and ':'")
    if "quoted scalar" in context and ("end of stream" in problem or "indicator" in problem):
        assert started is not None, "a scalar starts somewhere"
        return Mistake(started, f"found a text without its closing {text[started]}")
    if "escape" in problem:
        written = re.match(r"\\u[0-9a-fA-F]{0,4}|\\.?", text[text.rfind("\\", 0, at + 1) :])
        shown = written.group() if written else "an escape"
        return Mistake(
            at,
            f"found '{shown}', which is not an escape: "
            "in single quotes '\\' is an ordinary character",
        )
    if "block sequence entries" in problem:
        return Mistake(at, "found '-' after a key: a list starts on the line below its key")
    if context.endswith(("a tag", "a block scalar", "an anchor", "an alias")):
        assert started is not None, "a scalar starts somewhere"
        found = text[started]
        return Mistake(started, f"found '{found}', which has a special meaning in YAML: {QUOTES}")
    if "unexpected ':'" in problem:
        following = f"'{text[at + 1]}'" if text[at + 1 : at + 2].strip() else "the end of the line"
        return Mistake(at, f"found ':' right before {following}: expected a value between them")
    if "node content" in problem:
        if not char:
            opened = max(text.rfind("[", 0, at), text.rfind("{", 0, at))
            return Mistake(opened, f"'{text[opened]}' is not closed") if opened >= 0 else None
        way = f": {QUOTES}" if "block" in context else ""
        return Mistake(at, f"found '{char}', expected a value{way}")
    if "expected" in problem and started is not None:
        return _ended(problem, text, at, started)
    return None


def _second_colon(text: str, at: int) -> Mistake:
    before = text[text.rfind("\n", 0, at) + 1 : at]
    above = text[: at - len(before)].rstrip("\n").rpartition("\n")[2]
    if before.startswith("--- "):
        return Mistake(
            at - len(before), "found text after '---': a document starts on the next line"
        )
    if re.search(r"\S:\s", before):
        return Mistake(at, f"found ':' inside a value: {QUOTES}")
    if glued := re.match(r"\s*[\w-]+(:)\S", above):
        offset = at - len(before) - len(above) - 1 + glued.start(1)
        return Mistake(offset, "found ':' without a space after it: expected ': ' after a key")
    start = at - len(before.lstrip())
    if before[:1] in (" ", "-"):
        return Mistake(
            start, "found a key below one that has a value: expected it in the column of the others"
        )
    return Mistake(at, "found ':' where no key can be")


def _ended(problem: str, text: str, at: int, started: int) -> Mistake | None:
    """Messages for a mapping, list or text that is not continued as it began."""
    before = text[text.rfind("\n", 0, at) + 1 : at].rstrip()
    if before[-1:] in ("'", '"') and before.count(before[-1]) > 1 and text[at : at + 1].strip():
        other = "double" if before[-1] == "'" else "single"
        return Mistake(
            at,
            f"found more text after the closing {before[-1]}: "
            f"write a text with quotes inside in {other} quotes",
        )
    line, here = text.count("\n", 0, started) + 1, text.count("\n", 0, at) + 1
    if "'-' indicator" in problem and before == "":
        return Mistake(at, f"found no '-', as the other items of the list on line {line} have")
    if "expected key" in problem and before == "" and at < len(text):
        if text.startswith("- ", at):
            return Mistake(at, f"found '-' among the keys of the mapping on line {line}")
        return Mistake(
            at,
            "found a line whose indentation matches no line above: "
            f"the mapping around it starts on line {line}",
        )
    if "',' or" not in problem:
        return None
    bracket = text[started]
    if before.endswith("$") and text[at : at + 1] == "{":
        return Mistake(at - 1, f"found '${{' without quotes inside '{bracket}': {QUOTES}")
    expected = "'}'" if bracket == "{" else "']'"
    if line != here:
        return Mistake(started, f"'{bracket}' is not closed: expected {expected}")
    found = f"'{text[at]}'" if text[at : at + 1].strip() else "the end of the line"
    return Mistake(
        at,
        f"found {found}, expected ',' or {expected}: a value with special characters needs quotes",
    )


def _unknown(problem: str, error: Any, text: str) -> str:
    problem = problem.replace("did not find expected", "expected")
    problem = problem.replace("<document start>", "the start of a document")
    message = f"this is not YAML: {problem}"
    if error.context is not None and "next token" not in error.context:
        message += f" ({error.context}"
        if error.context_mark is not None:
            line = text.count("\n", 0, error.context_mark.index) + 1
            message += f" that starts on line {line}"
        message += ")"
    return message


def _line(text: str, at: int) -> str:
    """The rest of the line from `at`."""
    return text[at:].split("\n", 1)[0]
