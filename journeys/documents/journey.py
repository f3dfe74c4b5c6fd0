"""kind: Journey: an entry and the nodes that follow it."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from journeys.nodes import Node
from journeys.schema.fields import (
    Condition,
    Duration,
    EventName,
    Match,
    Model,
    NodeName,
    ShortText,
    Slug,
    Value,
    ZoneName,
)
from journeys.time import HOUR


class Where(Model):
    """One of several events, and when it counts."""

    event: EventName
    where: Condition | None = None


class Entry(Model):
    """Which events start an instance, for whom and how often."""

    event: EventName | None = None
    any_of: list[Where] | None = Field(default=None, min_length=1)
    where: Condition | None = None
    key: Value | None = None
    reentry: Literal["every_time", "once", "after_exit"] = "every_time"
    min_gap: Duration | None = None
    max_lateness: Duration | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.event is None) == (self.any_of is None):
            raise ValueError("an entry needs either 'event' or 'any_of', and not both")
        if self.min_gap is not None and self.reentry != "after_exit":
            raise ValueError("'min_gap' needs 'reentry: after_exit'")
        return self

    @property
    def events(self) -> tuple[Where, ...]:
        """The events that can start an instance, each with its own condition."""
        if self.event is not None:
            return (Where(event=self.event),)
        return tuple(self.any_of or ())


class GlobalExit(Model):
    """An event that ends instances wherever they stand: all of them, unless `match` is given."""

    event: EventName
    where: Condition | None = None
    match: Match | None = None
    reason: ShortText = "global_exit"


class Goal(Model):
    """What a journey is there for: an event that an instance's key matches, counted once."""

    event: EventName
    where: Condition | None = None
    match: Match | None = None
    within: Duration | None = None
    exit: bool = False


class Spread(Model):
    """How long what a pause has held up takes to go on, spread evenly over the instances."""

    spread: Duration


class Journey(Model):
    """A journey: an entry and the nodes that follow it."""

    kind: Literal["Journey"]
    name: Slug
    description: str | None = None
    status: Literal["draft", "running", "paused", "archived"] = "running"
    timezone: ZoneName | None = None
    in_flight: Literal["pin", "follow"] = "pin"
    on_resume: Literal["send", "skip"] | Spread = Spread.model_construct(spread=HOUR)
    entry: Entry
    exit: list[GlobalExit] = Field(default_factory=list)
    goal: Goal | None = None
    nodes: dict[NodeName, Node] = Field(min_length=1)

    @property
    def first(self) -> str:
        """The node that a new instance reaches first."""
        return next(iter(self.nodes))

    @cached_property
    def ways_down(self) -> dict[str, str]:
        """Of every node but the last, the one below it."""
        return dict(pairwise(self.nodes))

    def below(self, name: str) -> str | None:
        """The node below a node, where one without `next` leads; None for the last one."""
        return self.ways_down.get(name)
