"""How journeys change while they have live instances: new versions, pauses, the archive.

Law: nothing of the engine is used here. Whom a change concerns meets it at once, however long a
worker takes to come by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.model.model_terms import (
    HOUR,
    Document,
    Held,
    Instance,
    Moment,
    User,
    expressions,
    iso,
    share_of,
)
from tests.journeys.model.model_walk import Walk, followed, with_next


@dataclass
class Journey:
    """All versions that were pushed, and what holds now."""

    status: str
    versions: list[Document] = field(default_factory=list)
    version: int = 0

    @property
    def in_force(self) -> Document:
        return self.versions[self.version - 1]


class Lives(Walk):
    """The journeys of a partition and its users.

    Attributes:
        everything: instances keep their whole context, whatever later nodes read.
    """

    def __init__(self, clock: str, everything: bool, most: int) -> None:
        super().__init__(most)
        self.clock = clock
        self.everything = everything
        self.journeys: dict[str, Journey] = {}
        self.users: dict[str, User] = {}
        self.time = 0

    def push(self, document: Document) -> None:
        """Who enters from now on gets this; the others keep their version, or follow."""
        journey = self.journeys.setdefault(document["name"], Journey("running"))
        if document not in journey.versions:
            journey.versions.append(document)
        journey.version = journey.versions.index(document) + 1

    def turn(self, name: str, status: str, at: int) -> None:
        """Pause, archive or resume a journey; `at` is the register's time."""
        before, self.journeys[name].status = self.journeys[name].status, status
        now = at if self.clock == "wall" else self.time
        for user in self.users.values():
            for one in [one for one in user.live if one.name == name]:
                if one.ended:
                    continue
                if status == "archived":
                    moment = Moment(None, None, now, (None, iso(now), None))
                    self.end_all(user, one, moment, status)
                elif before == "paused" and status == "running":
                    self._resume(one, now)
            if before == "paused" and status == "running":
                self._line_up(user, name)

    def is_paused(self, one: Instance) -> bool:
        return self.journeys[one.name].status == "paused"

    def _line_up(self, user: User, name: str) -> None:
        """The branches of an instance continue at the same moment: in the order of what each waited
        for, wherever they stand among the others."""
        groups: dict[str, list[Instance]] = {}
        for one in user.live:
            if one.name == name and one.parent is not None and one.turn is not None:
                groups.setdefault(one.parent.id, []).append(one)
        for group in groups.values():
            group.sort(key=lambda one: one.turn or 0)
        waiting = {id: iter(group) for id, group in groups.items()}
        user.live[:] = [
            one if one.parent is None or one.turn is None else next(waiting[one.parent.id])
            for one in user.live
        ]
        for one in user.live:
            one.turn = None

    def _resume(self, one: Instance, now: int) -> None:
        """Instances that the pause has held up continue by a timer. All others keep their due time,
        even if a clock reached it during the pause."""
        over = one.due is not None and one.due <= now
        if one.held is None and not over:
            one.fire_at = one.due if one.fire_at is None else one.fire_at
            return
        policy = self.journeys[one.name].in_force.get("on_resume", {"spread": HOUR})
        one.held, one.turn = one.held or Held(False), one.due
        one.mute = policy == "skip"
        one.due = one.fire_at = now
        if isinstance(policy, dict):
            one.due = one.fire_at = now + share_of((one.parent or one).id, policy["spread"])

    def follow(self, user: User) -> None:
        """The user's instances switch to the active version if it has `follow` and they can."""
        for first in user.live:
            journey = self.journeys[first.name]
            newest = journey.in_force
            if first.version == journey.version or newest.get("in_flight") != "follow":
                continue
            entered = first.parent or first
            together = [one for one in user.live if entered in (one, one.parent)]
            if all(one.held is None and self._can_take_over(one, newest) for one in together):
                for one in together:
                    one.journey, one.version = newest, journey.version

    def _can_take_over(self, one: Instance, newest: Document) -> bool:
        assert one.node is not None
        there = newest["nodes"].get(one.node)
        if there is None or there["type"] != one.journey["nodes"][one.node]["type"]:
            return False
        if one.branch is not None and one.node not in branch_nodes(newest, one.at, one.branch):
            return False
        kept = reads(one.journey, one.node)
        return self.everything or all(
            any(path[: len(above)] == above for above in kept) for path in reads(newest, one.node)
        )

    def can_move(self, moment: Moment) -> bool:
        """Whether anything but an entry listens to an event."""
        return any(
            moment.is_heard(part)
            for journey in self.journeys.values()
            for version in journey.versions
            for part in listening(version)
        )

    def is_change_heard(self, trait: str) -> bool:
        """Whether anything listens to a change of the trait."""
        parts = [
            part
            for journey in self.journeys.values()
            for version in journey.versions
            for part in listening(version)
        ]
        for journey in self.journeys.values():
            if journey.status == "running":
                entry = journey.in_force["entry"]
                parts += entry.get("any_of", [entry])
        return any(part.get("changes") == trait for part in parts)

    def counted(self) -> dict[str, int]:
        """The longest window of every event that a journey counts, the archived ones aside."""
        windows: dict[str, int] = {}
        for journey in self.journeys.values():
            for version in journey.versions if journey.status != "archived" else []:
                for cel in expressions(version):
                    for event, minutes in re.findall(r"count\('(\w)', '(\w+)m'\)", cel.text):
                        windows[event] = max(windows.get(event, 0), int(minutes) * 60_000)
        return windows


