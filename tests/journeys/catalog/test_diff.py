"""A plan shows every difference that a push makes, and none that it doesn't."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, Rejected, check_push
from journeys.catalog.diff import DocumentChange, differences, plan
from journeys.nodes.experiment import Assignment, choose, share_moved

MAILER = "kind: Destination\nname: mailer\ntype: http\nurl: https://mail.example.com/\n"
JOURNEY = """\
kind: Journey
name: tour
entry: {event: start}
nodes:
  wait: {type: wait_for_event, event: answer, within: 1h, next: done}
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}', list: [1, 2]}}
  done: {type: exit, reason: over}
"""
BOTH = MAILER + "---\n" + JOURNEY.replace("next: done", "next: done, on_timeout: mail")


def catalog(text: str = BOTH) -> Catalog:
    found = Catalog(KINDS)
    verdict = check_push(text, "first.yaml", found)
    assert isinstance(verdict, Accepted), verdict
    for key, value in verdict.entries:
        found = found.with_entry(key, value)
    return found


def planned(text: str, before: Catalog | None = None) -> list[DocumentChange]:
    changes = plan(text, "push.yaml", catalog() if before is None else before)
    assert not isinstance(changes, Rejected), [str(one) for one in changes.problems]
    return changes


def told(text: str) -> list[tuple[str, str, Any, Any]]:
    return [
        (".".join(map(str, field.path)), field.change, field.before, field.after)
        for document in planned(text)
        for field in document.fields
    ]


def test_what_is_new_is_created() -> None:
    assert [
        (one.kind, one.name, one.change, one.before) for one in planned(BOTH, Catalog(KINDS))
    ] == [
        ("Destination", "mailer", "created", None),
        ("Journey", "tour", "created", None),
    ]


def test_an_active_document_is_unchanged_however_it_is_written() -> None:
    again = BOTH.replace("within: 1h", "within: 60m").replace("entry:", "status: running\nentry:")
    assert [(one.change, one.fields) for one in planned(again)] == [("unchanged", ())] * 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("within: 1h", "within: 2h", ("nodes.wait.within", "changed", "1h", "2h")),
        ("{event: start}", "{event: start, where: 'true'}", ("entry.where", "added", None, "true")),
        (", reason: over", "", ("nodes.done.reason", "removed", "over", None)),
        ("reason: over", "reason: out", ("nodes.done.reason", "changed", "over", "out")),
        ("[1, 2]", "[1, 3]", ("nodes.mail.payload.list.1", "changed", 2, 3)),
        ("[1, 2]", "[1]", ("nodes.mail.payload.list", "changed", [1, 2], [1])),
        ("[1, 2]", "[true, 2]", ("nodes.mail.payload.list.0", "changed", 1, True)),
        ("name: tour", "name: tour\ndescription: d", ("description", "added", None, "d")),
        ("name: tour", "name: tour\nstatus: paused", ("status", "changed", "running", "paused")),
        ("https://mail", "https://post", ("url", "changed", "https://mail.example.com/",
                                          "https://post.example.com/")),
    ],
)  # fmt: skip
def test_a_field_is_reported_as_it_was_and_as_it_will_be(
    old: str, new: str, expected: tuple[str, str, Any, Any]
) -> None:
    assert old in BOTH
    assert told(BOTH.replace(old, new)) == [expected]


def test_nodes_are_added_and_removed_as_a_whole() -> None:
    more = BOTH.replace("  done:", "  pause: {type: delay, for: 1d}\n  done:")
    assert told(more) == [
        ("nodes.mail.next", "changed", "done", "pause"),
        ("nodes.pause", "added", None, {"type": "delay", "for": "1d", "next": "done"}),
    ]
    back = plan(BOTH, "push.yaml", catalog(more))
    assert isinstance(back, list)
    assert [(one.path, one.change) for one in back[1].fields] == [
        (("nodes", "mail", "next"), "changed"),
        (("nodes", "pause"), "removed"),
    ]


def test_another_order_of_nodes_is_reported_by_where_they_lead() -> None:
    lines = BOTH.splitlines()
    moved = "\n".join([*lines[:-3], lines[-2], lines[-3], lines[-1]])
    assert told(moved) == [
        ("nodes.mail.next", "changed", "done", "wait"),
        ("first", "changed", "wait", "mail"),
    ]


def test_versions_are_reported_before_and_after() -> None:
    (_, journey) = planned(BOTH.replace("within: 1h", "within: 2h"))
    assert journey.before == catalog().journeys["tour"].version
    assert journey.version not in (journey.before, None)
    (mailer, _) = planned(BOTH.replace("https://mail", "https://post"))
    assert mailer.before is not None
    assert mailer.before != mailer.version


def test_what_is_retired_is_archived() -> None:
    text = BOTH.replace("name: tour", "name: tour\nstatus: archived")
    assert [one.change for one in planned(text)] == ["unchanged", "archived"]


def test_a_document_that_is_not_pushed_is_left_as_it_is() -> None:
    assert [one.name for one in planned(MAILER)] == ["mailer"]


def test_what_would_be_rejected_has_no_plan() -> None:
    found = plan(BOTH.replace("next: done", "next: dne"), "push.yaml", catalog())
    assert isinstance(found, Rejected)
    assert str(found.problems[0]).startswith("push.yaml:10:")


def test_equal_values_have_no_difference() -> None:
    value = {"a": [1, {"b": None}], "c": "x"}
    assert list(differences(value, {"c": "x", "a": [1, {"b": None}]})) == []


def in_flight(text: str, before: str = BOTH) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    (_, journey) = planned(text, catalog(before))
    return [(one.follow, one.stay) for one in journey.in_flight]


def test_live_instances_stay_with_their_version_by_default() -> None:
    assert in_flight(BOTH.replace("1h", "2h")) == [((), {"wait": "in_flight is pin"})]


def test_with_follow_the_plan_names_the_nodes_that_follow_and_why_others_cannot() -> None:
    follow = BOTH.replace("entry:", "in_flight: follow\nentry:")
    assert in_flight(follow) == [(("wait",), {})]
    reading = follow.replace("'${user.id}'", "'${entry.properties.mail}'")
    assert in_flight(reading) == [((), {"wait": "entry.properties.mail was not kept"})]
    assert in_flight(follow.replace("  wait:", "  ask:").replace("first", "ask")) == [
        ((), {"wait": "the node is gone"})
    ]
    line = "{type: wait_for_event, event: answer, within: 1h, next: done, on_timeout: mail}"
    delay = "{type: delay, until: user.traits.t, follow: true, on_error: mail, next: done}"
    keyed = follow.replace("event: start", "event: start, key: entry.properties.k")
    assert keyed != follow
    assert in_flight(keyed.replace(line, delay), BOTH.replace(line, delay)) == [(("wait",), {})]
    assert in_flight(keyed) == [((), {"wait": "entry.properties.k was not kept"})]
    other = "{type: delay, for: 1h, next: mail}"
    assert in_flight(follow.replace(line, other)) == [((), {"wait": "the node is of another type"})]


def test_a_change_of_life_is_planned_like_any_other() -> None:
    (one,) = planned("kind: Lifecycle\nname: tour\nstatus: archived\n")
    assert (one.kind, one.change, one.before) == ("Lifecycle", "archived", one.version)
    (same,) = planned("kind: Lifecycle\nname: tour\nstatus: running\n")
    assert same.change == "unchanged"


SPLIT = """\
kind: Journey
name: tour
entry: {event: start}
nodes:
  split:
    type: experiment
    variants: {a: {weight: 50, next: one}, b: {weight: 50}}
  two: {type: exit, reason: two}
  one: {type: exit, reason: one}
