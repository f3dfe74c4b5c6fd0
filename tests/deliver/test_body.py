"""Whatever a destination answers, what is taken from it can be told."""

from __future__ import annotations

import time

import httpx
import msgspec
import pytest

from agents.deliver.body import READ_BYTES, excerpt_of
from agents.deliver.secrets import Secrets


def response(charset: str = "utf-8", status: int = 400, **headers: str) -> httpx.Response:
    kind = {"Content-Type": f"application/json; charset={charset}"}
    return httpx.Response(status, headers=kind | headers)


@pytest.mark.parametrize(
    ("charset", "body", "told"),
    [
        ("utf-7", b"+2AA-", "?"),  # half of a surrogate pair
        ("punycode", b"a-" + b"k" * READ_BYTES, "a-kkk"),
        ("rot13", b"late", "late"),
        ("utf-16-le", "später".encode("utf-16-le"), "später"),
        ("utf-8", b"\0", "(1 bytes that are no plain text)"),
    ],
)
def test_no_charset_of_an_answer_ends_or_holds_up_the_worker(
    charset: str, body: bytes, told: str
) -> None:
    began = time.process_time()
    found = excerpt_of(response(charset), body[:READ_BYTES], Secrets({}))
    assert time.process_time() - began < 0.3  # seconds; as punycode it takes 0.8
    assert msgspec.json.decode(msgspec.json.encode(found)).startswith(told)
