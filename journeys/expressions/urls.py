"""Renders URLs with `${CEL}` inside.

Law: the value of an expression stays within one path segment or one query value; it can't change
the host, the path or the parameters. So no segment that contains a value is `.` or `..`, which
clients and servers resolve as a step up.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from journeys.expressions.expression import ExpressionFailed, compile_cel
from journeys.expressions.interpolation import pieces
from journeys.expressions.scope import Scope
from journeys.expressions.templates import as_text


def render_url(template: str, scope: Scope) -> str:
    """Render a URL, or a part of one; the values of its expressions are percent-encoded.

    Raises:
        ExpressionFailed: an expression has no value, or its value would change the path: a segment
            would be `.` or `..`.
    """
    if "${" not in template:
        return template
    text = ""
    ends: list[tuple[int, str]] = []
    for part in pieces(template):
        if isinstance(part, str):
            text += part
            continue
        value = as_text(compile_cel(part.text).evaluate(scope), part.text)
        try:
            text += quote(value, safe="")
        except UnicodeEncodeError:
            raise ExpressionFailed(part.text, "a text that is not valid Unicode") from None
        ends.append((len(text), part.text))
    if "." in text or "%2e" in text.lower():
        _check_segments(text, ends)
    return text


def _check_segments(text: str, ends: list[tuple[int, str]]) -> None:
    """ends: the positions in the text where values end, and their expressions."""
    start = 0
    for segment in _SEGMENT_END.split(text):
        end = start + len(segment)
        if _DOTS.fullmatch(segment):
            for at, expression in ends:
                if start <= at <= end:
                    raise ExpressionFailed(expression, f"{segment!r} would change the path")
        start = end + 1


_SEGMENT_END = re.compile(r"[/\\?#]")
_DOTS = re.compile(r"(?i)(\.|%2e){1,2}(;.*)?")


def join_path(url: str, path: str | None) -> str:
    """Append a path, which may have a query, to a URL; both keep their path and query."""
    if path is None:
        return url
    base, more = urlsplit(url), urlsplit(f"http://host{path}")
    query = "&".join(part for part in (base.query, more.query) if part)
    joined = base.path.rstrip("/") + more.path
    return urlunsplit((base.scheme, base.netloc, joined, query, ""))
