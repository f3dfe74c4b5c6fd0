"""A secret is not repeated to anybody, in whatever form a server sends it back."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

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
