"""What was recorded once still comes about, to the byte: an edit that changes it is seen."""

from __future__ import annotations

import gzip

import pytest

from tests.recorded.record import KEPT, NAMES, history, kept


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_history_has_the_same_outcomes_and_actions(name: str) -> None:
    before = gzip.decompress(kept(name).read_bytes()).splitlines()
    now = history(name).splitlines()
    for old, new in zip(before, now, strict=False):
        assert new == old, "if this is meant: python -m tests.recorded.record"
    assert len(now) == len(before)


def test_every_record_is_of_an_example() -> None:
    assert {path.name for path in KEPT.iterdir()} == {kept(name).name for name in NAMES}
