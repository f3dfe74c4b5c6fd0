"""A secret is not repeated to anybody, in whatever form a server sends it back."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.destinations.secrets import Secrets

SECRET = "a+b/ü\"c' <&>"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}\r\n",
        json.dumps({"header": SECRET}),
        json.dumps({"header": SECRET}, ensure_ascii=False),
        json.dumps({"header": SECRET}).replace("/", "\\/"),
        f"?token={quote(SECRET)}",
        f"?token={quote(SECRET, safe='')}",
        html.escape(SECRET),
        f"Basic {base64.b64encode(SECRET.encode()).decode()}",
    ],
)
def test_a_secret_is_masked_in_the_forms_servers_repeat_it_in(text: str) -> None:
    masked = Secrets({"JOURNEYS_SECRET_A": f"{SECRET}\n"}).masked(text)
    assert "[secret]" in masked
    assert SECRET not in masked
    assert "a+b" not in masked


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


ESCAPES: list[Callable[[str], str]] = [
    str,
    quote,
    lambda text: quote(text, safe=""),
    lambda text: quote_plus(text),
    lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    percent,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text).replace("/", "\\/")[1:-1],
    lambda text: "".join(f"\\u{unit:04x}" for unit in units(text)),
    lambda text: "".join(f"\\u{unit:04X}" for unit in units(text)),
    lambda text: re.sub("[^a-z]", lambda found: json_escape(found[0]), text),
    lambda text: repr(text)[1:-1],
    html.escape,
    lambda text: "".join(f"&#{ord(one)};" for one in text),
    lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
]


def units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def json_escape(character: str) -> str:
    return "".join(f"\\u{unit:04X}" for unit in units(character))


SECRET_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=20)


@given(
    SECRET_TEXTS.filter(lambda text: text.strip() == text),
    st.lists(st.sampled_from(ESCAPES), max_size=2),
    st.booleans(),
)
def test_a_secret_is_masked_however_it_is_escaped(
    secret: str, escapes: list[Callable[[str], str]], whole: bool
) -> None:
    text = secret
    for escape in escapes:
        text = escape(text)
    masked = Secrets({"JOURNEYS_SECRET_A": secret}).masked(f'"{text}" ', whole=whole)
    assert masked.strip() == '"[secret]"'


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.b16encode])
def test_a_secret_inside_of_what_is_encoded_is_masked(encode: Any, before: str) -> None:
    secret = "t0p-secret>?~"
    text = encode(f"{before}{secret} after".encode()).decode()
    masked = Secrets({"JOURNEYS_SECRET_A": secret}).masked(text)
    assert "[secret]" in masked
    assert len(masked) < len(text)


def test_of_a_secret_that_was_cut_off_nothing_is_left() -> None:
    secrets = Secrets({"JOURNEYS_SECRET_A": SECRET})
    for escape in ESCAPES:
        text = escape(SECRET)
        for end in range(len(text)):
            masked = secrets.masked(f"so far: {text[:end]}", whole=False)
            assert masked in ("so far: ", "so far: [secret]"), (text, end)


def test_the_variables_that_a_document_lacks_are_named_in_full() -> None:
    secrets = Secrets({"JOURNEYS_SECRET_A": "a"})
    headers = {"X": "Bearer ${env.A} ${env.B}", "Y": ["${env.JOURNEYS_SECRET_C + env['D']}"]}
    assert secrets.lacking({"headers": headers, "url": "https://e.example/${user.id}"}) == [
        "JOURNEYS_SECRET_B is not set",
        "JOURNEYS_SECRET_C is not set",
        "JOURNEYS_SECRET_D is not set",
    ]


def test_a_large_text_full_of_escapes_takes_a_moment() -> None:
    secrets = Secrets({"JOURNEYS_SECRET_A": SECRET})
    started = time.process_time()
    for part in ("%41", "\\", "&amp;", "\\u0041", "%25" * 3):
        secrets.masked(part * (65_536 // len(part)))
    assert time.process_time() - started < 2


def test_a_secret_that_begins_like_another_leaves_no_rest() -> None:
    secrets = Secrets({"JOURNEYS_SECRET_A": "abc", "JOURNEYS_SECRET_B": "abcdef"})
    assert secrets.masked("abcdef abc") == "[secret] [secret]"


def test_only_variables_meant_for_documents_are_secrets_of_theirs() -> None:
    assert Secrets({"HOME": "/root", "JOURNEYS_SECRET_E": ""}).values == {}
    environment = {"HOME": "/root", "JOURNEYS_SECRET_HOME": "mine", "JOURNEYS_SECRET_T": "t"}
    values = Secrets(environment).values
    assert (values["HOME"], values["T"], values["JOURNEYS_SECRET_T"]) == ("mine", "t", "t")
    assert Secrets({"MAILER_TOKEN": "m", "JOURNEYS_ENV_PREFIX": "MAILER_"}).values == {
        "MAILER_TOKEN": "m",
        "TOKEN": "m",
    }
    assert Secrets({}).masked("nothing to hide") == "nothing to hide"
