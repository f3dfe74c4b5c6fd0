"""The guard reports a gross loss of speed, and nothing less."""

from benchmarks.guard import ALLOWED, EXPECTED, measure, too_slow


def test_what_is_expected_and_a_little_more_passes() -> None:
    assert too_slow({name: 1.9 * cost for name, cost in EXPECTED.items()}) == []


def test_one_loss_is_reported() -> None:
    (slow, *_) = EXPECTED
    assert too_slow({**EXPECTED, slow: ALLOWED * EXPECTED[slow] + 0.1}) == [slow]


def test_every_kind_of_work_is_measured() -> None:
    found = measure(rounds=1)
    assert found.keys() == EXPECTED.keys()
    assert all(cost > 1 for cost in found.values())
