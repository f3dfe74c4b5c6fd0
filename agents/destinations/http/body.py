"""What is extracted from a destination's answer: an excerpt for people, labels for a journey.

Law: whatever a destination answers, the extracted values are valid text of a bounded size, without
secrets.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

import httpx

from agents.destinations.secrets import MASK, Secrets
from journeys.records.response import Extracted, extract

READ_BYTES = 64 * 1024
"""How much of a body is read."""
MOST_CHUNKS = 2_048
"""In how many chunks; a body in more chunks counts as too long."""
EXCERPT = 500
"""Characters of a body that are shown to people."""
_LOOKED_AT = 16 * EXCERPT
"""Characters in which secrets are masked before the excerpt is cut, as a mask may be shorter."""
_SLOW = frozenset({"punycode", "idna"})
"""Codecs of Python that servers don't use, and that take a second for READ_BYTES."""


def in_body(path: str) -> bool:
    """Whether a label's path leads into the body."""
    return path == "body" or path.startswith("payload.")


def labels_of(
    wanted: Mapping[str, str], response: httpx.Response, body: bytes | None, secrets: Secrets
) -> Extracted:
    """The labels found in an answer, and why others could not be read; a label whose part is
    missing is left out.

    Args:
        wanted: the path of each label.
        body: None if it was not read completely.
    """
    text = None if body is None else text_of(response, body)
    unread: dict[str, str] = {}
    if text is None or "\0" in text:
        lost = {
            label
            for label, path in wanted.items()
            if (in_body(path) if text is None else path == "body")
        }
        why = f"the body is longer than {READ_BYTES} bytes, or broke off" if body is None else None
        unread = dict.fromkeys(sorted(lost), why or "the body is not plain text")
        wanted = {label: path for label, path in wanted.items() if label not in lost}
    found = extract(wanted, response.status_code, response.headers, text or "")
    return Extracted(
        {label: _masked(value, secrets) for label, value in found.labels.items()},
        {label: secrets.masked(why) for label, why in (unread | found.unread).items()},
    )


def _masked(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, str):
        return secrets.masked(value)
    return MASK if secrets.masked(str(value)) == MASK else value  # a number may be a secret, too


def text_of(response: httpx.Response, data: bytes) -> str | None:
    """A body as text, decoded by its charset if that is known; None if it has a content
    encoding."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return None
    try:
        charset = codecs.lookup(response.charset_encoding or "utf-8").name
        text = data.decode("utf-8" if charset in _SLOW else charset, errors="replace")
    except Exception:  # noqa: BLE001 - parsers of headers and codecs raise whatever comes to them
        text = data.decode("utf-8", errors="replace")
    return text.encode("utf-8", "replace").decode()  # utf-7 can give unpaired surrogates


def excerpt_of(response: httpx.Response, data: bytes, whole: bool, secrets: Secrets) -> str:
    """At most EXCERPT characters of a body, or of its beginning. If it is not plain text, only its
    size is reported, as a secret in it could not be recognized."""
    text = text_of(response, data)
    if text is None or "\0" in text:
        return f"({len(data)} bytes that are not plain text)"
    shown = text[:_LOOKED_AT]
    return secrets.masked(shown, whole=whole and shown == text)[:EXCERPT]
