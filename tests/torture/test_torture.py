"""A short torture in every run of CI; `make torture` is the long one."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.torture.account import Account, compare
from tests.torture.expected import Arrived, Expected
from tests.torture.run import run


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    result = run("a-bit-of-everything", 1, tmp_path)
    assert result.faults() == {}, result.line()
    assert result.account.inputs > 1_000
    assert result.account.timers > 100
    assert result.account.calls > 500


def log() -> list[Arrived]:
    """One user: an order that is paid, one that nobody pays, three ticks, of which one twice."""
    happened = [
        (0, "begin", "m1", {"number": 1, "order": "a"}),
        (500, "begin", "m2", {"number": 2, "order": "b"}),
        (900, "pay", "m3", {"number": 3, "order": "a"}),
        (1_000, "tick", "m4", {"number": 4}),
        (1_100, "tick", "m4", {"number": 4}),
        (9_000, "tick", "m5", {"number": 5}),
        (9_100, "ask", "m6", {"number": 6}),
    ]
    return [
        Arrived(0, offset, at, b"u", json.dumps(
            {"event": event, "userId": "u", "messageId": message, "properties": properties}
        ).encode())
        for offset, (at, event, message, properties) in enumerate(happened)
    ]  # fmt: skip


def test_what_is_expected_of_a_log() -> None:
    expected = Expected({"a": "push"}, {}).read(log())
    assert expected.ticks == {"u": 2}
    timers = [(one.key, one.node, one.at) for one in expected.told if one.cause[:5] == "timer"]
    assert timers[0] == ("b", "first", 2_500)
    assert timers[-1] == ("b", "lost", 4_000)
    ends = [(one.key, one.node) for one in expected.told if one.type == "journey.exited"]
    assert Counter(ends) == {
        (None, "answered"): 1,
        (None, None): 2,
        ("a", "paid"): 1,
        ("b", "lost"): 1,
    }


@pytest.mark.parametrize(
    ("type", "missing", "twice"),
    [
        ("journey.entered", "lost", "applied_twice"),
        ("action.requested", "actions_lost", "actions_repeated"),
        ("wait.timed_out", "timers_lost", "timers_double"),
    ],
)
def test_the_account_sees_what_is_missing_and_what_is_there_twice(
    type: str, missing: str, twice: str
) -> None:
    told = Expected({"a": "push"}, {}).read(log()).told
    one = next(one for one in told if one.type == type)
    for found, fault in ((told, None), ([*told, one], twice), ([*told, one._replace(at=7)], "odd")):
        account = Account()
        compare(account, told, found)
        wanted = {"odd": {"unexpected": 1}, None: {}}.get(fault, {fault: 1})
        assert account.faults() == wanted
    account = Account()
    compare(account, told, [other for other in told if other is not one])
    assert account.faults() == {missing: 1}
