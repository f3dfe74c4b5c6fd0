"""The request that `type: http` makes of an action, where it can't make one."""

from __future__ import annotations

from typing import Any

import pytest

from agents.destinations.base import CantBeSent
from agents.destinations.http.document import HttpDestination
from agents.destinations.http.request import request_of
from agents.destinations.secrets import Secrets
from tables.deliveries import read_action
from tests.agents.destinations.test_conformance import value_of


@pytest.mark.parametrize(
    ("header", "passing"), [("${user.id}", False), ("${env.TOKEN}", True)], ids=["data", "secret"]
)
def test_a_header_that_is_not_ascii_can_t_be_sent(header: str, passing: bool) -> None:
    """A secret can be set right and the worker started again; data stays as it is."""
    written: dict[str, Any] = {"kind": "Destination", "name": "it", "type": "http"}
    written |= {"url": "https://example.com", "headers": {"X-It": header}}
    value = value_of(user_id="Jürgen")
    with pytest.raises(CantBeSent, match="not ASCII") as raised:
        request_of(
            HttpDestination.model_validate(written),
            read_action(value),
            value,
            Secrets({"JOURNEYS_SECRET_TOKEN": "ü"}),
        )
    assert raised.value.passing == passing
