"""Barrier records: how far evaluate must read the catalog before it processes later events."""

import json


def barrier(config_offset: int) -> bytes:
    """Encode a barrier: events after it are evaluated with the catalog up to this offset.

    Args:
        config_offset: the offset of the push in `journeys.config`.
    """
    return json.dumps({"config": config_offset}).encode()


def barrier_offset(value: bytes | None) -> int | None:
    """The config offset of a barrier record, or None if the bytes are not a valid barrier."""
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    offset = found.get("config") if isinstance(found, dict) else None
    return offset if isinstance(offset, int) and not isinstance(offset, bool) else None
