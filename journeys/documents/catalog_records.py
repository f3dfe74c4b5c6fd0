"""The records of the catalog topic, and which version of a journey is active.

Law: the field order of a record never changes, so equal documents have equal records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class ActiveVersion(NamedTuple):
    """The active version of a journey, and the changes of its lifecycle.

    Attributes:
        written: the status that its document was last pushed with.
        resumed_at: when it was last resumed after a pause, ms; 0: never.
        archived_at: when it was archived, each time, ms: the first one that an instance has not
            observed yet ends it.
    """

    version: str
    status: str
    written: str
    resumed_at: int = 0
    archived_at: tuple[int, ...] = ()

    def with_status(self, status: str, at: int) -> ActiveVersion:
        """The journey after a change of its status at `at`, ms; each change is later than the one
        before."""
        at = max(at, *(before + 1 for before in (self.resumed_at, *self.archived_at)))
        resumed = self.status == "paused" and status == "running"
        archived = self.status != "archived" and status == "archived"
        return self._replace(
            status=status,
            resumed_at=at if resumed else self.resumed_at,
            archived_at=(*self.archived_at, at) if archived else self.archived_at,
        )

    def encode(self, name: str, description: str | None) -> bytes:
        """The value of the record `Journey/name`."""
        fields = {"kind": "Journey", "name": name, **self._asdict(), "description": description}
        return entry_bytes(fields)

    @classmethod
    def decode(cls, entry: Mapping[str, Any]) -> ActiveVersion:
        """Decode the value of the record `Journey/name`."""
        archived_at = tuple(entry["archived_at"])
        return cls(
            entry["version"], entry["status"], entry["written"], entry["resumed_at"], archived_at
        )


def entry_bytes(entry: Mapping[str, Any]) -> bytes:
    """The value of a record of the catalog."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


class Draft(dict[Any, Any]):
    """A mapping of a catalog that is being built: `with_value` changes it in place, so that a
    record doesn't cost a copy of the whole mapping."""


def with_value(known: Mapping[Any, Any], key: Any, value: Any) -> Mapping[Any, Any]:
    """The mapping with the value set, or without the key if the value is None."""
    if isinstance(known, Draft):
        if value is None:
            known.pop(key, None)
        else:
            known[key] = value
        return known
    if value is None:
        return MappingProxyType({name: one for name, one in known.items() if name != key})
    return MappingProxyType({**known, key: value})
