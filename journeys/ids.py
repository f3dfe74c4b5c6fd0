"""Ids of instances, actions and outcomes.

Law: an id is a pure function of what it names, so that a repeated step repeats its ids and a reader
can drop what it has seen.
"""

from __future__ import annotations

from hashlib import blake2b, sha1
from uuid import UUID

NAMESPACE = UUID("6f1d2c1e-4b53-5d0c-9a57-0c9f1c0c5b7e")
"""The namespace of every id: each is a uuid5 of what it names."""

_PREFIX = sha1(NAMESPACE.bytes, usedforsecurity=False)
_EMPTY = blake2b(digest_size=8)
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def stable_id(name: str) -> str:
    """uuid5 of a name, as text: the same as `str(uuid.uuid5(NAMESPACE, name))`, but cheap."""
    digest = _PREFIX.copy()
    digest.update(name.encode())
    h = digest.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


def instance_id(journey: str, user: str, key: str | None, message_id: str) -> str:
    """An entry event enters a journey once per key, however often it is applied.

    The key is any text, so its length goes before it.
    """
    keyed = "" if key is None else f"{len(key)}={key}"
    return stable_id(f"instance\0{journey}\0{user}\0{keyed}\0{message_id}")


def action_id(instance: str, node: str, visit: int) -> str:
    """A visit of a node sends one action; `visit` counts the nodes the instance has reached."""
    return stable_id(f"action\0{instance}\0{node}\0{visit}")


def outcome_id(instance: str, visit: int, type: str, token: str, n: int) -> str:
    """The n-th outcome of a type in a visit; `token` tells steps of one visit apart."""
    return stable_id(f"outcome\0{instance}\0{visit}\0{type}\0{n}\0{token}")


def outcome_id_of_input(topic: str, partition: int, offset: int, type: str, n: int) -> str:
    """The n-th outcome of a type that an input has apart from any instance."""
    return stable_id(f"outcome\0{topic}\0{partition}\0{offset}\0{type}\0{n}")


def outcome_id_of_emitted(message_id: str, type: str, n: int) -> str:
    """The n-th outcome of a type that an emitted event has apart from any instance."""
    return stable_id(f"emitted\0{message_id}\0{type}\0{n}")


def dead_id(topic: str, partition: int, offset: int) -> str:
    """An input becomes at most one dead letter."""
    return stable_id(f"dead\0{topic}\0{partition}\0{offset}")


def message_hash(message_id: str) -> bytes:
    """8 bytes that stand for a messageId in the memory of those seen lately."""
    digest = _EMPTY.copy()
    digest.update(message_id.encode())
    return digest.digest()
