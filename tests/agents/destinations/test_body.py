"""Whatever a destination answers, what is extracted from it can be reported."""

from __future__ import annotations

import time
from typing import Any

import httpx
import msgspec
import pytest

from agents.destinations.http.body import READ_BYTES, excerpt_of, labels_of
from agents.destinations.secrets import Secrets
from tests.journeys.records.test_tolerant_json import ODD


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
        ("utf-8", b"\0", "(1 bytes that are not plain text)"),
    ],
)
def test_no_charset_of_an_answer_ends_or_holds_up_the_worker(
    charset: str, body: bytes, told: str
) -> None:
    began = time.process_time()
    found = excerpt_of(response(charset), body[:READ_BYTES], True, Secrets({}))
    assert time.process_time() - began < 0.3  # seconds; as punycode it takes 0.8
    assert msgspec.json.decode(msgspec.json.encode(found)).startswith(told)


def test_a_secret_that_is_cut_off_is_not_reported_either() -> None:
    secrets = Secrets({"JOURNEYS_SECRET_A": "t0p-secret"})
    found = excerpt_of(response(), b"so far so good: t0p-se", False, secrets)
    assert "t0p" not in found
    assert excerpt_of(response(), b"t0p-se", False, secrets) == "[secret]"
    assert excerpt_of(response(), b"so: t%30p%2", False, secrets) == "so: [secret]"
    assert excerpt_of(response(), b"all of t0p-secret", True, secrets) == "all of [secret]"


@pytest.mark.parametrize(
    ("answer", "body", "labels"),
    [
        (response(), b'{"a": "x", "b": 1}', {"a": "x", "b": '{"a": "x", "b": 1}', "s": 400}),
        (response(), None, {"s": 400}),  # its end did not come
        (response(), b"\0", {"s": 400}),
        (response("utf-7"), b"+2AA-", {"b": "?", "s": 400}),
        (response(**{"Content-Encoding": "gzip"}), b'{"a": "x"}', {"s": 400}),
        (response(status=204), b"", {"b": "", "s": 204}),
    ],
)
def test_a_label_whose_part_is_not_there_or_no_text_is_left_out(
    answer: httpx.Response, body: bytes | None, labels: dict[str, Any]
) -> None:
    wanted = {"a": "payload.a", "b": "body", "s": "status_code", "h": "headers.x"}
    assert labels_of(wanted, answer, body, Secrets({})).labels == labels


def test_a_number_that_is_a_secret_is_no_label() -> None:
    secrets = Secrets({"JOURNEYS_SECRET_PIN": "735"})
    wanted = {"a": "payload.a", "b": "payload.b", "c": "payload.c"}
    found = labels_of(wanted, response(), b'{"a": 735, "b": 7350, "c": true}', secrets)
    assert found.labels == {"a": "[secret]", "b": 7350, "c": True}


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "no-such", "utf-16-le", "punycode"])
@pytest.mark.parametrize("name", sorted(set(ODD) - {"a million digits"}))
def test_an_odd_part_of_an_answer_costs_no_label_elsewhere(name: str, charset: str) -> None:
    """Whether or not a label reads the part: it is a text, missing, or missing and reported."""
    body = b'\xef\xbb\xbf{"score": 0.9, "odd": ' + ODD[name][0][:20_000] + b', "last": "x"}'
    if len(ODD[name][0]) > 20_000:
        body = b'{"score": 0.9, "odd": ' + b"[" * 9_000 + b"]" * 9_000 + b', "last": "x"}'
    if charset == "utf-16-le":
        body = body.decode("utf-8", "replace").encode("utf-16-le")
    elif charset == "latin-1":
        body = body.removeprefix(b"\xef\xbb\xbf")
    wanted = {"score": "payload.score", "odd": "payload.odd", "last": "payload.last"}
    labels, unread = labels_of(wanted, response(charset, 200), body, Secrets({}))
    assert (labels["score"], labels["last"]) == (0.9, "x")
    assert set(unread) <= {"odd"}
    if name in ("beyond double", "NaN", "-Infinity", "beyond double, written out"):
        assert set(unread) == {"odd"}
    msgspec.json.encode([labels, unread])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "the body is no JSON: found no value where one is expected"),
        (b'{"a": 1e400}', "a number beyond the range of a double: 1e400"),
        (b'{"a": 99999999999999999999}', "a number beyond 64 bits"),
        (b'{"a": "' + b"x" * 20_000 + b'"}', "a text of 20000 characters: at most 16384 are read"),
        (None, "the body is longer than 65536 bytes, or broke off"),
    ],
)
def test_a_label_that_can_t_be_read_says_why(body: bytes | None, why: str) -> None:
    labels, unread = labels_of({"a": "payload.a", "b": "payload.b"}, response(), body, Secrets({}))
    assert labels == {}
    assert unread["a"].startswith(why)
