"""What is taken from a destination's answer: an excerpt for people, labels for a journey.

Law: whatever a destination answers, what is taken of it is valid text of a bounded size, without
secrets.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

import httpx

from agents.destinations.secrets import MASK, Secrets
from journeys.records.response import extract

READ_BYTES = 64 * 1024
"""How much of a body is read."""
EXCERPT = 500
"""Characters of a body that are shown to people."""
_SLOW = frozenset({"punycode", "idna"})
"""Codecs of Python that no server means, and that take a second for READ_BYTES."""


def in_body(path: str) -> bool:
    """Whether a label's path leads into the body."""
    return path == "body" or path.startswith("payload.")


def labels_of(
    wanted: Mapping[str, str], response: httpx.Response, body: bytes | None, secrets: Secrets
) -> dict[str, Any]:
    """The labels that an answer gives; one whose part is not there is left out.

    Args:
        wanted: the path of each label.
        body: None where it is not known as a whole.
    """
    text = None if body is None else text_of(response, body)
    if text is None:
        wanted = {label: path for label, path in wanted.items() if not in_body(path)}
    found = extract(wanted, response.status_code, response.headers, text or "")
    return {label: _masked(value, secrets) for label, value in found.items()}


def _masked(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, str):
        return secrets.masked(value)
    return MASK if secrets.masked(str(value)) == MASK else value  # a number may be a secret too


def text_of(response: httpx.Response, data: bytes) -> str | None:
    """A body as text; None for one that is no plain text."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return None
    charset = response.charset_encoding or "utf-8"
    try:
        if codecs.lookup(charset).name in _SLOW:
            charset = "utf-8"
        text = data.decode(charset, errors="replace")
    except (LookupError, RuntimeError, ValueError):
        text = data.decode("utf-8", errors="replace")
    if "\0" in text:
        return None
    return text.encode("utf-8", "replace").decode()  # utf-7 gives halves of surrogate pairs


def excerpt_of(response: httpx.Response, data: bytes, whole: bool, secrets: Secrets) -> str:
    """At most EXCERPT characters of a body, or of the beginning of one. What is not plain text is
    reported as its size alone: a secret in it could not be recognized."""
    text = text_of(response, data)
    if text is None:
        return f"({len(data)} bytes that are no plain text)"
    if not whole:  # it may end in the middle of a secret
        text = text[: max(0, len(text) - secrets.longest)]
    return secrets.masked(text)[:EXCERPT]
