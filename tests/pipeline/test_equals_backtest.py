"""What people's changes, digests, branches and resets bring about is the same through Kafka, two
workers and RocksDB as in a backtest, and as a recount of the history in plain Python."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from journeys.simulation.backtest import Backtest
from tests.journeys.builders import running
from tests.pipeline.stack import stack

DOCUMENTS = """
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:1/mail
---
kind: Journey
name: upgraded
let:
  is_pro: user.traits.plan == "pro"
  had: has(before.plan)
entry: {changes: plan, where: let.is_pro && (let.had || true)}
exit: [{changes: plan, where: '!let.is_pro', reason: left}]
nodes:
  thanks: {type: destination, destination: mailer, payload: {plan: '${user.traits.plan}'}}
  ends: {type: delay, until: user.traits.ends, follow: true, on_error: done}
  done: {type: exit}
---
kind: Journey
name: quiet
entry: {event: page_viewed, reentry: after_exit}
nodes:
  silence:
    type: wait_for_event
    any_of: [{event: page_viewed, reset: true}, {event: bought, next: done}]
    within: 10m
    on_timeout: mail
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
  done: {type: exit}
---
kind: Journey
name: digest
entry: {event: commented, key: event.properties.post}
nodes:
  comments: {type: digest, every: 1h, max: 3}
  mail:
    type: destination
    destination: mailer
    payload: {count: '${steps.comments.count}', of: '${steps.comments.events.map(e, e.messageId)}'}
---
kind: Journey
name: rescue
entry: {event: cart_left, reentry: after_exit}
goal: {event: bought, within: 1d, exit: true}
nodes:
  side-by-side: {type: parallel, branches: {sms: quarter, mail: hours}, join: all, next: done}
  quarter: {type: delay, for: 15m, next: sms}
  sms: {type: destination, destination: mailer, payload: {by: sms}, next: done}
  hours: {type: delay, for: 2h, next: mail}
  mail: {type: destination, destination: mailer, payload: {by: mail}, next: done}
  done: {type: exit}
