"""What is taken from the body of a destination's answer.

Law: whatever a destination answers, what is told of it is valid text of a bounded size, without
secrets.
"""

from __future__ import annotations

import codecs

import httpx

from agents.deliver.secrets import Secrets

READ_BYTES = 64 * 1024
"""How much of a body is read."""
EXCERPT = 500
"""Characters of a body that people are told."""
_SLOW = frozenset({"punycode", "idna"})
"""Codecs of Python that no server means, and that take a second for READ_BYTES."""


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


def excerpt_of(response: httpx.Response, data: bytes, secrets: Secrets) -> str:
    """At most EXCERPT characters of a body. What is not plain text is told as its size alone: a
    secret could not be seen in it."""
    text = text_of(response, data)
    if text is None:
        return f"({len(data)} bytes that are no plain text)"
    if len(data) >= READ_BYTES:  # it may end in the middle of a secret
        text = text[: len(text) - secrets.longest]
    return secrets.masked(text)[:EXCERPT]
