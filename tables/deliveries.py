"""An outstanding delivery: the record that a partition keeps of an action until the delivery ends.

Law: this record has everything that a worker needs to continue with an action after a crash.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from journeys.records.action import Action
from tables.codec import Codec

_VERSION = b"\x03"
_OLDER = (b"\x01", b"\x02")
"""1 lacks `written_at`, which is read as 0, as triggers did not exist then; 1 and 2 lack `log`, as
their topics were never recreated."""
_MAX_ID_BYTES = 512


class Delivery(msgspec.Struct, frozen=True, array_like=True):
    """An action without a final answer so far.

    offset: of the action in its topic; deliveries of a partition are in this order.
    action: the action's record as it was received.
    attempts: how many were answered or timed out.
    first_attempt_at: ms; when the first of them began.
    next_attempt_at: ms; None while it is in flight or waits for its turn.
    error: the error of the last attempt.
    written_at: ms; when it was appended to the action's topic.
    log: how records name the log of the offset; "": by its topic.
    """

    offset: int
    action: bytes
    attempts: int = 0
    first_attempt_at: int | None = None
    next_attempt_at: int | None = None
    error: str | None = None
    written_at: int = 0
    log: str = ""


class Received(Action, frozen=True):
    """An action whose payload is kept as the received bytes."""

    payload: msgspec.Raw


class Malformed(ValueError):
    """A record of an actions topic is not an action."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Delivery).decode
_action = msgspec.json.Decoder(Received).decode


def encode(delivery: Delivery) -> bytes:
    return _VERSION + _pack(delivery)


def decode(data: bytes) -> Delivery:
    """Raises ValueError for bytes of an unknown version."""
    if data[:1] not in (_VERSION, *_OLDER):
        raise ValueError(f"a delivery of an unknown format: {data[:16]!r}")
    return _unpack(data[1:])


CODEC: Codec[Delivery] = Codec(encode, decode, lambda delivery: delivery.next_attempt_at)


def read_action(value: bytes | None) -> Received:
    """The action in a record's value; raises Malformed."""
    if value is None:
        raise Malformed("a record without a value")
    try:
        action = _action(value)
        key_of(action)
        action.user_id.encode()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"not an action: {error}") from None
    return action


def key_of(action: Action) -> bytes:
    """The key of an action's delivery in the table. Raises Malformed."""
    key = action.action_id.encode()
    if not key or key[0] == 0 or len(key) > _MAX_ID_BYTES:
        raise Malformed(f"'action_id' must be text of 1 to {_MAX_ID_BYTES} bytes without NUL")
    return key


def last_start(delivery: Delivery, action: Action) -> int | None:
    """When (ms) the last attempt of a trigger's request may start; None for other actions."""
    if action.trigger is UNSET:
        return None
    return delivery.written_at + action.trigger.within
