"""One instance's way from node to node.

Law: nothing of the engine is used here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from json import dumps
from typing import Any

from tests.journeys.model.model_terms import (
    DAYS,
    MINUTE,
    SECOND,
    Cel,
    Document,
    Failed,
    Held,
    Instance,
    Moment,
    See,
    Sent,
    Told,
    User,
    action_id,
    branch_id,
    in_window,
    is_zone,
    iso,
    key_text,
    next_local,
    rendered,
    variant_of,
)

GRACE = 10 * SECOND
BLOCKING = ("delay", "digest", "trigger", "wait_for_event")
HOPS = 16
EMITTED = 1_000
ROUNDS = 100


class TooLong(Exception):
    """The run reports too many outcomes, as when events are emitted in a cycle."""


class Walk:
    """What nodes do. Subclasses decide when they are called."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.told: list[Told] = []
        self.sent: list[Sent] = []
        self.emitted: list[
            tuple[Document, int, tuple[str, ...], Document | None, Document | None]
        ] = []
        """By the step that goes on: events not yet applied, and their hops; where a node has
        changed traits: which ones, and all traits before and right after."""
        self.emitted_in_all = 0
        self.rounds: int | None = None
        """How often branches have started or joined since something moved an instance."""

    def is_paused(self, one: Instance) -> bool:
        raise NotImplementedError

    # From node to node.

    def leave(self, user: User, one: Instance, moment: Moment, set: Any = None) -> None:
        """The labels of the node, then those of its branch."""
        labels = self.node(one).get("set", {})
        for label, data in (*labels.items(), *(set or {}).items()):
            try:
                one.attr = {**one.attr, label: rendered(data, self.see(user, one, moment))}
                one.own.add(("attr", label))
            except Failed:
                self.tell(user, one, moment, "expression.failed")

    def reach(self, user: User, one: Instance, moment: Moment, to: str | None) -> None:
        """Go to a node, and so on until one blocks or the journey ends."""
        outermost = self.rounds is None
        if outermost:
            self.rounds = 0
        self._go(user, one, moment, to)
        if one.ended and one.parent is not None and not one.parent.starting:
            self._round()
            self._branch_over(user, one.parent, moment, [one])
        if outermost:
            self.rounds = None

    def _round(self) -> bool:
        """Whether one more is allowed."""
        assert self.rounds is not None
        self.rounds += 1
        return self.rounds <= ROUNDS

    def _go(self, user: User, one: Instance, moment: Moment, to: str | None) -> None:
        one.held = None
        while True:
            if to is None:
                self.end(user, one, moment, "end")
                return
            if one.branch is not None and to == self._join_of(one):
                one.joined = True
                self.end(user, one, moment, "joined")
                return
            one.node, one.due, one.fire_at = to, None, None
            one.visit += 1
            one.reached = moment.now if self.node(one).get("follow") else None
            self.tell(user, one, moment, "node.reached")
            if self.node(one)["type"] in BLOCKING:
                one.mute = False
            went = getattr(self, "_reach_" + self.node(one)["type"])(user, one, moment)
            if went is None:
                return
            to, set = went
            self.leave(user, one, moment, set)

    def answer(
        self,
        user: User,
        one: Instance,
        moment: Moment,
        to: str | None,
        set: Any = None,
        detail: Mapping[str, Any] = {},
        **captured: Any,
    ) -> None:
        """What the instance waits for is there; only going on waits for the end of a pause."""
        self.tell(user, one, moment, "wait.matched", **detail)
        self._capture(one, **captured)
        self.leave(user, one, moment, set)
        self._go_on(user, one, moment, to)

    def _go_on(self, user: User, one: Instance, moment: Moment, to: str | None) -> None:
        """Now, or after the pause; what else the pause holds up comes before or after it."""
        if self.is_paused(one):
            one.held, one.fire_at = Held(True, to, moment.event), None
            if one.parent is not None:
                one.due = moment.now
        else:
            self.reach(user, one, moment, to)

    def time_out(self, user: User, one: Instance, moment: Moment) -> None:
        """Its timer fires: the deadline is there, or the end of a pause."""
        if one.held is not None and one.held.answered:
            self.reach(user, one, moment._replace(event=one.held.event), one.held.to)
            return
        node = self.node(one)
        to = node["next"]
        if node["type"] == "wait_for_event":
            self.tell(user, one, moment, "wait.timed_out")
            to = node.get("on_timeout", to)
        if node["type"] == "digest":
            self._close(user, one, moment)
        if node["type"] == "trigger":
            self.tell(user, one, moment, "wait.timed_out")
            to = node.get("on_error", to)
        self.leave(user, one, moment)
        self.reach(user, one, moment, to)

    def end(self, user: User, one: Instance, moment: Moment, reason: str, **detail: Any) -> None:
        whole = one
        if one.parent is None:
            self.tell(user, one, moment, "journey.exited", reason=reason, **detail)
            user.last_end[one.name] = moment.now
        else:
            whole = one.parent
            which = {"branch": one.branch, "parent": whole.id}
            self.tell(user, one, moment, "branch.ended", **which, reason=reason, **detail)
        user.live.remove(one)
        one.ended = True
        over = whole.ended and not branches_of(user, whole)
        if over and whole.goal is not None and "within" not in whole.goal and whole in user.goals:
            user.goals.remove(whole)

    def end_all(
        self, user: User, one: Instance, moment: Moment, reason: str, **detail: Any
    ) -> None:
        """It ends with all of its branches, which may be all that is left of it."""

        def place(branch: Instance) -> tuple[int, int]:
            assert branch.at is not None
            names = list(branch.journey["nodes"][branch.at]["branches"])
            return branch.began, names.index(branch.branch)

        for branch in sorted(branches_of(user, one), key=place):
            self.end(user, branch, moment, reason, **detail)
        if not one.ended:
            self.end(user, one, moment, reason, **detail)

    # Branches.

    def _join_of(self, one: Instance) -> str | None:
        """Where the branches of its parallel node meet."""
        assert one.at is not None
        next: str | None = with_next(one.journey)[one.at]["next"]
        return next

    def _reach_parallel(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any] | None:
        node = self.node(one)
        if node["join"] != "none":
            self.tell(user, one, moment, "wait.started", due=None)
        if not self._round():
            self.end_all(user, one, moment, "error")
            return None
        if len(user.live) + len(node["branches"]) > 1_000:
            self.end(user, one, moment, "error")
            return None
        one.starting, started = True, []
        for name, first in node["branches"].items():
            branch = replace(
                one,
                id=branch_id(one.id, one.visit, name),
                visit=0,
                goal=None,
                parent=one,
                branch=name,
                began=one.visit,
                at=one.node,
                own=set(),
                starting=False,
            )
            started.append(branch)
            user.live.append(branch)
            self.tell(user, branch, moment, "branch.started", branch=name, parent=one.id)
            self.reach(user, branch, moment, first)
        one.starting = False
        if node["join"] == "none":
            return node["next"], None
        over = [branch for branch in started if branch.ended]
        if over:
            self._branch_over(user, one, moment, over)
        return None

    def _branch_over(self, user: User, one: Instance, moment: Moment, over: list[Instance]) -> None:
        """Some branches have ended; perhaps that is what the instance has waited for."""
        if one.ended or one.visit != over[0].began:
            return
        for branch in over[:1] if self.node(one)["join"] == "any" else over:
            for part, name in branch.own if branch.joined else ():
                before, after = getattr(one, part), getattr(branch, part)
                setattr(one, part, {**before, name: after[name]})
        node = self.node(one)
        left = [branch for branch in branches_of(user, one) if branch.began == one.visit]
        if node["join"] == "all" and left:
            return
        for branch in left:
            self.end(user, branch, moment, "cancelled")
        by = over[0] if node["join"] == "any" else over[-1]
        self.tell(user, one, moment, "branches.joined", join=node["join"], branch=by.branch)
        one.mute = by.mute
        self.leave(user, one, moment)
        self.reach(user, one, moment, node["next"])

    # The nodes. Each returns where the instance goes and the labels to set, or None: it stays.

    def _reach_exit(self, user: User, one: Instance, moment: Moment) -> None:
        self.end(user, one, moment, self.node(one).get("reason", "exit"))

    def _reach_delay(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any] | None:
        try:
            due = self._until(user, one, moment)
        except Failed:
            return self._fail(user, one, moment)
        if due <= moment.now:
            return self.node(one)["next"], None
        self._stay(user, one, moment, due)
        return None

    def _until(self, user: User, one: Instance, moment: Moment) -> int:
        """When a delay ends that begins now, or that follows its trait."""
        node = self.node(one)
        if "for" in node:
            return moment.now + self._length(user, one, moment, node["for"])
        if "until" in node:
            time: int = node["until"].value(self.see(user, one, moment))
            return time + int(node.get("offset", 0))
        return self._local(user, one, moment, node["until_local"])

    def _local(self, user: User, one: Instance, moment: Moment, local: Document) -> int:
        """The time of day, or the window, that is next."""
        zone = self._zone(user, one, local.get("timezone", "user"))
        days = local.get("weekdays", DAYS)
        if "between" in local:
            return in_window(moment.now, local["between"], days, zone)
        return next_local(moment.now, local["time"], days, zone)

    def _length(self, user: User, one: Instance, moment: Moment, length: Cel | int) -> int:
        if isinstance(length, int):
            return length
        found: int = length.value(self.see(user, one, moment))
        return found

    def _fail(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any] | None:
        """An expression without which the node can't go on has failed."""
        self.tell(user, one, moment, "expression.failed")
        if "on_error" in self.node(one):
            return self.node(one)["on_error"], None
        self.end(user, one, moment, "error")
        return None

    def _zone(self, user: User, one: Instance, of: str) -> str:
        named = [one.journey.get("timezone"), "UTC"]
        if of == "user":
            named = [user.traits.get("timezone"), one.entry["context"].get("timezone"), *named]
        elif of != "journey":
            named = [of]
        return next(name for name in named if is_zone(name))

    def _reach_wait_for_event(
        self, user: User, one: Instance, moment: Moment
    ) -> tuple[Any, Any] | None:
        node = self.node(one)
        if node["within"] == "forever":
            self._stay(user, one, moment, None)
            return None
        try:
            length = self._length(user, one, moment, node["within"])
        except Failed:
            return self._fail(user, one, moment)
        if length <= 0:
            self.tell(user, one, moment, "wait.timed_out")
            return node.get("on_timeout", node["next"]), None
        self._stay(user, one, moment, moment.now + length)
        return None

    def reset(self, user: User, one: Instance, moment: Moment, what: Mapping[str, Any]) -> None:
        """The time limit begins anew, unless it would then end earlier."""
        try:
            due = moment.now + self._length(user, one, moment, self.node(one)["within"])
        except Failed:
            self.tell(user, one, moment, "expression.failed")
            return
        assert one.due is not None
        assert moment.event is not None
        if due > one.due:
            self.tell(user, one, moment, "wait.rescheduled", due=iso(due), **what)
            self._capture(one, event=moment.event)
            self._due_at(one, moment, due)

    def _reach_digest(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any] | None:
        node = self.node(one)
        again, whole = one.node in one.steps, one.parent or one
        opens = "any_of" not in node and not again and not whole.opened
        whole.opened = whole.opened or "any_of" not in node
        self._capture(one, count=0, events=[], kept=0, bytes=0)
        if "every" in node:
            try:
                due = moment.now + self._length(user, one, moment, node["every"])
            except Failed:
                return self._fail(user, one, moment)
        else:
            due = self._local(user, one, moment, node["until_local"])
        if opens:
            self.collect(user, one, moment, one.entry)
        if due <= moment.now:
            self._close(user, one, moment)
            return node["next"], None
        self._stay(user, one, moment, due)
        return None

    def collect(self, user: User, one: Instance, moment: Moment, event: dict[str, Any]) -> None:
        """Count the event, and keep it unless that would be one or some bytes too many."""
        assert one.node is not None
        mine = one.steps[one.node]
        count = mine["count"] + 1
        what = {"event": event["event"], "message_id": event["messageId"], "count": count}
        self._capture(one, count=count)
        if mine["kept"] == self.node(one).get("max", 100):
            self.tell(user, one, moment, "digest.overflowed", **what, reason="max")
            return
        small, large = fitting(event["properties"])
        item = {
            "event": event["event"],
            "timestamp": iso(event["timestamp"]),
            "messageId": event["messageId"],
            "properties": small,
        }
        size = mine["bytes"] + bytes_of(item)
        if size > 64 * 1024:
            self.tell(user, one, moment, "digest.overflowed", **what, reason="bytes")
            return
        self._capture(one, events=[*mine["events"], item], kept=mine["kept"] + 1, bytes=size)
        if large:
            what["cut"] = [name[:64] for name in large[:20]]
        if large[20:]:
            what["more"] = len(large[20:])
        self.tell(user, one, moment, "digest.collected", **what)

    def _close(self, user: User, one: Instance, moment: Moment) -> None:
        assert one.node is not None
        mine = one.steps[one.node]
        assert mine["kept"] == len(mine["events"])
        what = {"count": mine["count"], "kept": mine["kept"]}
        self.tell(user, one, moment, "digest.closed", **what)

    def _reach_criteria(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self.node(one)
        if "switch" in node:
            value = self._plain(user, one, moment, node["switch"])
            if value in node["cases"]:
                to = node["cases"][value]
                self.tell(user, one, moment, "criteria.matched", case=value, next=to)
                return to, None
        for index, branch in enumerate(node.get("branches", [])):
            conditions = branch.get("any_of") or [branch["when"]]
            if any(self.holds(user, one, moment, condition) for condition in conditions):
                to = branch.get("next", node["next"])
                self.tell(user, one, moment, "criteria.matched", branch=index, next=to)
                return to, branch.get("set")
        to = node["otherwise"]
        self.tell(user, one, moment, "criteria.matched", branch="otherwise", next=to)
        return to, None

    def _reach_experiment(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self.node(one)
        salt = node.get("salt", f"{one.name}/{one.node}")
        weights = {name: variant["weight"] for name, variant in node["variants"].items()}
        name = node.get("winner")
        if name is None:
            whom = self._plain(user, one, moment, node["by"]) if "by" in node else None
            name = variant_of(salt, user.id if whom is None else whom, weights)
        self.tell(user, one, moment, "experiment.assigned", variant=name)
        self._capture(one, variant=name)
        variant = node["variants"][name]
        return variant.get("next", node["next"]), variant.get("set")

    def _reach_destination(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self.node(one)
        if one.mute:
            try:
                rendered(node["payload"], self.see(user, one, moment))
            except Failed:  # the payload is made before it is known that it isn't sent
                self.tell(user, one, moment, "expression.failed")
                self._skip(user, one, moment, "payload_failed")
                return node.get("on_error", node["next"]), None
            self._skip(user, one, moment, "paused")
        elif not self._request(user, one, moment, None):
            return node.get("on_error", node["next"]), None
        return node["next"], None

    def _reach_trigger(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any] | None:
        node = self.node(one)
        within = node.get("within", MINUTE)
        call = {
            "within": within,
            "response": node.get("response", {}),
            "method": node.get("method"),
        }
        if not self._request(user, one, moment, call):
            return node.get("on_error", node["next"]), None
        self._stay(user, one, moment, moment.now + within)
        return None

    def _request(self, user: User, one: Instance, moment: Moment, call: Document | None) -> bool:
        node, see = self.node(one), self.see(user, one, moment)
        try:
            if call is not None:
                call["path"] = rendered(node.get("path"), see, in_url=True)
            payload = rendered(node.get("payload"), see)
        except Failed:
            self.tell(user, one, moment, "expression.failed")
            self._skip(user, one, moment, "payload_failed")
            return False
        assert one.node is not None
        id, to = action_id(one.id, one.node, one.visit), node["destination"]
        whose = (user.id, one.name, one.version, one.id, one.key, one.node)
        self.sent.append(Sent(id, iso(moment.now), *whose, to, payload, call))
        self.tell(user, one, moment, "action.requested", destination=to, action_id=id)
        return True

    def _skip(self, user: User, one: Instance, moment: Moment, reason: str) -> None:
        where = {"destination": self.node(one)["destination"]}
        self.tell(user, one, moment, "action.skipped", **where, reason=reason)

    def _reach_update_profile(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self.node(one)
        try:
            traits = rendered(node["traits"], self.see(user, one, moment))
        except Failed:
            self.tell(user, one, moment, "expression.failed")
            return node.get("on_error", node["next"]), None
        before = dict(user.traits)
        changed = lay_over(user, traits)
        if not changed:
            return node["next"], None
        self.tell(user, one, moment, "profile.changed", traits=changed)
        heard = tuple(name for name in changed if self.is_change_heard(name))
        if heard:
            assert one.node is not None
            id = action_id(one.id, one.node, one.visit)
            event = self._event_of(user, moment, "update_profile", id, traits=traits)
            if moment.hops == HOPS or self.emitted_in_all == EMITTED:
                reason = "loop" if moment.hops == HOPS else "too_many"
                what = {"event": "update_profile", "message_id": id, "reason": reason}
                self.tell(user, one, moment, "event.rejected", **what)
            else:
                after = dict(user.traits)
                self.emitted.append((event, moment.hops + 1, heard, before, after))
                self.emitted_in_all += 1
        return node["next"], None

    def is_change_heard(self, trait: str) -> bool:
        raise NotImplementedError

    def shift(self, user: User, one: Instance, moment: Moment) -> None:
        """A delay whose trait has changed: it ends at another time, at once if that is over."""
        if not moment.changed or not set(followed(self.node(one))) & set(moment.changed):
            return
        since = one.started if one.reached is None else one.reached
        moment = moment._replace(now=max(since, moment.now))
        try:
            due = self._until(user, one, moment)
        except Failed:
            self.tell(user, one, moment, "expression.failed")
            return
        if due <= moment.now:
            self.leave(user, one, moment)
            self._go_on(user, one, moment, self.node(one)["next"])
        elif due != one.due:
            self._stay(user, one, moment, due, "wait.rescheduled")

    def profile(self, user: User, moment: Moment, parts: list[Document]) -> Document:
        """The profile as conditions of parts of a document see it: if they listen to a change,
        right after that change, whatever nodes have done to it since."""
        traits = user.traits
        if moment.after is not None and moment.is_change_for(parts):
            traits = moment.after
        return {"id": user.id, "traits": dict(traits)}

    def traits_before(self, user: User, moment: Moment) -> Document:
        return dict(user.traits) if moment.before is None else moment.before

    def _event_of(self, user: User, moment: Moment, name: str, id: str, **parts: Any) -> Document:
        ids = {"event": name, "timestamp": moment.now, "messageId": id, "userId": user.id}
        return {**ids, "properties": {}, "context": {}, "traits": {}, **parts}

    def _reach_emit_event(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self.node(one)
        refused = node.get("on_error", node["next"]), None
        try:
            properties = rendered(node.get("properties", {}), self.see(user, one, moment))
        except Failed:
            self.tell(user, one, moment, "expression.failed")
            return refused
        assert one.node is not None
        id = action_id(one.id, one.node, one.visit)
        what = {"event": node["event"], "message_id": id}
        if moment.hops == HOPS or self.emitted_in_all == EMITTED:
            reason = "loop" if moment.hops == HOPS else "too_many"
            self.tell(user, one, moment, "event.rejected", **what, reason=reason)
            return refused
        event = self._event_of(user, moment, node["event"], id, properties=properties)
        self.emitted.append((event, moment.hops + 1, (), None, None))
        self.emitted_in_all += 1
        self.tell(user, one, moment, "event.emitted", **what)
        return node["next"], None

    def _stay(
        self,
        user: User,
        one: Instance,
        moment: Moment,
        due: int | None,
        type: str = "wait.started",
    ) -> None:
        self._due_at(one, moment, due)
        self.tell(user, one, moment, type, due=None if due is None else iso(due))

    def _due_at(self, one: Instance, moment: Moment, due: int | None) -> None:
        one.due = one.fire_at = due
        if due is not None and moment.arrival is not None and due <= moment.arrival:
            one.fire_at = moment.arrival + GRACE

    # Small things.

    def node(self, one: Instance) -> dict[str, Any]:
        """The node at which it is; a node without `next` leads to the one below it."""
        assert one.node is not None
        return with_next(one.journey)[one.node]

    def see(self, user: User, one: Instance, moment: Moment) -> See:
        profile = {"id": user.id, "traits": dict(user.traits)}
        return See(
            moment.event,
            one.entry,
            profile,
            one.key,
            moment.now,
            one.steps,
            one.attr,
            user.times,
            self.traits_before(user, moment),
        )

    def holds(
        self,
        user: User,
        one: Instance,
        moment: Moment,
        where: Cel | None,
        parts: list[Document] | None = None,
    ) -> bool:
        """Whether a condition holds, of these parts of a document if it is about an event."""
        see = replace(self.see(user, one, moment), user=self.profile(user, moment, parts or []))
        try:
            return where is None or where.holds(see)
        except Failed:
            self.tell(user, one, moment, "expression.failed")
            return False

    def _plain(self, user: User, one: Instance, moment: Moment, wanted: Cel) -> str | None:
        """The value of an expression as text: a text, an integer or a truth value. Otherwise None,
        which is reported."""
        try:
            value = key_text(wanted.value(self.see(user, one, moment)))
        except Failed:
            value = None
        if value is None:
            self.tell(user, one, moment, "expression.failed")
        return value

    def same_key(self, user: User, one: Instance, moment: Moment, match: Cel | str | None) -> bool:
        """Whether an event is about the instance's key; without a `match`, by the entry's key."""
        key = one.journey["entry"].get("key")
        if match == "none" or (match is None and key is None):
            return True
        expression = key if match is None else match
        try:
            value = key_text(expression.value(self.see(user, one, moment)))
        except Failed:
            if match is not None:  # events that don't carry the journey's own key are common
                self.tell(user, one, moment, "expression.failed")
            return False
        return value is not None and value == one.key

    def tell(self, user: User, one: Instance, moment: Moment, type: str, **detail: Any) -> None:
        assert not one.ended
        self._tell_of(user, one, one.version, one.node, moment, type, detail)

    def _tell_of(
        self,
        user: User,
        one: Instance,
        version: int,
        node: str | None,
        moment: Moment,
        type: str,
        detail: dict[str, Any],
    ) -> None:
        if len(self.told) > self.most:
            raise TooLong
        at, cause = iso(moment.now), moment.cause
        whose = (user.id, one.name, version, one.id, one.key, node)
        self.told.append(Told(type, at, *whose, cause, detail))

    def _capture(self, one: Instance, **what: Any) -> None:
        assert one.node is not None
        one.steps = {**one.steps, one.node: {**one.steps.get(one.node, {}), **what}}
        one.own.add(("steps", one.node))


def bytes_of(data: Any) -> int:
    return len(dumps(data, separators=(",", ":"), ensure_ascii=False).encode())


def fitting(properties: Document) -> tuple[Document, list[str]]:
    """Those that fit into 4 KB together, one by one, and the names of the others."""
    small: Document = {}
    large = []
    for name, value in properties.items():
        if sum(bytes_of({one: small[one]}) for one in small) + bytes_of({name: value}) > 4 * 1024:
            large.append(name)
        else:
            small[name] = value
    return small, large


def branches_of(user: User, one: Instance) -> list[Instance]:
    """Its live branches."""
    return [branch for branch in user.live if branch.parent is one]


def followed(node: Document) -> list[str]:
    """The traits that a delay follows."""
    if not node.get("follow"):
        return []
    return (
        ["timezone"]
        if "until_local" in node
        else re.findall(r"user\.traits\.(\w+)", node["until"].text)
    )


def with_next(journey: Document) -> dict[str, dict[str, Any]]:
    """The nodes of a journey, each with its `next`; None: past the last one."""
    below = dict(pairwise([*journey["nodes"], None]))
    for name, node in journey["nodes"].items():
        if node["type"] == "parallel" and below[name] in node["branches"].values():
            below[name] = None
    return {name: {"next": below[name], **node} for name, node in journey["nodes"].items()}


def lay_over(user: User, traits: Mapping[str, Any]) -> list[str]:
    """New traits over the profile, where None removes; the names of those that changed."""
    before = dict(user.traits)
    for name, value in traits.items():
        user.traits.pop(name, None)
        if value is not None:
            user.traits[name] = value
    return [name for name in traits if not alike(user.traits.get(name), before.get(name))]


def lay_over_by(user: User, wire: Mapping[str, Any]) -> list[str]:
    """What an event does to the profile, trait by trait; the names of those that changed."""
    before, names = dict(user.traits), []
    for name, value in wire.get("traits", {}).items():
        if wire.get("backfill") is not True or (name not in before and value is not None):
            names.append(name)
            lay_over(user, {name: value})
    for name, value in wire.get("traits_once", {}).items():
        if name not in user.traits:
            names.append(name)
            lay_over(user, {name: value})
    return [
        name for name in dict.fromkeys(names) if not alike(user.traits.get(name), before.get(name))
    ]


def alike(one: Any, other: Any) -> bool:
    """The same JSON: 1, 1.0 and true are three things."""
    return repr(one) == repr(other)
