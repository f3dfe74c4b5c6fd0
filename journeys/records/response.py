"""Responses to the requests of trigger nodes, and extracting the labels that a journey asks for.

Law: pure. A response contains only what its journey asked for, as scalars of bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from journeys.records.admission import MAX_EVENT, explain_user_id, is_user_id
from journeys.records.tolerant_json import NotJson, read_json

MAX_TEXT = 16 * 1024
"""Longest text of a label, characters; a longer one is left out. Also the longest `error`."""

MAX_ID = 64
"""Longest id that the engine generates, characters."""

PATH_PATTERN = r"(status_code|body|payload(\.[^.\s]+)+|headers\.[A-Za-z0-9!#$%&'*+^_`|~-]+)"


_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a request, as a record of the events topic.

    Attributes:
        action_id: the id of the request; it identifies the visit that waits for it.
        ok: whether the destination answered with a success status.
        labels: what the node asked to extract from the answer.
        unread: by label, why a part that the answer contains could not be read.
        status_code: None if there was no answer.
        error: why the request failed, if it did.
    """

    action_id: _Id
    user_id: str
    instance: _Id
    ok: bool
    labels: dict[_Label, bool | _Int64 | float | _Text] = {}
    status_code: Annotated[int, msgspec.Meta(ge=0, lt=1000)] | None = None
    error: _Text | None = None
    unread: dict[_Label, _Text] = {}


class Extracted(NamedTuple):
    """The labels of an answer, and why others could not be read."""

    labels: dict[str, Any]
    unread: dict[str, str]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Response).decode


def encode(response: Response) -> bytes:
    return _encode(response)


def decode(value: bytes) -> Response:
    """Decode a response, as strictly as an event: anyone may have written it.

    Raises:
        ValueError: the bytes are not a response, or contain something that the engine never writes.
    """
    if len(value) > MAX_EVENT:
        raise ValueError(f"found {len(value)} bytes, expected at most {MAX_EVENT}")
    try:
        response = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not is_user_id(response.user_id):
        raise ValueError(explain_user_id("user_id", response.user_id))
    return response


def extract(
    wanted: Mapping[str, str], status_code: int, headers: Mapping[str, str], body: str | bytes
) -> Extracted:
    """Extract labels from an HTTP response. Oddities elsewhere in the body affect no label.

    Args:
        wanted: the path for each label: `status_code`, `body`, `payload.a.0.b`, `headers.name`.
        headers: names in any case.
        body: `payload` is the body parsed as JSON.

    Returns:
        the labels that were found. A label whose part is missing or not a scalar is left out; one
        whose part can't be read is left out and reported.
    """
    payload: Any = None
    odd: dict[tuple[str, ...], str] = {}
    whole_body = ""
    if any(path.startswith("payload.") for path in wanted.values()):
        try:
            payload, oddities = read_json(body)
        except NotJson as error:
            if body.strip():  # an empty body has no parts, so they are missing and not unreadable
                whole_body = f"the body is no JSON: {error}"
        else:
            odd = {tuple(map(str, one.path)): one.what for one in oddities}
    text = body if isinstance(body, str) else body.decode(errors="replace")
    lower = {name.lower(): value for name, value in headers.items()}
    whole = {"status_code": status_code, "body": text}
    labels: dict[str, Any] = {}
    unread: dict[str, str] = {}
    for label, path in wanted.items():
        root, _, rest = path.partition(".")
        value: Any
        why: str | None = None
        if root == "headers":
            value = lower.get(rest.lower())
        elif root == "payload":
            names = rest.split(".")
            value, why = _look(payload, names), whole_body or odd.get(tuple(names))
        else:
            value = whole.get(path)
        if _is_scalar(value):
            labels[label] = value
        elif (why := why or _too_large(value)) is not None:
            unread[label] = why
    return Extracted(labels, unread)


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


def _too_large(value: Any) -> str | None:
    if isinstance(value, str):
        return f"a text of {len(value)} characters: at most {MAX_TEXT} are read"
    return "a number beyond 64 bits" if isinstance(value, int) else None
