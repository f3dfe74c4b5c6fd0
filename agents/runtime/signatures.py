"""Signs the records that the engine itself writes to `journeys.events`, and checks them.

Law: with keys set, nobody without a key can forge a record of the engine, or move one to another
installation, partition, key or time. Marks are not signed, as they have no content.

A copy of a signed record within MAX_AGE_MS does no harm: a response counts once per visit, an event
once per messageId, and barriers and clock records have no effect twice.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable

from agents.settings import RecordMode, Settings
from journeys.records.headers import KINDS, ORIGIN, RECORD, SIGNATURE, Found, Headers
from journeys.records.input import Refusal

MAX_AGE_MS = 600_000
"""The largest difference between the time of signing and the broker's append time."""

_TOPIC = b"journeys.events"
_VERSION = 1
_HEAD = struct.Struct(">Bq")
_SIZE = _HEAD.size + 32
_LENGTH = struct.Struct(">q")
_NUMBERS = struct.Struct(">qq")
_NONE = _LENGTH.pack(-1)

Count = Callable[[str], None]
"""Called with the kind of a record."""


class Signatures:
    """The keys of one process; without keys nothing is signed or checked.

    Args:
        keys: the first one signs; all verify.
        mode: `require` refuses records without a signature, `accept` only counts them.
        installation: the id of the installation, so that a record is not valid in another one.
    """

    def __init__(
        self, keys: tuple[str, ...] = (), mode: RecordMode = "require", installation: str = ""
    ) -> None:
        self._keys = [key.encode() for key in keys]
        self._mode = mode
        self._prefix = _part(installation.encode()) + _part(_TOPIC)

    @classmethod
    def of(cls, settings: Settings, installation: str = "") -> Signatures:
        """The keys and the mode from the settings of the process."""
        return cls(settings.record_keys, settings.record_mode, installation)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def sign(
        self, partition: int, key: bytes | None, value: bytes, headers: Headers, now: int
    ) -> Headers:
        """The headers of a record about to be written, signed at `now` (ms) if they name a kind."""
        if not self._keys:
            return headers
        named = dict(headers)
        if RECORD not in named:
            return headers
        text = self._text(partition, key, value, named[RECORD], named.get(ORIGIN), now)
        digest = hmac.digest(self._keys[0], text, "sha256")
        return [*headers, (SIGNATURE, _HEAD.pack(_VERSION, now) + digest)]

    def check(
        self,
        partition: int,
        key: bytes | None,
        value: bytes,
        found: Found,
        appended: int,
        count: Count,
    ) -> Refusal | None:
        """Why a record with a kind must not be applied, or None.

        Args:
            appended: when the broker appended the record, ms.
            count: counts records that are accepted without a signature, by kind.
        """
        if not self._keys or found.kind == "mark" or found.kind is None:
            return None
        signature = found.signature
        if signature is None:
            if self._mode == "accept":
                count(found.kind if found.kind in KINDS else "other")
                return None
            return _refusal("unsigned", f"header `{SIGNATURE}`: found nothing, expected one")
        if len(signature) != _SIZE or signature[0] != _VERSION:
            return _refusal("bad_signature", f"header `{SIGNATURE}`: found an unknown format")
        signed = _HEAD.unpack_from(signature)[1]
        kind = found.kind.encode()
        origin = None if found.origin is None else found.origin.encode()
        text = self._text(partition, key, value, kind, origin, signed)
        digest = signature[_HEAD.size :]
        if not any(
            hmac.compare_digest(hmac.digest(one, text, "sha256"), digest) for one in self._keys
        ):
            return _refusal(
                "bad_signature",
                f"header `{SIGNATURE}`: found a signature by none of the known keys",
            )
        if abs(appended - signed) > MAX_AGE_MS:
            apart = f"signed {abs(appended - signed) / 1_000:.0f} s before or after it was appended"
            return _refusal("stale_signature", f"{apart}, expected at most {MAX_AGE_MS // 1_000} s")
        return None

    def _text(
        self,
        partition: int,
        key: bytes | None,
        value: bytes,
        kind: bytes,
        origin: bytes | None,
        signed: int,
    ) -> bytes:
        """The signed bytes. Every part is prefixed with its length, so that no two records have the
        same bytes."""
        numbers = _NUMBERS.pack(partition, signed)
        return b"".join(
            (self._prefix, numbers, _part(key), _part(kind), _part(origin), _part(value))
        )


def _part(data: bytes | None) -> bytes:
    return _NONE if data is None else _LENGTH.pack(len(data)) + data


def _refusal(reason: str, detail: str) -> Refusal:
    return Refusal(reason, detail, replayable=True)
