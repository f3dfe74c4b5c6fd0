"""Results as Markdown tables, for the page and for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.goals import GOALS, chosen
from benchmarks.results import Result, median

Rows = list[list[str]]

_ORDER = (
    "journeys",
    "journeys-loop",
    "kafka-streams-eos",
    "kafka-streams",
    "quix",
    "faust",
    "librdkafka",
)
TITLES = {
    "journeys": "journeys: 10 real journeys",
    "journeys-loop": "journeys: the toy step",
    "kafka-streams-eos": "Kafka Streams, exactly_once_v2",
    "kafka-streams": "Kafka Streams, at_least_once",
    "quix": "Quix Streams",
    "faust": "Faust",
    "librdkafka": "librdkafka, bare loop",
}
GROWTHS = {
    "users": "users, each with a record",
    "journeys": "running journeys",
    "instances": "live instances of each of 1,000 users",
    "event_bytes": "bytes of an event",
    "partitions": "partitions",
    "workers": "workers on two cores",
}


def table(head: Sequence[str], rows: Rows) -> str:
    """A Markdown table, padded to be readable on a terminal; figures are right-aligned."""
    if not rows:
        return "Not measured.\n"
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        _line(head, widths),
        "|"
        + "|".join("-" * (width + 1) + (":" if n else "-") for n, width in enumerate(widths))
        + "|",
        *(_line(row, widths) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "| " + " | ".join(padded) + " |"


def contenders(results: Sequence[Result], part: str) -> list[str]:
    """The measured contenders, in the order of all tables."""
    found = {one.contender for one in results if one.part == part}
    return [name for name in _ORDER if name in found]


def figure(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _middle(results: Sequence[Result], name: str, digits: int = 0) -> str:
    """The median of a figure."""
    return figure(median(results, name), digits)


def verified(results: Sequence[Result]) -> str:
    """The number of verified rounds, and of duplicates."""
    right = sum(one.verified is True for one in results)
    again = sum(one.duplicates or 0 for one in results)
    return f"{right} of {len(results)}" + (f", {again} repeated" if again else "")


def throughput(results: Sequence[Result]) -> str:
    rows = []
    for name in contenders(results, "throughput"):
        found = chosen(results, part="throughput", contender=name)
        rows.append(
            [
                TITLES[name],
                found[0].guarantee,
                _middle(found, "events_per_s"),
                _middle(found, "events_per_s_warm"),
                _middle(found, "cpu_s_per_100k", 2),
                _middle(found, "broker_cpu_s_per_100k", 2),
                _middle(found, "rss_mb"),
                _middle(found, "events"),
                verified(found),
            ]
        )
    head = [
        "contender",
        "promises",
        "events/s",
        "second half",
        "CPU s/100k",
        "broker CPU s/100k",
        "MB",
        "events",
        "verified",
    ]
    return table(head, rows)


def latency(results: Sequence[Result]) -> str:
    rows = []
    for rate in sorted({one.rate or 0 for one in chosen(results, part="latency")} - {0}):
        for name in contenders(results, "latency"):
            found = chosen(results, part="latency", contender=name, rate=rate)
            if found:
                rows.append(
                    [
                        TITLES[name],
                        f"{rate:,}",
                        _middle(found, "p50_ms", 1),
                        _middle(found, "p99_ms", 1),
                        _middle(found, "p99_9_ms", 1),
                        _middle(found, "worker_cpu_percent"),
                        _middle(found, "broker_cpu_percent"),
                        verified(found),
                    ]
                )
    head = ["contender", "events/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU %", "broker CPU %"]
    return table([*head, "verified"], rows)


def grown(results: Sequence[Result], growth: str) -> list[tuple[int, list[Result]]]:
    """The points of one growth, in order; including the base, unless they need earlier events."""
    found = chosen(results, part="growth", growth=growth)
    if found and growth in ("journeys", "event_bytes", "partitions"):
        found += chosen(results, part="growth", growth="base")
    values = sorted({getattr(one, growth) for one in found})
    return [(value, chosen(found, **{growth: value})) for value in values]


def growth(results: Sequence[Result], growth: str) -> str:
    rows = []
    for value, found in grown(results, growth):
        rows.append(
            [
                f"{value:,}",
                _middle(found, "events_per_s"),
                _middle(found, "cpu_s_per_100k", 2),
                _middle(found, "broker_cpu_s_per_100k", 2),
                _middle(found, "rss_mb"),
                verified(found),
            ]
        )
    head = [GROWTHS[growth], "events/s", "CPU s/100k", "broker CPU s/100k", "MB", "verified"]
    return table(head, rows)


def recovery(results: Sequence[Result]) -> str:
    rows = []
    for workers in (1, 2):
        if found := chosen(results, part="recovery", workers=workers):
            rows.append(
                [
                    f"kill -9 of one of {workers}: to the next action, s",
                    _middle(found, "recovery_s", 1),
                    verified(found),
                ]
            )
    if found := chosen(results, part="restore"):
        rows.append(
            ["restored from the changelog, records/s", _middle(found, "records_per_s"), "-"]
        )
    for work, name in (("shop", "a journey of the shop"), ("helpdesk", "the help desk")):
        if found := chosen(results, part="backtest", work=work):
            what = f"backtest of {name}, events per CPU second"
            rows.append([what, _middle(found, "events_per_s"), verified(found)])
    return table(["what", "median", "verified"], rows)


def goals(results: Sequence[Result], *, all_of_them: bool = True) -> str:
    """The goals and what was measured; without `all_of_them` only the goals that were measured."""
    rows = []
    for goal in GOALS:
        found = goal.reached(results)
        if found is None and not all_of_them:
            continue
        answer = {True: "yes", False: "no", None: "-"}[goal.is_reached(results)]
        value = goal.format(found)
        if goal.warm is not None and found is not None:
            value += f" (second half {goal.format(goal.warm(results))})"
        rows.append([goal.what, f"{goal.way} {goal.format(goal.bound)}", value, answer])
    return table(["what", "goal", "measured", "reached"], rows)


def tables(results: Sequence[Result]) -> str:
    """All tables, for a terminal, without parts that were not measured."""
    parts = {one.part for one in results}
    found = []
    if "throughput" in parts:
        found.append(throughput(results))
    if "latency" in parts:
        found.append(latency(results))
    found += [growth(results, name) for name in GROWTHS if grown(results, name)]
    if parts & {"recovery", "restore", "backtest"}:
        found.append(recovery(results))
    return "\n".join(["", *found, goals(results, all_of_them=False)])


def one_line(one: Result) -> str:
    """One result as a line, for a terminal."""
    about = [
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
        for name, value in (
            ("at", one.rate),
            ("workers", one.workers if one.part in ("growth", "recovery") else None),
            (one.growth or "", getattr(one, one.growth or "rate", None) if one.growth else None),
        )
        if value is not None
    ]
    figures = [
        f"{name} {figure(value, digits)}"
        for name, value, digits in (
            ("events/s", one.events_per_s, 0),
            ("warm", one.events_per_s_warm, 0),
            ("cpu s/100k", one.cpu_s_per_100k, 2),
            ("broker", one.broker_cpu_s_per_100k, 2),
            ("p50", one.p50_ms, 1),
            ("p99", one.p99_ms, 1),
            ("p99.9", one.p99_9_ms, 1),
            ("cpu %", one.worker_cpu_percent, 0),
            ("broker %", one.broker_cpu_percent, 0),
            ("recovered s", one.recovery_s, 1),
            ("records/s", one.records_per_s, 0),
            ("MB", one.rss_mb, 0),
        )
        if value is not None
    ]
    right = {True: "verified", False: "WRONG: " + "; ".join(one.problems), None: ""}[one.verified]
    begin = f"{one.round} {one.part} {one.contender}"
    return "  ".join(filter(None, [begin, " ".join(about), ", ".join(figures), right]))
