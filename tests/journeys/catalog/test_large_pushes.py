"""A large push costs as much as it is long, and what is too much is refused in words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, Rejected, check_push
from journeys.documents.destination import DestinationKind
from journeys.problems import MOST_IN_ALL

MAILER = "kind: Destination\nname: mailer\ntype: http\nurl: https://mail.example.com/\n"


def destinations(count: int, first: int = 0, more: str = "") -> str:
    numbers = range(first, first + count)
    return "---\n".join(MAILER.replace("mailer", f"d{n}") + more for n in numbers)


def journeys(count: int, event: str = "start", to: str = "mailer") -> str:
    return "---\n".join(
        f"kind: Journey\nname: j{n}\nentry: {{event: {event}}}\n"
        f"nodes: {{mail: {{type: destination, destination: {to}, payload: {{}}}}}}\n"
        for n in range(count)
    )


def lifecycles(count: int) -> str:
    return "---\n".join(f"kind: Lifecycle\nname: j{n}\nstatus: archived\n" for n in range(count))


def accepted(text: str, catalog: Catalog) -> Accepted:
    verdict = check_push(text, "push.yaml", catalog)
    assert isinstance(verdict, Accepted), verdict
    return verdict


def work(act: Callable[[], Any]) -> int:
    """The calls and the copied items that it takes: the same on every machine."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


PUSHES = {
    "new": lambda n: MAILER + "---\n" + journeys(n),
    "the same again": lambda n: MAILER + "---\n" + journeys(n),
    "changed": lambda n: journeys(n, event="begin"),
    "a missing destination": lambda n: journeys(n, to="mialer"),
    "archived": lifecycles,
}


@pytest.mark.parametrize("what", PUSHES)
def test_twice_the_documents_are_twice_the_work(what: str) -> None:
    def cost(count: int) -> int:
        catalog = Catalog(KINDS)
        if what != "new":
            catalog = accepted(PUSHES["new"](count), catalog).catalog
        text = PUSHES[what](count)
        return work(lambda: check_push(text, "push.yaml", catalog))

    cost(20)  # fills caches
    assert cost(400) < 2.5 * cost(200)


def test_a_catalog_is_read_without_a_copy_for_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = accepted(MAILER + "---\n" + journeys(200), Catalog(KINDS)).entries
    one_by_one = Catalog(KINDS)
    for key, value in entries:
        one_by_one = one_by_one.with_entry(key, value)
    together = Catalog(KINDS).with_entries(entries)
    assert together == one_by_one
    # No mapping of the result can be changed by what is read later.
    more = together.with_entries([("Journey/j0", None)])
    assert "j0" in together.journeys
    assert "j0" not in more.journeys


def test_6000_journeys_are_one_push() -> None:
    verdict = accepted(MAILER + "---\n" + journeys(6_000), Catalog(KINDS))
    assert len(verdict.catalog.journeys) == 6_000


def test_too_many_new_destinations_in_one_push_are_refused() -> None:
    most = DestinationKind.most_new
    assert most is not None
    accepted(destinations(most), Catalog(KINDS))
    verdict = check_push(destinations(2_000), "push.yaml", Catalog(KINDS))
    assert isinstance(verdict, Rejected)
    assert [problem.message for problem in verdict.problems] == [
        f"found 2,000 documents of kind Destination, expected at most {most} in one push"
    ]


def test_too_many_destinations_in_all_are_refused_and_known_ones_still_change() -> None:
    most, step = DestinationKind.most, DestinationKind.most_new
    assert most is not None
    assert step is not None
    catalog = Catalog(KINDS)
    for first in range(0, most, step):
        catalog = accepted(destinations(step, first), catalog).catalog
    verdict = check_push(destinations(1, most), "push.yaml", catalog)
    assert isinstance(verdict, Rejected)
    assert verdict.problems[0].message == (
        f"found {most + 1:,} documents of kind Destination, expected at most {most:,} in all, "
        "archived ones included"
    )
    accepted(destinations(most, more="status: archived\n"), catalog)


def test_a_push_of_mistakes_ends_with_how_many_are_shown() -> None:
    verdict = check_push("---\n{}\n" * 5_000, "push.yaml", Catalog(KINDS))
    assert isinstance(verdict, Rejected)
    assert len(verdict.problems) == MOST_IN_ALL + 1
    assert verdict.problems[-1].message == "only 1,000 problems are shown in all"


def test_a_quotation_of_a_document_is_short() -> None:
    text = journeys(1, to="x" * 500_000)
    verdict = check_push(text, "push.yaml", Catalog(KINDS))
    assert isinstance(verdict, Rejected)
    for problem in verdict.problems:
        assert all(len(one or "") <= 1_000 for one in (problem.message, problem.found))
