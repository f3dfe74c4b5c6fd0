"""The list of all scenarios, family by family."""

from __future__ import annotations

from collections.abc import Iterable

from tests.torture.scenarios import (
    brokers,
    clocks,
    cluster,
    destinations,
    disks,
    inputs,
    network,
    owners,
    pauses,
    topics,
    workers,
)
from tests.torture.scenarios.base import Scenario

FAMILIES = (
    workers,
    owners,
    pauses,
    brokers,
    cluster,
    network,
    disks,
    destinations,
    inputs,
    clocks,
    topics,
)

SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for family in FAMILIES
    for one in vars(family).values()
    if isinstance(one, Scenario)
}


def names_of(chosen: Iterable[str]) -> list[str]:
    """The scenarios that are meant by their names or by their families' names; all without any.

    Raises:
        LookupError: there is none of a name.
    """
    families = {family.__name__.rpartition(".")[2]: family for family in FAMILIES}
    names: list[str] = []
    for name in chosen:
        if name in families:
            members = vars(families[name]).values()
            names += [one.name for one in members if isinstance(one, Scenario)]
        elif name in SCENARIOS:
            names.append(name)
        else:
            known = ", ".join([*SCENARIOS, *families])
            raise LookupError(f"no scenario {name}; there are {known}")
    return names or [*SCENARIOS]
