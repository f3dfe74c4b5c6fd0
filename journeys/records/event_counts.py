"""The times of a user's recent events, from which `count('event', '10m')` is computed.

Law: for each event name that some journey counts, the newest 1,000 event times are kept, whatever
order the events arrive in and whatever windows journeys use. So a count depends only on the events.

A ring holds the times from newest to oldest: the newest in 6 bytes, then for each further one the
milliseconds by which it is older than the one before, as a varint: 7 bits a byte, the low ones
first, the top bit set if more follow. Events minutes apart take 3 bytes each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

MOST = 1_000
"""Times kept per event name; no count is larger."""

_HEAD = 6
"""Bytes of the newest time: enough for any year up to 9999."""
_MORE = 0x80
_UNFINISHED = bytes(range(_MORE, 0x100))
"""The bytes that are not the last of their varint."""


def add(ring: bytes, time: int) -> bytes:
    """Add one event time.

    Args:
        ring: the kept times; may be empty.
        time: the new event time, ms. It is kept even if it is older than the newest 1,000, so that
            its own step counts it; the next time to be added replaces it.
    """
    if not ring:
        return time.to_bytes(_HEAD)
    full = False
    if len(ring) >= _HEAD + MOST - 1:  # fewer bytes hold fewer than MOST times
        surplus = 1 + len(ring[_HEAD:].translate(None, _UNFINISHED)) - MOST
        full = surplus >= 0
        if surplus > 0:
            ring = _without_oldest(ring)
    newest = int.from_bytes(ring[:_HEAD])
    if time >= newest:
        ring = time.to_bytes(_HEAD) + _varint(time - newest) + ring[_HEAD:]
        return _without_oldest(ring) if full else ring
    # It goes between two times and splits their distance.
    newer = newest
    for older, start, end in _distances(ring):
        if older <= time:
            ring = ring[:start] + _varint(newer - time) + _varint(time - older) + ring[end:]
            return _without_oldest(ring) if full else ring
        newer = older
    return ring + _varint(newer - time)


def count(ring: bytes, now: int, window: int) -> int:
    """The number of kept times in the interval (`now - window`, `now`]; all in ms."""
    if not ring:
        return 0
    after = now - window
    time = int.from_bytes(ring[:_HEAD])
    found = 1 if after < time <= now else 0
    if time <= after:
        return found
    shift = distance = 0
    for byte in ring[_HEAD:]:
        distance |= (byte & 0x7F) << shift
        if byte & _MORE:
            shift += 7
            continue
        time -= distance
        if time <= after:
            break
        if time <= now:
            found += 1
        shift = distance = 0
    return found if found < MOST else MOST


def record_event(
    rings: Mapping[str, bytes], event: str, time: int, counted: Collection[str]
) -> dict[str, bytes]:
    """Record one event that some journey counts, and drop the names that no journey counts any
    more.

    Args:
        rings: the kept times by event name.
        event: the event's name; one of `counted`.
        time: the event time, ms.
        counted: the names of the events that some journey counts.
    """
    kept = {name: ring for name, ring in rings.items() if name in counted}
    kept[event] = add(rings.get(event, b""), time)
    return kept


def ring_of(times: Iterable[int]) -> bytes:
    """The ring of these event times, ms, in any order."""
    ring = b""
    for time in sorted(times):
        ring = add(ring, time)
    return ring


def _distances(ring: bytes) -> Iterator[tuple[int, int, int]]:
    """Each time (ms) after the newest one, with the start and end of its varint."""
    time, start, shift, distance = int.from_bytes(ring[:_HEAD]), _HEAD, 0, 0
    for end, byte in enumerate(ring[_HEAD:], _HEAD + 1):
        distance |= (byte & 0x7F) << shift
        if byte & _MORE:
            shift += 7
            continue
        time -= distance
        yield time, start, end
        start, shift, distance = end, 0, 0


def _without_oldest(ring: bytes) -> bytes:
    """The ring without its oldest time; it must hold at least two."""
    end = len(ring) - 1
    while end > _HEAD and ring[end - 1] & _MORE:
        end -= 1
    return ring[:end]


def _varint(number: int) -> bytes:
    if number < _MORE:
        return number.to_bytes()
    found = bytearray()
    while number >= _MORE:
        found.append(number & 0x7F | _MORE)
        number >>= 7
    found.append(number)
    return bytes(found)
