"""The plots of docs/benchmarks.md, as SVG files for light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.goals import chosen
from benchmarks.results import Result, median
from benchmarks.tables import GROWTHS, TITLES, contenders, grown

_INK = "#808080"
_OURS, _THEIRS = "#3f51b5", "#9e9e9e"
_COLOURS = ("#3f51b5", "#7986cb", "#e65100", "#ffb74d", "#2e7d32", "#c62828", "#9e9e9e")

pyplot.rcParams.update(
    {
        "svg.hashsalt": "journeys",  # the same results give the same file
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
)


def write(results: Sequence[Result], folder: Path) -> list[str]:
    """Draw the results; returns the names of the files."""
    drawn = []
    for name, draw in (
        ("throughput", throughput),
        ("latency", latency),
        ("growth", growth),
    ):
        if any(one.part == name for one in results):
            figure = draw(results)
            file = f"benchmarks-{name}.svg"
            figure.savefig(folder / file, metadata={"Date": None}, bbox_inches="tight")
            pyplot.close(figure)
            # Remove the trailing blanks that the backend writes.
            text = (folder / file).read_text("utf-8")
            lines = [line.rstrip() for line in text.splitlines()]
            (folder / file).write_text("\n".join(lines) + "\n", "utf-8")
            drawn.append(file)
    return drawn


def throughput(results: Sequence[Result]) -> pyplot.Figure:
    """Events per second and CPU per event, one bar per contender."""
    names = contenders(results, "throughput")[::-1]
    figure, both = pyplot.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    for axes, what, title in zip(
        both, ("events_per_s", "cpu_s_per_100k"), ("events/s", "CPU s per 100,000"), strict=True
    ):
        values = [
            median(chosen(results, part="throughput", contender=name), what) or 0 for name in names
        ]
        colours = [_OURS if name.startswith("journeys") else _THEIRS for name in names]
        bars = axes.barh([TITLES[name] for name in names], values, color=colours)
        axes.bar_label(
            bars, [f" {value:,.3g}" if value < 100 else f" {value:,.0f}" for value in values]
        )
        axes.set_title(title)
        axes.margins(x=0.2)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(left=False)
    return figure


def latency(results: Sequence[Result]) -> pyplot.Figure:
    """p50 and p99 by rate, one line per contender, both axes logarithmic."""
    figure, both = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    names = contenders(results, "latency")
    for axes, what, title in zip(both, ("p50_ms", "p99_ms"), ("p50, ms", "p99, ms"), strict=True):
        for name, colour in zip(names, _COLOURS, strict=False):
            found = chosen(results, part="latency", contender=name)
            rates = sorted({one.rate for one in found if one.rate is not None})
            values = [median(chosen(found, rate=rate), what) for rate in rates]
            axes.plot(rates, values, marker="o", color=colour, label=TITLES[name])
        axes.set_xscale("log")
        axes.set_yscale("log")
        rates = sorted({one.rate for one in results if one.rate and one.part == "latency"})
        axes.set_xticks(rates, [f"{rate:,}" for rate in rates])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("events/s sent")
        axes.set_title(title)
    both[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def growth(results: Sequence[Result]) -> pyplot.Figure:
    """Events per second by each growing parameter."""
    names = [name for name in GROWTHS if grown(results, name)]
    figure, all_axes = pyplot.subplots(2, 3, figsize=(9, 5), layout="constrained", sharey=True)
    flat: list[Axes] = list(all_axes.flat)
    for axes, name in zip(flat, names, strict=False):
        points = grown(results, name)
        places = range(len(points))
        axes.plot(
            places,
            [median(found, "events_per_s") for _, found in points],
            marker="o",
            color=_OURS,
        )
        axes.set_xticks(places, [f"{value:,}" for value, _ in points])
        axes.margins(x=0.15)
        axes.set_xlabel(GROWTHS[name])
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for axes in flat[len(names) :]:
        axes.set_visible(False)
    for axes in (flat[0], flat[3]):
        axes.set_ylabel("events/s")
    return figure
