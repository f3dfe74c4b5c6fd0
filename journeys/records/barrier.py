"""The barrier record: tells evaluate how far to read the catalog before it goes on."""

import json


def barrier(config_offset: int) -> bytes:
    """The value of a barrier record: what comes after it meets the catalog up to this offset."""
    return json.dumps({"config": config_offset}).encode()


def barrier_offset(value: bytes | None) -> int | None:
    """The offset that a barrier record names, or None where it names none."""
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    offset = found.get("config") if isinstance(found, dict) else None
    return offset if isinstance(offset, int) and not isinstance(offset, bool) else None
