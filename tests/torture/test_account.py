"""What counts as a timer that overtook the log."""

import pytest

from tests.torture.account import overtook
from tests.torture.expected import Arrived


@pytest.mark.parametrize(
    ("paid", "early"),
    [
        (Arrived(0, 20, 500, None, b""), True),
        (Arrived(0, 20, 1_500, None, b""), False),
        (Arrived(0, 40, 500, None, b""), False),
        (Arrived(1, 20, 500, None, b""), False),
        (Arrived(0, 5, 500, None, b""), False),
    ],
    ids=["in time", "after it was due", "behind the timer", "in another log", "before the entry"],
)
def test_a_timer_is_early_behind_what_ended_its_wait_in_time(paid: Arrived, early: bool) -> None:
    assert overtook([paid], entered=10, place=(0, 30), due=1_000) == early
