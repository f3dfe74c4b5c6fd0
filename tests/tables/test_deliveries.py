"""The record of an outstanding delivery outlives the program that wrote it."""

from __future__ import annotations

import msgspec
import pytest

from tables.deliveries import CODEC, Delivery

FULL = Delivery(7, b"{}", 2, 1_000, 2_000, "no answer", 500, "log")


def test_what_was_written_is_read() -> None:
    assert CODEC.decode(CODEC.encode(FULL)) == FULL


def test_a_record_of_the_first_version_is_read() -> None:
    first = b"\x01" + msgspec.msgpack.encode([7, b"{}", 2, 1_000, 2_000, "no answer"])
    assert CODEC.decode(first) == msgspec.structs.replace(FULL, written_at=0, log="")


def test_a_record_of_the_second_version_is_read() -> None:
    second = b"\x02" + msgspec.msgpack.encode([7, b"{}", 2, 1_000, 2_000, "no answer", 500])
    assert CODEC.decode(second) == msgspec.structs.replace(FULL, log="")


def test_a_record_of_a_version_to_come_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown format"):
        CODEC.decode(b"\x04" + CODEC.encode(FULL)[1:])
