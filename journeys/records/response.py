"""Responses to the requests of triggers: what a journey takes from them, and canned ones for tests.

Law: pure. A response carries only what its journey asked for, as scalars of a bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

MAX_TEXT = 16 * 1024
"""Characters of a text that a label takes; a longer one is no value."""

PATH_PATTERN = r"(status_code|body|payload(\.[^.\s]+)+|headers\.[A-Za-z0-9!#$%&'*+^_`|~-]+)"


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a request, as a record of the events' log.

    Attributes:
        action_id: of the request; it names the visit that waits for it.
        ok: whether the destination answered with success.
        labels: what the node asked for, of the answer that there was.
        status_code: None where there was no answer.
        error: why it is no success.
    """

    action_id: str
    user_id: str
    instance: str
    ok: bool
    labels: dict[str, Any] = {}
    status_code: int | None = None
    error: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Response).decode


def encode(response: Response) -> bytes:
    return _encode(response)


def decode(value: bytes) -> Response:
    """Raises ValueError for bytes that are not a response."""
    try:
        return _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def extract(
    wanted: Mapping[str, str], status_code: int, headers: Mapping[str, str], body: str
) -> dict[str, Any]:
    """The labels that a response gives; one whose part is not there, or no scalar, is left out.

    Args:
        wanted: the path of each label: `status_code`, `body`, `payload.a.0.b`, `headers.name`.
        headers: their names in any case.
        body: as text; `payload` is what it says where it is JSON.
    """
    payload: Any = None
    if any(path.startswith("payload.") for path in wanted.values()):
        with suppress(msgspec.MsgspecError, RecursionError, UnicodeError):
            payload = msgspec.json.decode(body)
    lower = {name.lower(): value for name, value in headers.items()}
    whole = {"status_code": status_code, "body": body}
    found = {}
    for label, path in wanted.items():
        root, _, rest = path.partition(".")
        value: Any
        if root == "headers":
            value = lower.get(rest.lower())
        elif root == "payload":
            value = _look(payload, rest.split("."))
        else:
            value = whole.get(path)
        if _is_scalar(value):
            found[label] = value
    return found


def _look(value: Any, path: list[str]) -> Any:
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and re.fullmatch(r"[0-9]{1,6}", name):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63
    return isinstance(value, bool | float)
