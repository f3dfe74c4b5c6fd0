"""A second implementation of journeys: small, slow, and written from the reference alone.

Law: nothing of the engine is used here. Every rule is spelled out in the plainest way there is, so
that anyone who doubts the engine has something to hold it against. Journeys are documents as users
write them, with a `Cel` wherever an expression stands. Times are ms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.journeys.model.model_lives import Lives, entry_ways
from tests.journeys.model.model_terms import (
    DAY,
    HOUR,
    MINUTE,
    Document,
    Failed,
    Instance,
    Moment,
    See,
    Told,
    User,
    action_id,
    instance_id,
    iso,
    key_text,
)
from tests.journeys.model.model_walk import lay_over_by

YEARS = 10_000 * 365 * DAY
MOST_INSTANCES = 1_000
MOST_TIMES = 1_000
SIGNALS = ("event", "changes")


class Model(Lives):
    """One partition.

    Args:
        everything: instances keep their whole context, whatever later nodes read.
        most: outcomes after which it gives up with TooLong.
    """

    def __init__(
        self, clock: str, *journeys: Document, everything: bool = False, most: int = 3_000
    ) -> None:
        super().__init__(clock, everything, most)
        self.place: int | None = None  # the offset of the record that came last
        self.failed_entries: dict[tuple[str, int], int] = {}
        for journey in journeys:
            self.push(journey)

    # What happens.

    def event(self, wire: dict[str, Any], offset: int, arrival: int | None = None) -> None:
        """One event; `arrival` is the log's, which only the wall clock follows."""
        arrived = arrival if self.clock == "wall" else wire.get("receivedAt")
        time = wire.get("timestamp", self.time if arrived is None else arrived)
        if arrived is not None:
            time = min(time, arrived)
        latest = max(self.time, time)
        if self.clock == "stream":
            self._fire_all(latest, None)
        self.time = latest
        if arrived is None:
            arrived = latest
        id = wire.get("userId", wire.get("anonymousId"))
        user = self.users.setdefault(id, User(id))
        # 1. Repeats.
        message = wire.get("messageId", f"events-0-{offset}")
        if self.remembers(user, message):
            others = [one for one in user.seen if one[0] != message]
            user.seen[:] = [*others, (message, self.time)]
            return
        user.seen.append((message, self.time))
        # 2. Timers that are due.
        self._fire_due(user, time, arrived, offset)
        # 3. The profile.
        moment = Moment(None, arrived, time, (offset, None, None))
        before = dict(user.traits)
        changed = lay_over_by(user, wire)
        if changed:
            self._tell_user(user, moment, "profile.changed", traits=changed)
        name = wire.get("event") or "identify"
        self._note(user, name, time)
        if wire.get("backfill"):
            return
        facts = {name: wire.get(name, {}) for name in ("properties", "context", "traits")}
        ids = ("event", "userId", "anonymousId")
        facts |= {name: wire[name] for name in ids if name in wire}
        if wire.get("traits_once"):
            facts["traits_once"] = wire["traits_once"]
        facts |= {"event": name, "timestamp": time, "messageId": message}
        moment = moment._replace(event=facts, changed=tuple(changed), before=before)
        moment = moment._replace(after=dict(user.traits))
        if self.can_move(moment):
            self.follow(user)
        self._apply(user, moment)
        moment = moment._replace(event=None)
        self._apply_emitted(user, moment)

    def response(self, answer: dict[str, Any], offset: int, arrival: int | None = None) -> None:
        """What came of a trigger's request."""
        now = self.time
        if self.clock == "wall":
            assert arrival is not None
            now = arrival
        else:
            self._fire_all(now, None)
        user = self.users.setdefault(answer["user_id"], User(answer["user_id"]))
        self._fire_due(user, now, now, offset)
        self.follow(user)
        moment = Moment(None, now, now, (offset, None, None))
        id = answer["action_id"]
        for one in user.live:
            if self._waits_for(one, id, now):
                detail = {name: answer.get(name) for name in ("action_id", "ok", "status_code")}
                node = self.node(one)
                to = node["next"] if answer["ok"] else node.get("on_error", node["next"])
                labels = answer.get("labels", {})
                self.answer(user, one, moment, to, detail=detail, response=labels)
                self._apply_emitted(user, moment)
                return
        self._tell_user(user, moment, "event.rejected", reason="visit_over", action_id=id)

    def advance(self, to: int) -> None:
        """A clock record of a stream."""
        self._fire_all(max(self.time, to), None)
        self.time = max(self.time, to)

    def fire(self, until: int, now: int) -> None:
        """The wall clock shows `now`, and all that arrived before `until` has been applied."""
        self._fire_all(until, now)

    # Timers.

    def _fire_due(self, user: User, time: int, arrived: int, offset: int) -> None:
        """An input at `time` fires the timers of its user, earliest first."""
        while due := [
            one
            for one in user.live
            if one.due is not None and one.due <= time and not self.is_paused(one)
        ]:
            first = min(due, key=lambda one: one.due or 0)
            assert first.due is not None
            late = self.clock == "wall" and time - first.due > MINUTE
            now = time if late else first.due
            cause = (offset, iso(first.due), iso(now) if late else None)
            self._fire(user, first, Moment(None, arrived, now, cause))

    def _fire_all(self, until: int, now: int | None) -> None:
        """The clock fires the timers of all users, those first that are ready first; in a pause it
        puts them off."""
        for one in [one for user in self.users.values() for one in user.live]:
            if self.is_paused(one) and one.fire_at is not None and one.fire_at <= until:
                one.fire_at = None
        while due := [
            (one.fire_at, user.id, one.due, user.live.index(one))
            for user in self.users.values()
            for one in user.live
            if one.fire_at is not None and one.due is not None and one.fire_at <= until
        ]:
            _, id, when, place = min(due)
            user = self.users[id]
            late = now is not None and now - when > MINUTE
            logical = now if late and now is not None else when
            cause = (self.place, iso(when), iso(logical) if late else None)
            self._fire(user, user.live[place], Moment(None, None, logical, cause))

    def _fire(self, user: User, one: Instance, moment: Moment) -> None:
        self.follow(user)
        self.time_out(user, one, moment)
        self._apply_emitted(user, moment)

    # An event of the log, or one that a node emitted.

    def _apply(self, user: User, moment: Moment) -> None:
        # 4. Global exits and goals.
        for one in list(user.live):
            self._leave_by(user, one, moment)
        for one in list(user.goals):
            self._reach_goal(user, one, moment)
        # 5. Waits.
        digested = set()
        for one in list(user.live):
            if self.node(one)["type"] == "digest":
                if self._digests(user, one, moment) and "any_of" not in self.node(one):
                    digested.add(one.name)
            else:
                self._awaited(user, one, moment)
        # 6. Entries.
        for name in sorted(self.journeys):
            if name not in digested:
                self._enter(user, name, moment)

    def _apply_emitted(self, user: User, moment: Moment) -> None:
        """In the same step, after all that the event or timer moves, in the order emitted."""
        while self.emitted:
            event, hops, changed, *traits = self.emitted.pop(0)
            if not changed:
                self._note(user, event["event"], moment.now)
            now, only = event["timestamp"], bool(changed)
            heard = Moment(event, moment.arrival, now, moment.cause, hops, changed)
            before, after = traits
            self._apply(user, heard._replace(before=before, after=after, nameless=only))
        self.emitted_in_all = 0

    def _leave_by(self, user: User, one: Instance, moment: Moment) -> None:
        """The first global exit that holds; without a `match` it is about every instance."""
        assert moment.event is not None
        if one.ended or (one.parent is not None and not one.parent.ended):
            return
        for way in one.journey.get("exit", []):
            if (
                moment.is_heard(way)
                and self.same_key(user, one, moment, way.get("match", "none"))
                and self.holds(user, one, moment, way.get("where"), [way])
            ):
                reason = way.get("reason", "global_exit")
                self.end_all(user, one, moment, reason, **told_of(moment.event, way))
                return

    def _reach_goal(self, user: User, one: Instance, moment: Moment) -> None:
        """Whether the instance is live or not; of the version that it entered with."""
        goal, event = one.goal, moment.event
        assert goal is not None
        assert event is not None
        if not moment.is_heard(goal):
            return
        if "within" in goal and moment.now >= one.started + goal["within"]:
            return
        if not self.may_count(one) or not self._is_goal(user, one, goal, moment):
            return
        self._tell_of(user, one, one.entered, None, moment, "goal.reached", told_of(event, goal))
        user.goals.remove(one)
        if goal.get("exit"):
            self.end_all(user, one, moment, "goal", **told_of(event, goal))

    def may_count(self, one: Instance) -> bool:
        """Whether its goal is still watched: until a day after the end of the window."""
        assert one.goal is not None
        return "within" not in one.goal or self.time < one.started + one.goal["within"] + DAY

    def _is_goal(self, user: User, one: Instance, goal: Document, moment: Moment) -> bool:
        """A goal sees neither steps nor labels, and its failures are no node's."""
        version = self.journeys[one.name].versions[one.entered - 1]
        key = version["entry"].get("key")
        match = goal.get("match")
        profile = self.profile(user, moment, [goal])
        see = See(moment.event, one.entry, profile, one.key, moment.now, times=user.times)
        see = replace(see, before=self.traits_before(user, moment))
        if "changes" in goal and match is None:
            match = "none"
        try:
            if match != "none" and (match is not None or key is not None):
                value = key_text((key if match is None else match).value(see))
                if value is None or value != one.key:
                    return False
        except Failed:
            if match is not None:
                self._tell_of(user, one, one.entered, None, moment, "expression.failed", {})
            return False
        try:
            return "where" not in goal or goal["where"].holds(see)
        except Failed:
            self._tell_of(user, one, one.entered, None, moment, "expression.failed", {})
            return False

    def _awaited(self, user: User, one: Instance, moment: Moment) -> None:
        if one.ended:
            return
        node = self.node(one)
        assert moment.event is not None
        if not self._is_open(one, moment.now):
            return
        if node["type"] == "delay" and node.get("follow"):
            self.shift(user, one, moment)
        if node["type"] != "wait_for_event":
            return
        branches = node.get("any_of", [{name: node[name] for name in SIGNALS if name in node}])
        branches = [branch for branch in branches if moment.is_heard(branch)]
        keyed = [one for one in branches if "match" in node or "changes" not in one]
        if keyed and not self.same_key(user, one, moment, node.get("match")):
            branches = [one for one in branches if one not in keyed]
        if not branches:
            return
        if not self.holds(user, one, moment, node.get("where"), branches):
            return
        for branch in branches:
            if self.holds(user, one, moment, branch.get("where"), branches):
                if branch.get("reset"):
                    self.reset(user, one, moment, told_of(moment.event, branch))
                    return
                to, set = branch.get("next", node["next"]), branch.get("set")
                told = told_of(moment.event, branch)
                self.answer(user, one, moment, to, set, told, event=moment.event)
                return

    def _digests(self, user: User, one: Instance, moment: Moment) -> bool:
        """Whether a digest collects the event: one that it names, or one that enters the journey
        with the same key, by the version of the instance."""
        node, event = self.node(one), moment.event
        assert event is not None
        if one.ended:
            return False
        if "any_of" in node:
            ways = [way for way in node["any_of"] if moment.is_heard(way)]
            wanted = (
                bool(ways)
                and self.same_key(user, one, moment, node.get("match"))
                and self.holds(user, one, moment, node.get("where"))
                and any(self.holds(user, one, moment, way.get("where")) for way in ways)
            )
        else:
            wanted = self._would_enter(user, one, moment)
        if wanted:
            self.collect(user, one, moment, event)
        return wanted

    def _would_enter(self, user: User, one: Instance, moment: Moment) -> bool:
        entry, event = one.journey["entry"], moment.event
        assert event is not None
        profile = self.profile(user, moment, entry_ways(entry))
        see = See(event, event, profile, None, moment.now, times=user.times)
        see = replace(see, before=self.traits_before(user, moment))

        def is_true(way: dict[str, Any]) -> bool:
            try:
                return "where" not in way or way["where"].holds(see)
            except Failed:
                return False

        ways = entry_ways(entry)
        if not any(moment.is_heard(way) and is_true(way) for way in ways):
            return False
        if not is_true(entry):
            return False
        try:
            key = key_text(entry["key"].value(see)) if "key" in entry else one.key
            return "key" not in entry or (key is not None and key == one.key)
        except Failed:
            return False

    def _waits_for(self, one: Instance, action: str, now: int) -> bool:
        """Whether a response belongs to the instance's current visit."""
        assert one.node is not None
        visit = action_id(one.id, one.node, one.visit)
        return visit == action and self.node(one)["type"] == "trigger" and self._is_open(one, now)

    def _is_open(self, one: Instance, now: int) -> bool:
        """Whether its wait can still be answered at that time."""
        return one.held is None and (one.due is None or now < one.due)

    # Entries.

    def _enter(self, user: User, name: str, moment: Moment) -> None:
        version, journey = self.journeys[name].version, self.journeys[name].in_force
        entry, event = journey["entry"], moment.event
        assert event is not None
        if self.journeys[name].status != "running":
            return
        profile = self.profile(user, moment, entry_ways(entry))
        see = See(event, event, profile, None, moment.now, times=user.times)
        see = replace(see, before=self.traits_before(user, moment))

        def tell(type: str, key: str | None, **detail: Any) -> None:
            at, cause = iso(moment.now), moment.cause
            self.told.append(Told(type, at, user.id, name, version, None, key, None, cause, detail))

        def first_of(ways: list[Any]) -> Any:
            """The first that holds. A failure is reported unless another of them holds."""
            failed = False
            for way in ways:
                try:
                    if "where" not in way or way["where"].holds(see):
                        return way
                except Failed:
                    failed = True
            minute = self.time // MINUTE
            if failed and self.failed_entries.get((name, version)) != minute:
                self.failed_entries[name, version] = minute
                tell("expression.failed", None)
            return None

        ways = [way for way in entry_ways(entry) if moment.is_heard(way)]
        if not ways or first_of([entry]) is None:
            return
        way = first_of(ways)
        if way is None:
            return
        if (
            "max_lateness" in entry
            and moment.arrival is not None
            and moment.cause[1] is None  # what a timer brings about is not late
            and moment.arrival - moment.now > entry["max_lateness"]
        ):
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
        id = instance_id(name, user.id, key, event["messageId"])
        goal = journey.get("goal")
        one = Instance(id, journey, version, key, event, moment.now, version, goal)
        user.live.append(one)
        user.entered.add(name)
        if goal is not None:
            user.goals.append(one)
        self.tell(user, one, moment, "journey.entered", **told_of(event, way))
        self.reach(user, one, moment, next(iter(journey["nodes"])))

    def _refusal(
        self, user: User, name: str, entry: dict[str, Any], key: str | None, now: int
    ) -> str | None:
        mine = [one for one in user.live if one.name == name and one.parent is None]
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
        return "too_many" if len(user.live) >= MOST_INSTANCES else None

    # Small things.

    def remembers(self, user: User, message: str) -> bool:
        """The last 64, and those of the last hour, but no more than 1,024."""
        lately = [known for known, at in user.seen[-1_024:] if at >= self.time - HOUR]
        return message in lately or message in [known for known, _ in user.seen[-64:]]

    def _note(self, user: User, event: str, time: int) -> None:
        """Keep the time of an event that some journey counts: the newest of them, and this one."""
        asked = self.counted()
        if event not in asked:
            return
        user.times = {name: times for name, times in user.times.items() if name in asked}
        kept = sorted([*user.times.get(event, []), time])[-MOST_TIMES:]
        user.times[event] = kept if time in kept else [time, *kept]

    def _tell_user(self, user: User, moment: Moment, type: str, **detail: Any) -> None:
        """What is no journey's."""
        at = iso(moment.now)
        told = Told(type, at, user.id, "", 0, None, None, None, moment.cause, detail)
        self.told.append(told)


def told_of(event: dict[str, Any], part: Document) -> dict[str, Any]:
    """The event that a part of a document has heard, and the change if it was that."""
    changes = {"changes": part["changes"]} if "changes" in part else {}
    return {"event": event["event"], "message_id": event["messageId"], **changes}