def listening(version: Document) -> list[Document]:
    """The parts of a version that name events or traits: waits, exits, the goal, and delays."""
    places: list[dict[str, Any]] = [*version.get("exit", []), version.get("goal", {})]
    for node in version["nodes"].values():
        if node["type"] == "wait_for_event":
            places += node.get("any_of", [node])
        if node["type"] == "delay":
            places += [{"changes": trait} for trait in followed(node)]
        if node["type"] == "digest":
            places += node.get("any_of") or entry_ways(version["entry"])
    return [place for place in places if place]


def entry_ways(entry: Document) -> list[Document]:
    """The alternatives of an entry; of a single event or change, without its condition."""
    single = {name: entry[name] for name in ("event", "changes") if name in entry}
    ways: list[Document] = entry.get("any_of", [single])
    return ways


def reads(journey: Document, node: str) -> set[tuple[str, ...]]:
    """The paths of its context that an instance at a node needs; each includes all below it."""
    nodes = with_next(journey)
    ahead, found = [node], {node}
    while ahead:
        for to in _leads_to(nodes[ahead.pop()]) - found:
            found.add(to)
            ahead.append(to)
    parts: list[Any] = [nodes[name] for name in found] + journey.get("exit", [])
    if any(nodes[name]["type"] in ("digest", "wait_for_event") for name in found):
        parts.append(journey["entry"].get("key"))
    texts = [cel.text for cel in expressions(parts)]
    ahead_of = set().union(*(_leads_to(nodes[name]) for name in found))
    for name in found:
        if nodes[name]["type"] == "digest":
            texts += [f"steps.{name}.{label}" for label in ("count", "kept", "bytes")]
            if name in ahead_of and "any_of" not in nodes[name]:
                texts += [
                    f"entry.{part}" for part in ("event timestamp messageId properties").split()
                ]
    local = [
        nodes[name]["until_local"]
        for name in found
        if "until_local" in nodes[name] and (nodes[name]["type"] == "delay" or name in ahead_of)
    ]
    if any(one.get("timezone", "user") == "user" for one in local):
        texts.append("entry.context.timezone")
    paths = (path for text in texts for path in re.findall(r"\b(?:entry|steps|attr)\b[.\w]*", text))
    return {tuple(path.split(".")) for path in paths}


def branch_nodes(journey: Document, at: str | None, branch: str) -> set[str]:
    """The nodes of a branch: from its first one to where the branches meet."""
    nodes = with_next(journey)
    node = nodes.get(at or "", {"type": None})
    if node["type"] != "parallel" or branch not in node["branches"]:
        return set()
    ahead, found = [node["branches"][branch]], set()
    while ahead:
        one = ahead.pop()
        if one not in found and one != node["next"]:
            found.add(one)
            ahead += _leads_to(nodes[one])
    return found


def _leads_to(node: dict[str, Any]) -> set[str]:
    """The nodes that may come right after one."""
    below = node["next"]
    if node["type"] == "exit":
        return set()
    if node["type"] == "criteria":
        branches = (branch.get("next", below) for branch in node.get("branches", []))
        found = {node["otherwise"], *branches, *node.get("cases", {}).values()}
    elif node["type"] == "parallel":
        found = {below, *node["branches"].values()}
    elif node["type"] == "experiment":
        found = {variant.get("next", below) for variant in node["variants"].values()}
    elif node["type"] == "wait_for_event":
        ways = [way for way in node.get("any_of", [{}]) if not way.get("reset")]
        found = {branch.get("next", below) for branch in ways}
        if node["within"] != "forever":
            found |= {node.get("on_timeout", below), node.get("on_error")}
    else:
        found = {below, node.get("on_error", below)}
    return found - {None}
