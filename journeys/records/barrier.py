"""Barrier records: how far evaluate must read the catalog before it processes later events."""

from typing import Annotated

import msgspec


class _Barrier(msgspec.Struct):
    config: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Barrier).decode


def barrier(config_offset: int) -> bytes:
    """Encode a barrier: events after it are evaluated with the catalog up to this offset.

    Args:
        config_offset: the offset after that of the push in `journeys.config`.
    """
    return _encode(_Barrier(config_offset))


def barrier_offset(value: bytes) -> int:
    """The config offset of a barrier record.

    Raises:
        ValueError: the bytes are not a valid barrier.
    """
    try:
        return _decode(value).config
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
