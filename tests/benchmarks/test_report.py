"""The page shows what the results contain."""

from __future__ import annotations

from pathlib import Path

from benchmarks import results, tables
from benchmarks.goals import GOALS, Goal, ratio
from benchmarks.report import _PICTURES, PAGE, page
from benchmarks.results import Result


def result(contender: str, round: int, speed: float) -> Result:
    return Result(
        part="throughput",
        contender=contender,
        work="toy",
        guarantee="at least once",
        round=round,
        events_per_s=speed,
        verified=True,
    )


SOME = [
    result("journeys-loop", 1, 150.0),
    result("quix", 1, 100.0),
    result("journeys-loop", 2, 300.0),
    result("quix", 2, 100.0),
    result("journeys-loop", 3, 80.0),
    result("quix", 3, 40.0),
    result("journeys-loop", 4, 90.0),
]


def goal(start: str) -> Goal:
    (found,) = [one for one in GOALS if one.what.startswith(start)]
    return found


def test_a_ratio_is_made_within_a_round() -> None:
    over, under = {"contender": "journeys-loop"}, {"contender": "quix"}
    assert ratio(SOME, "events_per_s", over, under) == 2.0  # of 1.5, 3 and 2; the fourth is alone
    quix = goal("toy step on our loop, speed of Quix")
    assert quix.is_reached(SOME) is True
    assert quix.is_reached(SOME[:2]) is True
    assert quix.is_reached([result("journeys-loop", 1, 139.0), SOME[1]]) is False
    assert quix.is_reached(SOME[:1]) is None


def test_a_goal_that_was_not_measured_is_reported_as_such() -> None:
    lines = tables.goals(SOME).splitlines()
    assert len(lines) == len(GOALS) + 2
    assert "2.00x" in lines[2]
    assert all("not measured" in line for line in lines[3:])


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(SOME, path)
    assert results.load(path) == SOME
    assert len(path.read_text().splitlines()) == len(SOME) + 2


def test_the_page_is_made_of_the_results_that_are_kept() -> None:
    pictures = {
        name.removeprefix("benchmarks-").removesuffix(".svg"): f"![{text}](assets/{name})"
        for name, text in _PICTURES.items()
    }
    assert PAGE.read_text("utf-8") == page(results.load(), pictures)
