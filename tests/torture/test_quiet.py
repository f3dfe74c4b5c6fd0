"""How long nothing was done to an installation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.torture.quiet import Fault, longest_quiet


@pytest.mark.parametrize(
    ("faults", "quiet"),
    [
        ([], 100),
        ([Fault(0, 100)], 0),
        ([Fault(40, 40)], 60),
        ([Fault(-50, 10), Fault(90, 300)], 80),
        ([Fault(30, 50), Fault(20, 80)], 20),
        ([Fault(-20, -10), Fault(100, 110)], 100),
    ],
)
def test_the_longest_stretch_without_a_fault(faults: list[Fault], quiet: int) -> None:
    assert longest_quiet(0, 100, faults) == quiet


moments = st.integers(0, 30)
some_faults = st.lists(st.tuples(moments, moments).map(lambda ends: Fault(*sorted(ends))))


@given(some_faults, moments, moments)
def test_it_equals_a_search_of_every_moment(faults: list[Fault], a: int, b: int) -> None:
    begin, end = sorted((a, b))
    longest = run = 0
    for moment in range(begin, end):
        if any(fault.begin <= moment < fault.end for fault in faults):
            run = 0
            continue
        if any(fault.begin == fault.end == moment for fault in faults):
            run = 0
        run += 1
        longest = max(longest, run)
    assert longest_quiet(begin, end, faults) == longest
