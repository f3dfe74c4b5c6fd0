"""URLs with `${CEL}` inside.

Law: what an expression gives stays within one segment or one value of the query; it can't choose
another host, path or parameter.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from journeys.expressions.expression import ExpressionFailed, compile_cel
from journeys.expressions.interpolation import pieces
from journeys.expressions.scope import Scope
from journeys.expressions.templates import as_text


def render_url(template: str, scope: Scope) -> str:
    """The URL, or the part of one, with what its expressions give percent-encoded.

    Raises:
        ExpressionFailed: an expression has no value, or one that would change the path.
    """
    if "${" not in template:
        return template
    text = ""
    for part in pieces(template):
        if isinstance(part, str):
            text += part
            continue
        value = as_text(compile_cel(part.text).evaluate(scope), part.text)
        if value in (".", ".."):
            raise ExpressionFailed(part.text, f"{value!r} would change the path")
        try:
            text += quote(value, safe="")
        except UnicodeEncodeError:
            raise ExpressionFailed(part.text, "a text that is not valid Unicode") from None
    return text


def join_path(url: str, path: str | None) -> str:
    """The URL with a path, and a query where it has one, behind its own."""
    if path is None:
        return url
    base, more = urlsplit(url), urlsplit(f"http://host{path}")
    query = "&".join(part for part in (base.query, more.query) if part)
    joined = base.path.rstrip("/") + more.path
    return urlunsplit((base.scheme, base.netloc, joined, query, ""))
