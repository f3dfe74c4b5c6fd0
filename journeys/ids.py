"""Ids of instances, actions and outcomes.

Law: an id is a pure function of what it names, so that a repeated step repeats its ids and a reader
can drop what it has seen.
"""

from __future__ import annotations

from hashlib import blake2b, sha1
from uuid import UUID

NAMESPACE = UUID("6f1d2c1e-4b53-5d0c-9a57-0c9f1c0c5b7e")
"""The namespace of every id: an id is uuid5(NAMESPACE, its parts joined by NUL)."""

_PREFIX = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def stable_id(*parts: str) -> str:
    """uuid5 of the parts, as text: the same as `str(uuid.uuid5(NAMESPACE, "\\0".join(parts)))`."""
    digest = _PREFIX.copy()
    digest.update("\0".join(parts).encode())
    h = digest.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


def instance_id(journey: str, user: str, key: str | None, message_id: str) -> str:
    """An entry event enters a journey once per key, however often it is applied."""
    return stable_id("instance", journey, user, "" if key is None else f"={key}", message_id)


def action_id(instance: str, node: str, visit: int) -> str:
    """A visit of a node sends one action; `visit` counts the nodes the instance has reached."""
    return stable_id("action", instance, node, str(visit))


def outcome_id(instance: str, visit: int, type: str, token: str, n: int) -> str:
    """The n-th outcome of a type in a visit; `token` tells steps of one visit apart."""
    return stable_id("outcome", instance, str(visit), type, token, str(n))


def outcome_id_of_input(topic: str, partition: int, offset: int, type: str, n: int) -> str:
    """The n-th outcome of a type that an input has apart from any instance."""
    return stable_id("outcome", topic, str(partition), str(offset), type, str(n))


def message_hash(message_id: str) -> bytes:
    """8 bytes that stand for a messageId in the memory of those seen lately."""
    return blake2b(message_id.encode(), digest_size=8).digest()
