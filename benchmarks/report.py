"""Writes docs/benchmarks.md and its plots from benchmarks/results.json.

    python -m benchmarks.report

The text of the page is in page.md, and the section about the hot path in notes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import tables
from benchmarks.results import Result, load

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PAGE = DOCS / "benchmarks.md"
ASSETS = DOCS / "assets"
_PICTURES = {
    "benchmarks-throughput.svg": "Events per second and CPU per event of every contender",
    "benchmarks-latency.svg": "p50 and p99 of the latency by rate",
    "benchmarks-growth.svg": "Events per second by users, journeys, instances, bytes, partitions",
}


def write(results: Sequence[Result]) -> None:
    """Write the page and its plots."""
    from benchmarks import plots  # matplotlib takes a second to load

    drawn = plots.write(results, ASSETS)
    pictures = {
        name.removeprefix("benchmarks-").removesuffix(".svg"): (
            f"![{text}](assets/{name})" if name in drawn else ""
        )
        for name, text in _PICTURES.items()
    }
    PAGE.write_text(page(results, pictures), "utf-8")


def page(results: Sequence[Result], pictures: dict[str, str]) -> str:
    """The page's text.

    Args:
        pictures: Markdown of the plots, by the name of the part.
    """
    growths = "\n".join(tables.growth(results, name) for name in tables.GROWTHS)
    wrong = sorted(
        {
            f"- {one.part}, {one.contender}, round {one.round}: {problem}"
            for one in results
            for problem in one.problems
        }
    )
    return Template((HERE / "page.md").read_text("utf-8")).substitute(
        goals=tables.goals(results),
        machines="\n".join(f"- {one}" for one in machines(results)),
        throughput=tables.throughput(results),
        throughput_plot=pictures["throughput"],
        latency=tables.latency(results),
        latency_plot=pictures["latency"],
        growth=growths,
        growth_plot=pictures["growth"],
        recovery=tables.recovery(results),
        wrong="\n".join(wrong) or "Nothing was missing, repeated or wrong.",
        notes=(HERE / "notes.md").read_text("utf-8").strip(),
    )


def machines(results: Sequence[Result]) -> list[str]:
    """The machines on which the parts were measured, and when."""
    found: dict[str, list[Result]] = {}
    for one in results:
        found.setdefault(one.machine, []).append(one)
    return [
        f"{', '.join(dict.fromkeys(one.part for one in some))} "
        f"({max(one.measured for one in some)[:10]}): {machine}"
        for machine, some in found.items()
    ]


if __name__ == "__main__":
    write(load())
