"""Verifies the results of a contender after it has stopped: complete and without duplicates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from benchmarks.cluster import Cluster
from benchmarks.expected import Expected
from benchmarks.outputs import action, toy_output

_USER = re.compile(rb"u\d+")


class _Outcome(msgspec.Struct):
    outcome_id: str


class _Count(msgspec.Struct):
    count: int


_outcome = msgspec.json.Decoder(_Outcome).decode
_count = msgspec.json.Decoder(_Count).decode


@dataclass(frozen=True)
class Verdict:
    """The problems, and the number of duplicate outputs."""

    problems: tuple[str, ...]
    duplicates: int


def verify_toy(
    cluster: Cluster, output: str, changelogs: Sequence[str], expected: Expected, once: bool
) -> Verdict:
    """Check that every output exists and that every user's record counts all of their events.

    Args:
        cluster: the broker.
        output: the topic of the outputs.
        changelogs: the changelog topics of the contender's store.
        expected: the expected results.
        once: whether the contender guarantees that there are no duplicates.
    """
    found = Counter(toy_output(message)[0] for message in cluster.read(output))
    problems, duplicates = _compared("outputs", found, expected.places, once)
    counts = _counts(cluster, changelogs)
    wrong = sum(counts.get(user) != count for user, count in expected.counts.items())
    if wrong or len(counts) != len(expected.counts):
        problems.append(
            f"{wrong} of {len(expected.counts)} records count wrong, {len(counts)} are in "
            f"{', '.join(changelogs) or 'no changelog'}"
        )
    return Verdict(tuple(problems), duplicates)


def verify_journeys(
    cluster: Cluster,
    actions: Iterable[str],
    outcomes: str,
    expected: Expected,
    starts: Mapping[str, Mapping[int, int]],
) -> Verdict:
    """Check that exactly the expected actions and outcomes exist, from `starts` (by topic and
    partition)."""
    found = Counter(
        action(message)[0] for topic in actions for message in cluster.read(topic, starts[topic])
    )
    problems, repeated = _compared("actions", found, expected.places, True)
    found = Counter(
        _outcome(message.value()).outcome_id for message in cluster.read(outcomes, starts[outcomes])
    )
    more, again = _compared("outcomes", found, expected.outcomes, True)
    return Verdict((*problems, *more), repeated + again)


def _compared(
    what: str, found: Counter[str], wanted: Iterable[str], once: bool
) -> tuple[list[str], int]:
    problems = []
    known = set(wanted)
    if missing := len(known - found.keys()):
        problems.append(f"{missing} of {len(known)} {what} are missing")
    if strange := len(found.keys() - known):
        problems.append(f"{strange} {what} must not be there")
    duplicates = found.total() - len(found)
    if once and duplicates:
        problems.append(f"{duplicates} {what} came more than once")
    return problems, duplicates


def _counts(cluster: Cluster, changelogs: Sequence[str]) -> dict[str, int]:
    """The counts by user. In every framework's changelog the key contains the user and the value
    the record as JSON, with different bytes around them."""
    counts: dict[str, int] = {}
    for topic in changelogs:
        for message in cluster.read(topic):
            key, value = _USER.search(message.key() or b""), message.value()
            if key is None or value is None:
                continue  # a position, or an internal record of the framework
            record = value[value.index(b"{") : value.rindex(b"}") + 1]
            counts[key[0].decode()] = _count(record).count
    return counts
