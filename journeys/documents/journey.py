"""kind: Journey: an entry and the nodes that follow it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from journeys.documents.catalog_records import ActiveVersion, entry_bytes, with_value
from journeys.documents.edits import Edition, node_notes
from journeys.documents.kind import (
    Accepted,
    Change,
    CheckContext,
    Document,
    Kind,
    Push,
)
from journeys.documents.ways import falls_of
from journeys.expressions.lets import MAX_LETS, Lets
from journeys.nodes import Node
from journeys.nodes.base import Label
from journeys.schema.fields import (
    Condition,
    Duration,
    EventName,
    Holds,
    LetText,
    Match,
    Model,
    NodeName,
    ShortText,
    Slug,
    TraitName,
    Value,
    ZoneName,
    as_written,
)
from journeys.schema.findings import Findings
from journeys.schema.marks import replaced
from journeys.schema.signals import Signal
from journeys.time import HOUR


class Where(Signal):
    """One of several events or changes of traits, and when it counts."""


class Entry(Model):
    """Which events start an instance, for whom and how often."""

    event: EventName | None = None
    """The event's name, as producers send it; `identify` for identify calls without a name."""
    changes: TraitName | None = None
    """The trait whose change starts an instance."""
    any_of: list[Where] | None = Field(default=None, min_length=1)
    """One of several events or changes of traits."""
    where: Condition | None = None
    """A condition on the event, for all of them."""
    key: Value | None = None
    """Distinguishes the instances of a user: there is one for each value."""
    reentry: Literal["every_time", "once", "after_exit"] = "every_time"
    """How often a user may enter."""
    min_gap: Duration | None = None
    """The least time between the end of an instance and the next entry."""
    max_lateness: Duration | None = None
    """An event older than this starts nothing."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(way is not None for way in (self.event, self.changes, self.any_of)) != 1:
            raise ValueError("an entry needs exactly one of 'event', 'changes' and 'any_of'")
        if self.min_gap is not None and self.reentry != "after_exit":
            raise ValueError("'min_gap' needs 'reentry: after_exit'")
        return self

    @property
    def events(self) -> tuple[Where, ...]:
        """What can start an instance, each with its own condition."""
        if self.any_of is not None:
            return tuple(self.any_of)
        return (Where(event=self.event, changes=self.changes),)


class GlobalExit(Signal):
    """An event or the change of a trait that ends instances at any node: all of them, unless
    `match` is given."""

    match: Match | None = None
    """What is compared with the instance's key instead of the entry's key."""
    reason: ShortText = "global_exit"
    """What `journey.exited` gives as the reason."""


class Goal(Signal):
    """The purpose of a journey: an event that matches an instance's key, or the change of a trait,
    counted once."""

    match: Match | None = None
    """What is compared with the instance's key instead of the entry's key."""
    within: Duration | None = None
    """How long after the entry the event counts."""
    exit: bool = False
    """End the instance when the goal is reached."""


class Spread(Model):
    """Instances held up by a pause resume spread evenly over this time."""

    spread: Duration
    """The time within which all of them resume."""


class Journey(Document):
    """A journey: an entry and the nodes that follow it."""

    kind: Literal["Journey"]
    name: Slug
    status: Literal["draft", "running", "paused", "archived"] = "running"
    """The status: draft is only checked; paused lets no instance enter or move on."""
    timezone: ZoneName | None = None
    """The time zone of users who have none of their own."""
    in_flight: Literal["pin", "follow"] = "pin"
    """Whether this version takes over the live instances of older ones."""
    on_resume: Literal["send", "skip"] | Spread = Spread.model_construct(spread=HOUR)
    """How instances that a pause held up resume."""
    let: dict[Label, LetText] = Field(default_factory=dict, max_length=MAX_LETS)
    """Named expressions, which the others read as `let.<name>`."""
    entry: Entry
    """Who enters, and when."""
    exit: list[GlobalExit] = Field(default_factory=list)
    """Events that end an instance wherever it is."""
    goal: Goal | None = None
    """The event that counts as success."""
    nodes: dict[NodeName, Node] = Field(min_length=1)
    """The nodes by name; an instance begins at the first."""

    @cached_property
    def written_out(self) -> Journey:
        """The same journey with its lets written out in the expressions that read them."""
        if not self.let:
            return self
        lets = Lets(self.let)

        def write_out(value: Any, holds: Holds) -> Any:
            return lets.write_out(value) if holds.whole else lets.write_out_data(value)

        return replaced(self, Holds, write_out)

    @property
    def first(self) -> str:
        """The node that a new instance reaches first."""
        return next(iter(self.nodes))

    @cached_property
    def ways_down(self) -> dict[str, str]:
        """Of every node but the last, the one below it."""
        return dict(pairwise(self.nodes))

    def below(self, name: str) -> str | None:
        """The node below a node, which follows it if it has no `next`; None for the last one."""
        return self.ways_down.get(name)


def journeys_among(documents: Iterable[Document | None]) -> list[Journey]:
    """The journeys among some documents."""
    return [one for one in documents if isinstance(one, Journey)]


_EXAMPLE = """
kind: Destination
name: mailer
type: http
url: https://mail.example.com/send
---
kind: Journey
name: abandoned-checkout
description: a reminder, unless the order came
status: running
timezone: Europe/Berlin
in_flight: follow
on_resume: {spread: 2h}
let: {total: event.properties.total}
entry:
  any_of: [{event: checkout_started, where: let.total > 0}]
  where: 'user.id != "test"'
  key: event.properties.session
  reentry: after_exit
  min_gap: 1d
  max_lateness: 1h
