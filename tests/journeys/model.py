"""What a journey means, once more: small, slow, and written from the language's reference alone.

Law: nothing of the engine is used here. Every rule is spelled out in the plainest way there is, so
that whoever doubts the engine has something to hold it against. Journeys are documents as users
write them, with a `Cel` wherever an expression stands. Times are ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.journeys.model_terms import (
    Cel,
    Failed,
    Instance,
    Moment,
    See,
    Sent,
    Told,
    User,
    iso,
    key_text,
    rendered,
    variant_of,
)

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
GRACE = 10 * SECOND
YEARS = 10_000 * 365 * 24 * HOUR


class Model:
    """One partition."""

    def __init__(self, clock: str, *journeys: dict[str, Any]) -> None:
        self.clock = clock
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.users: dict[str, User] = {}
        self.time = 0
        self.told: list[Told] = []
        self.sent: list[Sent] = []
        self.failed_entries: dict[tuple[str, int], int] = {}
        for journey in journeys:
            self.push(journey)

    # What happens.

    def push(self, journey: dict[str, Any]) -> None:
        """Instances keep the version they entered with; whoever enters from now on gets this."""
        self.versions.setdefault(journey["name"], []).append(journey)

    def event(self, wire: dict[str, Any], offset: int, arrival: int | None = None) -> None:
        """One event; `arrival` is the log's, which only the wall clock follows."""
        arrived = arrival if self.clock == "wall" else wire.get("receivedAt")
        time = wire["timestamp"] if arrived is None else min(wire["timestamp"], arrived)
        self.time = max(self.time, time)
        if self.clock == "stream":
            self._fire_all(self.time, None)
        if arrived is None:
            arrived = self.time
        user = self.users.setdefault(wire["userId"], User(wire["userId"]))
        # 1. Repeats.
        if self.remembers(user, wire["messageId"]):
            return
        user.seen.append((wire["messageId"], self.time))
        # 2. Timers that are due.
        while due := [one for one in user.live if one.due is not None and one.due <= time]:
            first = min(due, key=lambda one: one.due or 0)
            assert first.due is not None
            late = self.clock == "wall" and time - first.due > MINUTE
            now = time if late else first.due
            cause = (offset, iso(first.due), iso(now) if late else None)
            self._time_out(user, first, Moment(None, arrived, now, cause))
        # 3. The profile.
        before = dict(user.traits)
        for name, value in wire.get("traits", {}).items():
            user.traits.pop(name, None)
            if value is not None:
                user.traits[name] = value
        names = wire.get("traits", {})
        changed = [name for name in names if user.traits.get(name) != before.get(name)]
        if changed:
            cause, detail = (offset, None, None), {"traits": changed}
            self.told.append(
                Told("profile.changed", iso(time), user.id, "", 0, None, None, None, cause, detail)
            )
        if wire.get("backfill"):
            return
        facts = {name: wire.get(name, {}) for name in ("properties", "context", "traits")}
        facts |= {name: wire[name] for name in ("event", "messageId", "userId")}
        moment = Moment({**facts, "timestamp": time}, arrived, time, (offset, None, None))
        # 5. Waits.
        for one in list(user.live):
            self._awaited(user, one, moment)
        # 6. Entries.
        for name in sorted(self.versions):
            self._enter(user, name, moment)

    def advance(self, to: int) -> None:
        """A clock record of a stream."""
        self.time = max(self.time, to)
        self._fire_all(self.time, None)

    def fire(self, until: int, now: int) -> None:
        """The wall clock shows `now`, and all that arrived before `until` has been applied."""
        self._fire_all(until, now)

    # Timers.

    def _fire_all(self, until: int, now: int | None) -> None:
        while due := [
            (one.fire_at, one.due, user.live.index(one), user.id)
            for user in self.users.values()
            for one in user.live
            if one.fire_at is not None and one.due is not None and one.fire_at <= until
        ]:
            _, when, place, id = min(due)
            user = self.users[id]
            late = now is not None and now - when > MINUTE
            logical = now if late and now is not None else when
            cause = (None, iso(when), iso(logical) if late else None)
            self._time_out(user, user.live[place], Moment(None, None, logical, cause))

    def _time_out(self, user: User, one: Instance, moment: Moment) -> None:
        node = self._node(one)
        to = node.get("next")
        if node["type"] == "wait_for_event":
            self._tell(user, one, moment, "wait.timed_out")
            to = node.get("on_timeout", to)
        self._go(user, one, moment, to)

    # Waits.

    def _awaited(self, user: User, one: Instance, moment: Moment) -> None:
        node = self._node(one)
        assert moment.event is not None
        name = moment.event["event"]
        if node["type"] != "wait_for_event":
            return
        branches = node.get("any_of", [{"event": node.get("event")}])
        branches = [branch for branch in branches if branch["event"] == name]
        if not branches or not self._same_key(user, one, moment, node.get("match")):
            return
        if not self._holds(user, one, moment, node.get("where")):
            return
        for branch in branches:
            if self._holds(user, one, moment, branch.get("where")):
                detail = {"event": name, "message_id": moment.event["messageId"]}
                self._tell(user, one, moment, "wait.matched", **detail)
                self._capture(one, event=moment.event)
                to = branch.get("next", node.get("next"))
                self._go(user, one, moment, to, branch.get("set"))
                return

    def _same_key(self, user: User, one: Instance, moment: Moment, match: Cel | str | None) -> bool:
        key = one.journey["entry"].get("key")
        if match == "none" or (match is None and key is None):
            return True
        expression = key if match is None else match
        try:
            value = key_text(expression.value(self._see(user, one, moment)))
        except Failed:
            if match is not None:  # events that don't carry the journey's own key are common
                self._tell(user, one, moment, "expression.failed")
            return False
        return value is not None and value == one.key

    # Entries.

    def _enter(self, user: User, name: str, moment: Moment) -> None:
        version = len(self.versions[name])
        journey = self.versions[name][-1]
        entry, event = journey["entry"], moment.event
        assert event is not None
        assert moment.arrival is not None
        see = See(event, event, {"id": user.id, "traits": user.traits}, None, moment.now)

        def tell(type: str, key: str | None, **detail: Any) -> None:
            told = Told(
                type, iso(moment.now), user.id, name, version, None, key, None, moment.cause, detail
            )
            self.told.append(told)

        def holds(where: Cel | None) -> bool:
            try:
                return where is None or where.holds(see)
            except Failed:
                minute = self.time // MINUTE
                if self.failed_entries.get((name, version)) != minute:
                    self.failed_entries[name, version] = minute
                    tell("expression.failed", None)
                return False

        ways = entry.get("any_of", [{"event": entry.get("event")}])
        ways = [way for way in ways if way["event"] == event["event"]]
        if not ways or not holds(entry.get("where")):
            return
        if not any(holds(way.get("where")) for way in ways):
            return
        if "max_lateness" in entry and moment.arrival - moment.now > entry["max_lateness"]:
            tell("journey.rejected", None, reason="too_late")
            return
        key = None
        if "key" in entry:
            try:
                key = key_text(entry["key"].value(see))
            except Failed:
                key = None
            if key is None:
                tell("journey.rejected", None, reason="no_key")
                return
        reason = self._refusal(user, name, entry, key, moment.now)
        if reason is not None:
            tell("journey.rejected", key, reason=reason)
            return
        one = Instance(journey, version, key, event)
        user.live.append(one)
        user.entered.add(name)
        detail = {"event": event["event"], "message_id": event["messageId"]}
        self._tell(user, one, moment, "journey.entered", **detail)
        self._go(user, one, moment, next(iter(journey["nodes"])))

    def _refusal(
        self, user: User, name: str, entry: dict[str, Any], key: str | None, now: int
    ) -> str | None:
        mine = [one for one in user.live if one.journey["name"] == name]
        if entry.get("reentry") == "once" and name in user.entered:
            return "once"
        if entry.get("reentry") == "after_exit":
            if mine:
                return "already_in"
            gap = now - user.last_end.get(name, -YEARS)
            if gap < entry.get("min_gap", -YEARS):
                return "min_gap"
        if key is not None and any(one.key == key for one in mine):
            return "already_in"
        return None

    # One instance's way.

    def _go(
        self,
        user: User,
        one: Instance,
        moment: Moment,
        to: str | None,
        set: Mapping[str, Any] | None = None,
    ) -> None:
        """Leave the node for another, and so on until one blocks or the journey ends."""
        while True:
            leaving = self._node(one).get("set", {}) if one.node is not None else {}
            for label, data in (*leaving.items(), *(set or {}).items()):
                try:
                    one.attr = {**one.attr, label: rendered(data, self._see(user, one, moment))}
                except Failed:
                    self._tell(user, one, moment, "expression.failed")
            if to is None:
                self._end(user, one, moment, "end")
                return
            one.node, one.due, one.fire_at = to, None, None
            self._tell(user, one, moment, "node.reached")
            went = getattr(self, "_reach_" + self._node(one)["type"])(user, one, moment)
            if went is None:
                return
            to, set = went

    def _reach_exit(self, user: User, one: Instance, moment: Moment) -> None:
        self._end(user, one, moment, self._node(one).get("reason", "exit"))

    def _reach_delay(self, user: User, one: Instance, moment: Moment) -> None:
        self._stay(user, one, moment, self._node(one)["for"])

    def _reach_wait_for_event(self, user: User, one: Instance, moment: Moment) -> None:
        within = self._node(one)["within"]
        self._stay(user, one, moment, None if within == "forever" else within)

    def _reach_criteria(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self._node(one)
        for index, branch in enumerate(node["branches"]):
            if self._holds(user, one, moment, branch["when"]):
                to = branch.get("next", node.get("next"))
                self._tell(user, one, moment, "criteria.matched", branch=index, next=to)
                return to, branch.get("set")
        to = node["otherwise"]
        self._tell(user, one, moment, "criteria.matched", branch="otherwise", next=to)
        return to, None

    def _reach_experiment(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self._node(one)
        salt = node.get("salt", f"{one.journey['name']}/{one.node}")
        weights = {name: variant["weight"] for name, variant in node["variants"].items()}
        name = node.get("winner") or variant_of(salt, user.id, weights)
        self._tell(user, one, moment, "experiment.assigned", variant=name)
        self._capture(one, variant=name)
        variant = node["variants"][name]
        return variant.get("next", node.get("next")), variant.get("set")

    def _reach_destination(self, user: User, one: Instance, moment: Moment) -> tuple[Any, Any]:
        node = self._node(one)
        where = {"destination": node["destination"]}
        try:
            payload = rendered(node["payload"], self._see(user, one, moment))
        except Failed:
            self._tell(user, one, moment, "expression.failed")
            self._tell(user, one, moment, "action.skipped", **where, reason="payload_failed")
            return node.get("on_error", node.get("next")), None
        assert one.node is not None
        at = iso(moment.now)
        self.sent.append(Sent(at, user.id, one.id, one.key, one.node, node["destination"], payload))
        self._tell(user, one, moment, "action.requested", **where)
        return node.get("next"), None

    def _stay(self, user: User, one: Instance, moment: Moment, within: int | None) -> None:
        if within is not None:
            one.due = one.fire_at = moment.now + within
            if moment.arrival is not None and one.due <= moment.arrival:
                one.fire_at = moment.arrival + GRACE
        self._tell(user, one, moment, "wait.started", due=None if one.due is None else iso(one.due))

    def _end(self, user: User, one: Instance, moment: Moment, reason: str) -> None:
        self._tell(user, one, moment, "journey.exited", reason=reason)
        user.live.remove(one)
        user.last_end[one.journey["name"]] = moment.now
        one.ended = True

    # Small things.

    def remembers(self, user: User, message: str) -> bool:
        """The last 64, and those of the last hour, but no more than 1,024."""
        lately = [known for known, at in user.seen[-1_024:] if at >= self.time - HOUR]
        return message in lately or message in [known for known, _ in user.seen[-64:]]

    def _node(self, one: Instance) -> dict[str, Any]:
        """The node it stands on; one without `next` goes on to the one below it."""
        nodes = one.journey["nodes"]
        assert one.node is not None
        names = [*nodes, None]
        return {"next": names[names.index(one.node) + 1], **nodes[one.node]}

    def _see(self, user: User, one: Instance, moment: Moment) -> See:
        profile = {"id": user.id, "traits": dict(user.traits)}
        return See(moment.event, one.entry, profile, one.key, moment.now, one.steps, one.attr)

    def _capture(self, one: Instance, **what: Any) -> None:
        assert one.node is not None
        one.steps = {**one.steps, one.node: {**one.steps.get(one.node, {}), **what}}

    def _holds(self, user: User, one: Instance, moment: Moment, where: Cel | None) -> bool:
        try:
            return where is None or where.holds(self._see(user, one, moment))
        except Failed:
            self._tell(user, one, moment, "expression.failed")
            return False

    def _tell(self, user: User, one: Instance, moment: Moment, type: str, **detail: Any) -> None:
        assert not one.ended
        self.told.append(
            Told(
                type,
                iso(moment.now),
                user.id,
                one.journey["name"],
                one.version,
                one.id,
                one.key,
                one.node,
                moment.cause,
                detail,
            )
        )
