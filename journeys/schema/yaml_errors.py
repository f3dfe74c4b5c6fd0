"""What is wrong with a text that can't be read as YAML, in words and at the place to mend.

Law: no message of the YAML library reaches a user without what was found, and what to write
instead where that can be told.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

QUOTES = "write the whole value in quotes"


class Complaint(NamedTuple):
    """Where a text can't be read (in characters from its start), and why."""

    offset: int
    message: str


def complaint(error: yaml.YAMLError, text: str) -> Complaint:
    """The library's error as a place and a message."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Complaint(0, f"this is not YAML: {error}".split("\n")[0])
    problem = error.problem or "it can't be read"
    started = error.context_mark.index if error.context_mark is not None else None
    at = error.problem_mark.index if error.problem_mark is not None else started or 0
    return _known(problem, error.context or "", text, at, started) or Complaint(
        at, _unknown(problem, error, text)
    )


def _known(problem: str, context: str, text: str, at: int, started: int | None) -> Complaint | None:
    """The mistakes that people make, each with its way out."""
    char = text[at : at + 1]
    if char == "\t" or "a tab character" in problem:
        at = text.rfind("\t", 0, at + 1)
        return Complaint(at, "found a tab, expected spaces: YAML is not indented with tabs")
    if "cannot start any token" in problem:
        return Complaint(at, f"found '{char}', which can't start a value: {QUOTES}")
    if "mapping values are not allowed" in problem:
        return _second_colon(text, at)
    if "could not find expected ':'" in problem and started is not None:
        return Complaint(started, f"found '{_line(text, started)[:60]}', expected a key and ':'")
    if "quoted scalar" in context and ("end of stream" in problem or "indicator" in problem):
        assert started is not None, "a scalar starts somewhere"
        return Complaint(started, f"found a text without its closing {text[started]}")
    if "escape" in problem:
        written = re.match(r"\\u[0-9a-fA-F]{0,4}|\\.?", text[text.rfind("\\", 0, at + 1) :])
        shown = written.group() if written else "an escape"
        return Complaint(
            at, f"found '{shown}', which is no character: in single quotes '\\' is one like others"
        )
    if "block sequence entries" in problem:
        return Complaint(at, "found '-' behind a key: a list starts on the line below its key")
    if context.endswith(("a tag", "a block scalar", "an anchor", "an alias")):
        assert started is not None, "a scalar starts somewhere"
        found = text[started]
        return Complaint(started, f"found '{found}', which has a meaning of its own: {QUOTES}")
    if "unexpected ':'" in problem:
        behind = f"'{text[at + 1]}'" if text[at + 1 : at + 2].strip() else "the end of the line"
        return Complaint(at, f"found ':' right before {behind}: expected a value between them")
    if "node content" in problem:
        if not char:
            opened = max(text.rfind("[", 0, at), text.rfind("{", 0, at))
            return Complaint(opened, f"'{text[opened]}' is not closed") if opened >= 0 else None
        way = f": {QUOTES}" if "block" in context else ""
        return Complaint(at, f"found '{char}', expected a value{way}")
    if "expected" in problem and started is not None:
        return _ended(problem, text, at, started)
    return None


def _second_colon(text: str, at: int) -> Complaint:
    before = text[text.rfind("\n", 0, at) + 1 : at]
    above = text[: at - len(before)].rstrip("\n").rpartition("\n")[2]
    if before.startswith("--- "):
        return Complaint(at - len(before), "found a document behind '---': it starts a line below")
    if re.search(r"\S:\s", before):
        return Complaint(at, f"found ':' inside a value: {QUOTES}")
    if glued := re.match(r"\s*[\w-]+(:)\S", above):
        offset = at - len(before) - len(above) - 1 + glued.start(1)
        return Complaint(offset, "found ':' without a space behind it: expected ': ' after a key")
    start = at - len(before.lstrip())
    if before[:1] in (" ", "-"):
        return Complaint(
            start, "found a key below one that has a value: expected it in the column of the others"
        )
    return Complaint(at, "found ':' where no key can be")


def _ended(problem: str, text: str, at: int, started: int) -> Complaint | None:
    """A mapping, list or text that goes on otherwise than it began."""
    before = text[text.rfind("\n", 0, at) + 1 : at].rstrip()
    if before[-1:] in ("'", '"') and before.count(before[-1]) > 1 and text[at : at + 1].strip():
        other = "double" if before[-1] == "'" else "single"
        return Complaint(
            at,
            f"found more behind the closing {before[-1]}: "
            f"a text with quotes inside goes in {other} quotes",
        )
    line, here = text.count("\n", 0, started) + 1, text.count("\n", 0, at) + 1
    if "'-' indicator" in problem and before == "":
        return Complaint(at, f"found no '-', as the other items of the list on line {line} have")
    if "expected key" in problem and before == "" and at < len(text):
        if text.startswith("- ", at):
            return Complaint(at, f"found '-' among the keys of the mapping on line {line}")
        return Complaint(
            at,
            "found a line whose indentation fits none above it: "
            f"the mapping around it starts on line {line}",
        )
    if "',' or" not in problem:
        return None
    bracket = text[started]
    if before.endswith("$") and text[at : at + 1] == "{":
        return Complaint(at - 1, f"found '${{' without quotes inside '{bracket}': {QUOTES}")
    expected = "'}'" if bracket == "{" else "']'"
    if line != here:
        return Complaint(started, f"'{bracket}' is not closed: expected {expected}")
    found = f"'{text[at]}'" if text[at : at + 1].strip() else "the end of the line"
    return Complaint(
        at,
        f"found {found}, expected ',' or {expected}: a value with signs of its own needs quotes",
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
    """The rest of the line from `at` on."""
    return text[at:].split("\n", 1)[0]