"""
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
Json = dict[str, Any]


def _at(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def history(seed: int = 1, events: int = 3_000, users: int = 25) -> list[Json]:
    """Events in the order of their times, a few milliseconds to minutes apart."""
    draw, now, found = random.Random(seed), BEGIN, []
    for number in range(events):
        now += timedelta(milliseconds=draw.choice([1, 700, 5_000, 20_000, 90_000]))
        one: Json = {
            "userId": f"u{draw.randrange(users)}",
            "messageId": f"m{number}",
            "timestamp": _at(now),
        }
        kind = draw.choice(
            ["identify", "page_viewed", "commented", "commented", "cart_left", "bought"]
        )
        if kind == "identify":
            ends = _at(now + timedelta(minutes=draw.choice([-5, 1, 30, 600])))
            traits = draw.choice(
                [{"plan": "pro"}, {"plan": "free"}, {"plan": None}, {"ends": ends}]
            )
            one |= {"type": "identify", "traits": traits}
        else:
            one |= {"event": kind, "properties": {"post": draw.choice("ab")}}
        found.append(one)
    return found


def _seen(outcomes: Iterable[Json]) -> list[tuple[str, ...]]:
    """Outcomes without their causes, which name the place of a record in its log."""
    return sorted(
        (
            one["outcome_id"],
            one["type"],
            one["at"],
            one["user_id"],
            one["instance"] or "",
            one.get("node") or "",
            json.dumps(one.get("detail"), sort_keys=True),
        )
        for one in outcomes
        if one.get("instance") is not None
    )


def backtested(events: list[Json]) -> tuple[list[Json], list[Json]]:
    outcomes: list[Json] = []
    actions: list[Json] = []
    lines = (json.dumps(one).encode() for one in events)
    for effects in Backtest(running(DOCUMENTS), "history").run(lines, drain=True):
        assert not effects.dead, effects.dead[0].detail
        outcomes += msgspec.json.decode(msgspec.json.encode(effects.outcomes))
        actions += msgspec.json.decode(msgspec.json.encode(effects.actions))
    return outcomes, actions


def _by_user(events: list[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for one in events:
        found[one["userId"]].append(one)
    return found


def _ms(one: Json) -> int:
    return round(datetime.fromisoformat(one["timestamp"]).timestamp() * 1_000)


def silences(events: list[Json]) -> Counter[tuple[str, int]]:
    """By user and time: mails after ten minutes without a page, since a first page and no order."""
    mails: Counter[tuple[str, int]] = Counter()
    for user, mine in _by_user(events).items():
        due: int | None = None
        for one in [*mine, None]:
            if due is not None and (one is None or due <= _ms(one)):
                mails[user, due] += 1
                due = None
            if one is None:
                break
            if one.get("event") == "page_viewed":
                due = _ms(one) + 600_000
            elif one.get("event") == "bought":
                due = None
    return mails


def digests(events: list[Json]) -> Counter[tuple[str, int, int]]:
    """By user, time and count: digests of the comments on a post within an hour of the first."""
    closed: Counter[tuple[str, int, int]] = Counter()
    for user, mine in _by_user(events).items():
        for post in "ab":
            began, count = None, 0
            for one in mine:
                if one.get("event") != "commented" or one["properties"]["post"] != post:
                    continue
                if began is not None and began + 3_600_000 <= _ms(one):
                    closed[user, began + 3_600_000, count] += 1
                    began, count = None, 0
                began = _ms(one) if began is None else began
                count += 1
            if began is not None:
                closed[user, began + 3_600_000, count] += 1
    return closed


def upgrades(events: list[Json]) -> Counter[tuple[str, int]]:
    """By user and time: changes of the plan to pro."""
    found: Counter[tuple[str, int]] = Counter()
    for user, mine in _by_user(events).items():
        plan = None
        for one in mine:
            traits = one.get("traits", {})
            if "plan" in traits:
                if traits["plan"] == "pro" != plan:
                    found[user, _ms(one)] += 1
                plan = traits["plan"]
    return found


def rescues(events: list[Json]) -> Counter[tuple[str, int, str]]:
    """By user and time: what is sent 15 minutes and 2 hours after a cart was left, if nothing has
    been bought; one passage at a time."""
    found: Counter[tuple[str, int, str]] = Counter()
    spans = (("sms", 900_000), ("mail", 7_200_000))
    for user, mine in _by_user(events).items():
        left: int | None = None
        for one in [*mine, None]:
            now = None if one is None else _ms(one)
            bought = one is not None and one.get("event") == "bought"
            over = left is not None and (now is None or left + spans[-1][1] <= now)
            if left is not None and (over or bought):
                for by, span in spans:
                    if now is None or left + span <= now:
                        found[user, left + span, by] += 1
                left = None
            if one is not None and one.get("event") == "cart_left" and left is None:
                left = now
    return found


def _actions_of(actions: list[Json], journey: str) -> list[tuple[str, int, Json]]:
    return [
        (one["user_id"], _ms({"timestamp": one["at"]}), one["payload"])
        for one in actions
        if one["journey"] == journey
    ]


def test_a_backtest_is_what_a_recount_says() -> None:
    events = history()
    _, actions = backtested(events)
    assert Counter((u, t) for u, t, _ in _actions_of(actions, "quiet")) == silences(events)
    assert Counter((u, t) for u, t, _ in _actions_of(actions, "upgraded")) == upgrades(events)
    found = [(u, t, p["count"]) for u, t, p in _actions_of(actions, "digest")]
    assert Counter(found) == digests(events)
    assert all(len(p["of"]) == min(3, p["count"]) for _, _, p in _actions_of(actions, "digest"))
    rescued = [(u, t, p["by"]) for u, t, p in _actions_of(actions, "rescue")]
    assert Counter(rescued) == rescues(events)
    assert min(map(len, (silences(events), upgrades(events), digests(events)))) > 30
    assert {by for _, _, by in rescues(events)} == {"sms", "mail"}


@pytest.mark.slow
def test_the_pipeline_does_what_a_backtest_does(kafka: EmbeddedKafka) -> None:
    events = history(seed=2)
    wanted, wanted_actions = backtested(events)
    with stack(kafka, {"register": 1, "evaluate": 2}, "--clock", "stream") as made:
        assert {one["type"] for one in made.apply(DOCUMENTS)} == {"config.accepted"}
        for event in events:
            made.send(event)
        made.advance()
        made.wait_applied()
        outcomes, actions = made.journey_outcomes(), made.actions("mailer")
        assert made.dead() == []
    types = Counter(one["type"] for one in outcomes)
    assert types["wait.rescheduled"] > 50
    assert min(types["digest.overflowed"], types["branches.joined"], types["branch.ended"]) > 10
    assert _seen(outcomes) == _seen(wanted)
    by_id = {one["action_id"]: one for one in wanted_actions}
    assert {one["action_id"]: one for one in actions} == by_id
    assert len(actions) == len(by_id)
