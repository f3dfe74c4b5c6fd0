"""Admission of events: the bytes of a record become an Event, or a Rejection with the reason.

Law: no input raises, however malformed, and an oddity in one field affects no other field. Every
event of the log passes through `admit`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from journeys.records.event import IDENTIFY, Event, Rejection, Wire
from journeys.records.tolerant_json import BEYOND_DOUBLE, NotJson, Oddity, read_json
from journeys.time import ms_of_number, parse_time

MAX_EVENT = 1024 * 1024
"""Largest event, bytes of JSON."""

MAX_MESSAGE_ID = 1024
"""Longest messageId, bytes of UTF-8."""

MAX_USER_ID = 1024
"""Longest user id, bytes of UTF-8."""

MAX_DEPTH = 100
"""Deepest nesting of lists and objects in an event."""

MAX_UNREAD = 20
"""How many unreadable fields are named; further ones are null as well."""

_CUT = 200
_BOM = "\ufeff"
_BOM_BYTES = _BOM.encode()
_IDS = ("userId", "anonymousId")
_READ = frozenset(Wire.__struct_fields__)
_NULLS = (BEYOND_DOUBLE, "NaN", "Infinity", "-Infinity")
"""The beginnings of the oddities that make a value null."""

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
    unread: tuple[str, ...] = ()
    try:
        wire = _decode(value)
        odd = not value.isascii() and _BOM_BYTES in value
    except RecursionError:
        return _TOO_DEEP
    except (msgspec.MsgspecError, UnicodeDecodeError):
        odd = True
    if odd:
        read = _odd_event(value)
        if isinstance(read, Rejection):
            return read
        wire, unread = read
    # Each level needs a bracket, so most events have too few to be too deep and are not traversed.
    # One pass that leaves them out is faster than a count of each.
    if size - len(value.translate(None, b"{[")) > MAX_DEPTH and _depth(wire) > MAX_DEPTH:
        return _TOO_DEEP
    named = wire.userId
    # Nearly every id is a short printable text, so without a NUL and a byte order mark. All others
    # go the slow way.
    if type(named) is str and 0 < len(named) <= MAX_USER_ID // 4 and named.isprintable():
        user_id = named
    else:
        user = _user(wire)
        if isinstance(user, Rejection):
            return user
        user_id = user
    name = wire.event or ""
    if name[:1] == _BOM:
        name = name.lstrip(_BOM)
    if not name and wire.type == IDENTIFY:
        name = IDENTIFY
    elif not name:
        if wire.event is None:
            return _missing("event", "the name of the event as text", user_id)
        detail = "field `event`: found an empty text, expected the name of the event"
        return Rejection("malformed", detail, user_id)
    own = wire.messageId
    if type(own) is not str:
        own = message_id if own is None else str(own)
    elif not own:
        own = message_id
    if len(own) > MAX_MESSAGE_ID // 4 and len(own.encode()) > MAX_MESSAGE_ID:
        found = f"found {len(own.encode())} bytes, expected at most {MAX_MESSAGE_ID}"
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
        name,
        user_id,
        own,
        timestamp,
        received_at,
        size,
        unread,
    )


def is_user_id(text: str) -> bool:
    """Whether a text can be a user's id in the engine's own records. Keys with a NUL are reserved
    for data stored next to a user's record."""
    return (
        bool(text)
        and "\0" not in text
        and (len(text) <= MAX_USER_ID // 4 or len(text.encode()) <= MAX_USER_ID)
    )


def explain_user_id(field: str, text: str) -> str:
    """Why the text in a field is not a user id."""
    found = f"{text[:40]!r} of {len(text.encode())} bytes"
    return f"field `{field}`: found {found}, expected 1 to {MAX_USER_ID} bytes of text without NUL"


def user_of(value: bytes) -> str | None:
    """The id of the user whom the JSON text of an event names, or None."""
    return admit(value, "").user_id


def _odd_event(value: bytes) -> tuple[Wire, tuple[str, ...]] | Rejection:
    """The event of a text with oddities, and the fields that can't be read."""
    try:
        found = read_json(value)
    except NotJson as error:
        return Rejection("malformed", f"{error}, expected one JSON object")
    content = found.value
    if isinstance(content, dict):
        # Joining files can leave a byte order mark in the first field's name.
        content = {name.lstrip(_BOM): part for name, part in content.items()}
    if any(_is_cut(one) for one in found.oddities):
        return _TOO_DEEP
    try:
        wire = msgspec.convert(content, Wire)
    except msgspec.ValidationError as error:
        return Rejection("malformed", _explain(error), _user_in(content))
    user_id = _user(wire)
    if isinstance(user_id, str) and "\ufffd" in user_id and any(map(_is_bytes, found.oddities)):
        # Unlike unpaired surrogates, such bytes are letters, and may be all that distinguishes two
        # users.
        return _bad_user("userId or anonymousId", "bytes that are not UTF-8")
    return wire, tuple(str(one) for one in found.oddities if _is_unread(one))[:MAX_UNREAD]


def _is_cut(odd: Oddity) -> bool:
    return odd.what.startswith("JSON nested more deeply")


def _is_bytes(odd: Oddity) -> bool:
    return odd.what.startswith("bytes that are not UTF-8")


def _is_unread(odd: Oddity) -> bool:
    """Whether it makes a field null that an expression could read."""
    return bool(odd.path) and odd.path[0] in _READ and odd.what.startswith(_NULLS)


def _user_in(content: Any) -> str | None:
    """The user of an event that is malformed in other fields."""
    try:
        user = _user(msgspec.convert({one: content.get(one) for one in _IDS}, Wire))
    except (msgspec.ValidationError, AttributeError):
        return None
    return user if isinstance(user, str) else None


def _user(wire: Wire) -> str | Rejection:
    """The user's id: `userId`, or `anonymousId` if that is absent or empty."""
    for field in _IDS:
        found = getattr(wire, field)
        if isinstance(found, int):
            if not -(2**63) <= found < 2**64:
                return _bad_user(field, f"the integer {_shown(found)}")
            return str(found)
        # Keys of records must not contain a NUL, and a byte order mark is not part of the id.
        user_id = (found or "").replace("\0", "\ufffd").lstrip(_BOM)
        if user_id:
            size = len(user_id.encode())
            if size > MAX_USER_ID:
                return _bad_user(field, f"{user_id[:40]!r} of {size} bytes")
            return user_id
    return _missing("userId", "a text or an integer in `userId` or `anonymousId`")


def _bad_user(field: str, found: str) -> Rejection:
    expected = f"1 to {MAX_USER_ID} bytes of text, or an integer of 64 bits"
    return Rejection("invalid_user", f"field `{field}`: found {found}, expected {expected}")


def _milliseconds(time: str | int | float) -> int | None:
    try:
        return parse_time(time) if isinstance(time, str) else ms_of_number(time)
    except ValueError:
        if isinstance(time, str) and time[:1] == _BOM:
            return _milliseconds(time.strip(_BOM))
        return None


def _depth(wire: Wire) -> int:
    """The nesting depth of an event. The decoder's own limit depends on the stack of its caller."""
    level: list[Any] = [wire.properties, wire.context, wire.traits, wire.traits_once]
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


def _bad_time(field: str, found: str | int | float, user_id: str) -> Rejection:
    expected = (
        "an ISO 8601 time with a zone, or the seconds, milliseconds, microseconds or nanoseconds "
        "since 1970 as a number, within the years 1970 to 9999"
    )
    detail = f"field `{field}`: found {_shown(found)}, expected {expected}"
    return Rejection("invalid_time", detail, user_id)


def _shown(found: str | int | float) -> str:
    if isinstance(found, int) and abs(found) >= 10**_CUT:  # Python refuses to write longer ones
        return f"an integer of more than {_CUT} digits"
    return repr(found)[:_CUT]


def _missing(field: str, expected: str, user_id: str | None = None) -> Rejection:
    return Rejection("malformed", f"field `{field}`: found nothing, expected {expected}", user_id)


def _explain(error: msgspec.ValidationError) -> str:
    """The decoder's message, rewritten as: field, what was found, what was expected."""
    what, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if what.startswith("Invalid enum value"):  # only `backfill` has words of its own
        what = "Expected `bool | str`, got `str`"
    expected, _, found = what.partition(", got ")
    expected = expected.removeprefix("Expected ").strip("`").replace(" | null", "")
    if expected == "bool | str":  # `backfill`, too: of texts it takes one word
        expected = "true, false or 'overwrite'"
    where = f"field `{field}`: " if field else ""
    return f"{where}found {found.strip('`')}, expected {expected}"
