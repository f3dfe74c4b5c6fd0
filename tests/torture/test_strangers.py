"""What is expected of records that are none of the users'."""

from typing import Any

import pytest

from tests.torture.strangers import STRANGER, Strangers, Written


def told(offset: int, user: str | None, type: str, **cause: str) -> dict[str, Any]:
    place = {"topic": "journeys.events", "partition": 0, "offset": offset, **cause}
    return {"type": type, "user_id": user, "cause": place}


USERS, ENGINES, STRANGERS = (0, 0), (0, 1), (0, 2)
LOG = [
    Written(USERS, b"u1", False),
    Written(ENGINES, b"u1", True),
    Written(STRANGERS, f"{STRANGER}1".encode(), False),
]


def test_users_records_are_told_from_others() -> None:
    assert [one.is_strangers for one in LOG] == [False, True, True]


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (told(0, "u1", "event.rejected"), True),
        (told(1, None, "event.rejected"), False),
        (told(1, "u1", "wait.matched"), True),
        (told(2, None, "event.rejected"), False),
        (told(2, f"{STRANGER}1", "journey.entered"), False),
        (told(2, "u1", "wait.timed_out", timer="2026-01-01T00:00:00Z"), True),
    ],
)
def test_what_strangers_wrote_may_be_rejected_and_change_nobody_else(
    outcome: dict[str, Any], kept: bool
) -> None:
    strangers = Strangers(LOG)
    assert strangers.without_theirs([outcome]) == ([outcome] if kept else [])
    assert strangers.faults == 0


def test_nothing_is_rejected_twice() -> None:
    strangers = Strangers(LOG)
    assert strangers.without_theirs(2 * [told(1, None, "event.rejected")]) == []
    assert strangers.faults == 1


@pytest.mark.parametrize(
    ("offset", "detail", "count"),
    [
        (0, "?", 1),
        (1, "its signature is wrong", 0),
        (1, "Traceback (most...", 1),
        (2, "Traceback", 0),
    ],
)
def test_dead_letters_count_but_for_strangers_and_refused_records(
    offset: int, detail: str, count: int
) -> None:
    letter = {**told(offset, None, ""), "detail": detail}
    assert Strangers(LOG).others([letter]) == count