"""


def notes(text: str, before: str = SPLIT) -> list[str]:
    return [note for one in planned(text, catalog(before)) for note in one.notes]


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("{weight: 50, next", "{weight: 75, next",
         "10 % of users get another variant when they next reach it: the shares have changed; "
         "the old shares (a 50, b 50) keep them"),
        ("b: {weight: 50}", "b: {weight: 50}, c: {weight: 50}",
         "33.3 % of users get another variant when they next reach it: the shares have changed; "
         "the old shares (a 50, b 50) keep them"),
        ("b: {weight", "c: {weight",
         "66.7 % of users get another variant when they next reach it: the variants' names have "
         "changed; the old variants (a 50, b 50) keep them"),
        ("variants:", "salt: x\n    variants:",
         "50 % of users get another variant when they next reach it: the salt has changed; "
         "`salt: tour/split` keeps them"),
        ("variants:", "by: event.properties.company\n    variants:",
         "50 % of users get another variant when they next reach it: `by` has changed; "
         "no `by` keeps them"),
        ("variants:", "winner: a\n    variants:",
         "50 % of users get another variant when they next reach it: the winner has changed; "
         "no winner keeps them"),
        ("50}}", "50.001}}",
         "less than 0.1 % of users get another variant when they next reach it: the shares have "
         "changed; the old shares (a 50, b 50) keep them"),
    ],
)  # fmt: skip
def test_a_plan_says_how_many_users_an_experiment_moves(old: str, new: str, note: str) -> None:
    assert notes(SPLIT.replace(old, new)) == [f"experiment split: {note}"]


def test_a_renamed_experiment_has_another_salt() -> None:
    assert notes(SPLIT.replace("split:", "deal:")) == [
        "experiment deal: 50 % of users get another variant when they next reach it: the salt has "
        "changed; `salt: tour/split` keeps them"
    ]
    assert (
        notes(SPLIT.replace("  split:", "  deal:").replace("var", "salt: tour/split\n    var", 1))
        == []
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("50", "1"),
        ("reason: two", "reason: other"),
        ("variants:", "salt: tour/split\n    variants:"),
    ],
)
def test_an_edit_that_moves_no_user_has_no_note(old: str, new: str) -> None:
    assert notes(SPLIT.replace(old, new)) == []


@given(st.data())
def test_the_share_that_moves_is_that_of_a_count(data: st.DataObject) -> None:
    weights = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1, 2, 5, 30]), min_size=1)
    old, new = data.draw(weights), data.draw(weights)
    salts = data.draw(st.sampled_from([("s", "s"), ("s", "t")]))
    users = [f"u{number}" for number in range(2_000)]
    moved = sum(choose(salts[0], user, old) != choose(salts[1], user, new) for user in users)
    share = share_moved(Assignment(salts[0], None, old), Assignment(salts[1], None, new))
    assert moved / len(users) == pytest.approx(share, abs=0.06)


def test_what_a_lifecycle_document_paused_stays_paused() -> None:
    paused = BOTH + "---\nkind: Lifecycle\nname: tour\nstatus: paused\n"
    note = "it stays paused: the document says running, but a Lifecycle document has paused it"
    assert notes(BOTH, paused) == [note]
    assert notes(BOTH.replace("1h", "2h"), paused) == [note]
    archived = paused.replace("paused", "archived")
    assert notes(BOTH, archived) == [note.replace("paused", "archived")]
    assert notes(BOTH, paused.replace("paused", "running")) == []
    resumed = paused.replace("name: tour\nentry", "name: tour\nstatus: paused\nentry").replace(
        "Lifecycle\nname: tour\nstatus: paused", "Lifecycle\nname: tour\nstatus: running"
    )
    assert notes(resumed.partition("---\nkind: Lifecycle")[0], resumed) == [
        "it stays running: the document says paused, but a Lifecycle document has resumed it"
    ]