exit: [{event: account_closed, where: 'true || event.properties.all', match: none, reason: closed}]
goal: {event: order_placed, match: event.properties.session, within: 7d, exit: true}
nodes:
  wait: {type: wait_for_event, event: order_placed, within: 1h, next: done, on_timeout: remind}
  remind: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
  done: {type: exit}
"""


class JourneyKind(Kind):
    """Every accepted version stays in the catalog under `Journey/name/version`; `Journey/name` says
    which one is active, and its status."""

    keeps_versions: ClassVar[bool] = True
    named_when_archived: ClassVar[bool] = True
    uses: ClassVar[str] = "can still send to it"

    def __init__(self) -> None:
        super().__init__(Journey, [_EXAMPLE])

    # ---- checks
    def check(self, context: CheckContext, model: type[Document]) -> None:
        context.check_ways()
        context.check_expressions(context.names_on_the_way())

    def lint(self, context: CheckContext, document: Any) -> None:
        context.lint_journey(document.written_out)
        context.lint_expressions()

    def check_status(self, document: Any, push: Push, findings: Findings) -> None:
        """A journey that has run can't become a draft again."""
        now = push.catalog.journeys.get(document.name)
        begun = now is not None and "draft" not in (now.status, now.written)
        if now is not None and begun and document.status == "draft":
            findings.at(
                findings.node(("status",)),
                f"'status' in Journey '{document.name}': found 'draft', but it is {now.status} "
                "already: expected 'running', 'paused' or 'archived'",
                found="draft",
            )

    # ---- versions
    def meaning(self, document: Any) -> dict[str, Any]:
        meaning = super().meaning(document)
        meaning["first"] = document.first
        for name, below in falls_of(document.nodes).items():
            meaning["nodes"][name]["next"] = below
        return meaning

    # ---- the catalog
    def known(self, catalog: Accepted) -> Mapping[str, bool]:
        return {name: now.status == "archived" for name, now in catalog.journeys.items()}

    def statuses(self, document: Any, catalog: Accepted) -> Iterable[tuple[tuple[str, str], str]]:
        after = _after(document, catalog.journeys.get(document.name), 0)
        return [((self.name, document.name), after.status)]

    def in_use(self, push: Push) -> Iterator[tuple[str, Any]]:
        """Every accepted version of the journeys that are not archived: any may have instances."""
        journeys = push.catalog.journeys
        for (name, version), journey in push.catalog.versions.items():
            now = journeys[name].status if name in journeys else None
            if push.statuses.get((self.name, name), now) != "archived":
                yield f"'{name}' (version {version})", journey

    def accept(
        self, document: Any, written: Mapping[str, Any], catalog: Accepted, at: int
    ) -> Change:
        name, entry = document.name, self._entry(document, written)
        version, entries = entry["version"], []
        if (name, version) not in catalog.versions:
            entries.append((f"{self.name}/{name}/{version}", entry_bytes(entry)))
        before = catalog.journeys.get(name)
        now = _after(document, before, at)._replace(version=version)
        changed = before != now or catalog.descriptions.get(name) != document.description
        if changed:
            record = now.encode(name, document.description)
            entries.append((f"{self.name}/{name}", record))
        return Change(version, now.status, changed, entries)

    def read(
        self, catalog: Accepted, place: Sequence[str], entry: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        match place:
            case [name]:
                now = None if entry is None else ActiveVersion.decode(entry)
                description = None if entry is None else entry["description"]
                return {
                    "journeys": with_value(catalog.journeys, name, now),
                    "descriptions": with_value(catalog.descriptions, name, description),
                }
            case [name, version]:
                journey = None if entry is None else self.decode(entry["document"])
                return {"versions": with_value(catalog.versions, (name, version), journey)}
        return None

    # ---- the active document, for diffs
    def written(self, catalog: Accepted, name: str) -> dict[str, Any] | None:
        """With what the order of the nodes means: which is the first, and where nodes without
        `next` lead. Otherwise a journey whose nodes were reordered would seem unchanged.
        """
        now = catalog.journeys.get(name)
        if now is None:
            return None
        journey = catalog.versions[name, now.version]
        written = {**as_written(journey), "status": now.status}
        written["description"] = catalog.descriptions.get(name)
        nodes = {node: as_written(model) for node, model in journey.nodes.items()}
        for node, below in falls_of(journey.nodes).items():
            nodes[node]["next"] = below
        kept = {key: value for key, value in written.items() if value is not None}
        return kept | {"first": journey.first, "nodes": nodes}

    def plan_notes(self, name: str, before: Accepted, after: Accepted) -> Iterator[str]:
        now, previous = after.journeys[name], before.journeys.get(name)
        if previous is None:
            renamed = _old_names(name, before, after)
            if len(renamed) == 1:
                yield from _edited(renamed[0], name, before, after)
            return
        if now.status == previous.status and now.status != now.written:
            yield (
                f"it stays {now.status}: the document says {now.written}, but a Lifecycle document "
                f"{_HAS_SET[now.status]}"
            )
        yield from _edited(name, name, before, after)

    def version(self, catalog: Accepted, name: str) -> str:
        return catalog.journeys[name].version

    def journey_of(self, document: Any) -> str:
        name: str = document.name
        return name


_HAS_SET = {
    "running": "has resumed it",
    "paused": "has paused it",
    "archived": "has archived it",
}


def _old_names(name: str, before: Accepted, after: Accepted) -> list[str]:
    """The names that a new journey may have had: of those with the same nodes that have run and are
    archived after the push."""
    nodes = after.versions[name, after.journeys[name].version].written_out.nodes
    return [
        other
        for other, now in before.journeys.items()
        if after.journeys[other].status == "archived"
        and before.versions[other, now.version].written_out.nodes == nodes
    ]


def _edited(old: str, new: str, before: Accepted, after: Accepted) -> Iterator[str]:
    """What an edit of a journey does to its users, by node."""
    if before.journeys[old].status != "draft":  # nobody has reached a node of a draft
        yield from node_notes(_edition(old, before), _edition(new, after))


def _edition(name: str, catalog: Accepted) -> Edition:
    version = catalog.journeys[name].version
    journey = catalog.versions[name, version].written_out
    return Edition(name, version, journey.entry.key, journey.nodes)


def _after(journey: Journey, now: ActiveVersion | None, at: int) -> ActiveVersion:
    """The active version after a push. The pushed status applies only if it differs from the one
    pushed before, so that pushing the same file again doesn't undo a pause or an archive."""
    if now is None:
        return ActiveVersion("", journey.status, journey.status)
    if journey.status == now.written:
        return now
    return now.with_status(journey.status, at)._replace(written=journey.status)
