"""Ids of instances, actions, outcomes and dead letters.

Law: an id is a pure function of what it identifies, so a repeated step repeats its ids and readers
can remove duplicates.
"""

from __future__ import annotations

from hashlib import blake2b, sha1
from uuid import UUID

NAMESPACE = UUID("6f1d2c1e-4b53-5d0c-9a57-0c9f1c0c5b7e")
"""The uuid5 namespace of every id."""

_PREFIX = sha1(NAMESPACE.bytes, usedforsecurity=False)
_EMPTY = blake2b(digest_size=8)
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def stable_id(name: str) -> str:
    """The same as `str(uuid.uuid5(NAMESPACE, name))`, but faster."""
    digest = _PREFIX.copy()
    digest.update(name.encode())
    h = digest.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


def instance_id(journey: str, user: str, key: str | None, message_id: str) -> str:
    """The id of an instance: one per user, journey, key and entry event.

    The key may be any text, so its length is written before it.
    """
    keyed = "" if key is None else f"{len(key)}={key}"
    return stable_id(f"instance\0{journey}\0{user}\0{keyed}\0{message_id}")


def branch_id(parent: str, visit: int, branch: str) -> str:
    """The id of a branch's instance: one per branch and visit of its parallel node by the instance
    `parent`."""
    return stable_id(f"branch\0{parent}\0{visit}\0{branch}")


def action_id(instance: str, node: str, visit: int) -> str:
    """The id of an action: one per visit of a node; `visit` counts the nodes reached so far."""
    return stable_id(f"action\0{instance}\0{node}\0{visit}")


def outcome_id(instance: str, visit: int, type: str, token: str, n: int) -> str:
    """The id of the n-th outcome of a type in a visit; `token` tells its steps apart."""
    return stable_id(f"outcome\0{instance}\0{visit}\0{type}\0{n}\0{token}")


def outcome_id_of_input(topic: str, partition: int, offset: int, type: str, n: int) -> str:
    """The id of the n-th outcome of a type that belongs to an input and to no instance."""
    return stable_id(f"outcome\0{topic}\0{partition}\0{offset}\0{type}\0{n}")


def outcome_id_of_emitted(message_id: str, type: str, n: int) -> str:
    """The id of the n-th outcome of a type that belongs to an emitted event and to no instance."""
    return stable_id(f"emitted\0{message_id}\0{type}\0{n}")


def dead_id(topic: str, partition: int, offset: int) -> str:
    """The id of the dead letter of an input."""
    return stable_id(f"dead\0{topic}\0{partition}\0{offset}")


def message_hash(message_id: str) -> bytes:
    """The 8-byte hash of a messageId in the deduplication window."""
    digest = _EMPTY.copy()
    digest.update(message_id.encode())
    return digest.digest()
