"""Records, outcomes and actions of long histories are what they were, to the byte."""

from __future__ import annotations

import json

import pytest

from tests.recorded.long_histories import HISTORIES, KEPT, SLICE

DIGESTS = json.loads(KEPT.read_text())


@pytest.mark.parametrize("name", HISTORIES)
def test_a_long_history_has_the_same_bytes(name: str) -> None:
    found = HISTORIES[name]()
    for number, (before, now) in enumerate(zip(DIGESTS[name], found, strict=True)):
        assert now == before, (
            f"something differs in the inputs {number * SLICE} to {number * SLICE + SLICE}; "
            "if this is meant: python -m tests.recorded.long_histories"
        )
