"""Admission of events: the bytes of a record become an Event, or a Rejection with the reason.

Law: no input, however malformed, raises. Every event of the log passes through `admit`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from journeys.records.event import Event, Rejection, Wire
from journeys.time import check_time, parse_time

MAX_EVENT = 1024 * 1024
"""Largest event, bytes of JSON."""

MAX_MESSAGE_ID = 1024
"""Longest messageId, bytes of UTF-8."""

MAX_USER_ID = 1024
"""Longest user id, bytes of UTF-8."""

MAX_DEPTH = 100
"""Deepest nesting of lists and objects in an event."""

_CUT = 200


_TOO_DEEP = Rejection(
    "malformed", f"found JSON nested too deeply, expected at most {MAX_DEPTH} levels"
)
_decode = msgspec.json.Decoder(Wire).decode


def admit(value: bytes, message_id: str) -> Event | Rejection:
    """Parse and validate one event.

    Args:
        value: the JSON text.
        message_id: the messageId for an event that has none: its position in the log.

    Returns:
        the event, or why it was rejected.
    """
    size = len(value)
    if size > MAX_EVENT:
        return Rejection("too_large", f"found {size} bytes, expected at most {MAX_EVENT}")
    try:
        wire = _decode(value)
    except RecursionError:
        return _TOO_DEEP
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Rejection("malformed", _explain(error))
    # Each level needs a bracket. Most events have too few to be too deep and are not traversed.
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH and _depth(wire) > MAX_DEPTH:
        return _TOO_DEEP
    user_id = wire.userId if wire.userId is not None else wire.anonymousId
    if user_id is None:
        return _missing("userId", "a text in `userId` or `anonymousId`")
    if not is_user_id(user_id):
        field = "userId" if wire.userId is not None else "anonymousId"
        return Rejection("invalid_user", explain_user_id(field, user_id))
    if not wire.event and wire.type != "identify":
        if wire.event is None:
            return _missing("event", "the name of the event as text", user_id)
        detail = "field `event`: found an empty text, expected the name of the event"
        return Rejection("malformed", detail, user_id)
    given = wire.messageId
    if given and len(given) > MAX_MESSAGE_ID // 4 and len(given.encode()) > MAX_MESSAGE_ID:
        found = f"found {len(given.encode())} bytes, expected at most {MAX_MESSAGE_ID}"
        return Rejection("malformed", f"field `messageId`: {found}", user_id)
    timestamp, received_at = wire.timestamp, wire.receivedAt
    if timestamp is not None:
        ms = _milliseconds(timestamp)
        if ms is None:
            return _bad_time("timestamp", timestamp, user_id)
        timestamp = ms
    if received_at is not None:
        ms = _milliseconds(received_at)
        if ms is None:
            return _bad_time("receivedAt", received_at, user_id)
        received_at = ms
    return Event(
        wire,
        wire.event or "",
        user_id,
        wire.messageId or message_id,
        timestamp,
        received_at,
        size,
    )


def is_user_id(text: str) -> bool:
    """Whether a text can be a user's id, in events and in records of the engine's own. The keys of
    what is stored beside a user's record contain a NUL."""
    return (
        bool(text)
        and "\0" not in text
        and (len(text) <= MAX_USER_ID // 4 or len(text.encode()) <= MAX_USER_ID)
    )


def explain_user_id(field: str, text: str) -> str:
    """Why the text in a field is no user id."""
    found = f"{text[:40]!r} of {len(text.encode())} bytes"
    return f"field `{field}`: found {found}, expected 1 to {MAX_USER_ID} bytes of text without NUL"


def _milliseconds(time: str | int) -> int | None:
    try:
        return parse_time(time) if isinstance(time, str) else check_time(time)
    except ValueError:
        return None


def _depth(wire: Wire) -> int:
    """The nesting depth of an event. The decoder's own limit depends on the stack of its caller."""
    level: list[Any] = [wire.properties, wire.context, wire.traits]
    depth = 1
    while level := [
        item
        for part in level
        if isinstance(part, dict | list)
        for item in (part.values() if isinstance(part, dict) else part)
        if isinstance(item, dict | list)
    ]:
        depth += 1
    return depth + 1


def _bad_time(field: str, found: str | int, user_id: str) -> Rejection:
    shown = repr(found)[:_CUT]
    expected = "an ISO 8601 time with a zone or integer milliseconds, within the years 1970 to 9999"
    return Rejection(
        "invalid_time", f"field `{field}`: found {shown}, expected {expected}", user_id
    )


def _missing(field: str, expected: str, user_id: str | None = None) -> Rejection:
    return Rejection("malformed", f"field `{field}`: found nothing, expected {expected}", user_id)


def _explain(error: Exception) -> str:
    """The decoder's message, rewritten as: field, what was found, what was expected."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        what, _, path = text.partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        expected, _, found = what.partition(", got ")
        if found:
            expected = expected.removeprefix("Expected ").strip("`").replace(" | null", "")
            where = f"field `{field}`: " if field else ""
            return f"{where}found {found.strip('`')}, expected {expected}"
        return what
    return f"found bytes that are not JSON, expected one JSON object: {text[:_CUT]}"
