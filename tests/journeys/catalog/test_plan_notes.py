"""What a plan says about experiments is what happens when 2,000 users are assigned before and after
the edit: there is a note if, and only if, somebody moves; and what it says keeps them does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.catalog.diff import plan
from journeys.catalog.running import RunningCatalog
from journeys.expressions.expression import compile_cel
from journeys.expressions.normal_form import normal_form
from journeys.simulation.backtest import Backtest

USERS = 2_000
EVENTS = [
    json.dumps(
        {
            "event": "start",
            "userId": f"u{number}",
            "messageId": f"m{number}",
            "timestamp": "2026-03-02T09:00:00Z",
            "properties": {"c": f"c{number}", "d": f"d{number}"},
        }
    ).encode()
    for number in range(USERS)
]


@dataclass(frozen=True)
class Split:
    """A journey with an experiment, by what an author can edit."""

    by: str | None = None
    let: tuple[tuple[str, str], ...] = ()
    salt: str | None = None
    variants: tuple[tuple[str, int], ...] = (("a", 50), ("b", 50))
    winner: str | None = None
    key: str | None = None
    journey: str = "tour"
    node: str = "split"

    def text(self) -> str:
        node = {
            "type": "experiment",
            "variants": {name: {"weight": weight} for name, weight in self.variants},
            "by": self.by,
            "salt": self.salt,
            "winner": self.winner,
        }
        document = {
            "kind": "Journey",
            "name": self.journey,
            "let": dict(self.let),
            "entry": {"event": "start"} | ({} if self.key is None else {"key": self.key}),
            "nodes": {self.node: {name: value for name, value in node.items() if value}},
        }
        return json.dumps(document)


def accepted(text: str, before: Catalog | None = None) -> Catalog:
    found = Catalog(KINDS) if before is None else before
    verdict = check_push(text, "push.yaml", found)
    assert isinstance(verdict, Accepted), verdict
    for key, value in verdict.entries:
        found = found.with_entry(key, value)
    return found


def notes(before: str, after: str) -> list[str]:
    changes = plan(after, "push.yaml", accepted(before))
    assert isinstance(changes, list), changes
    return [note for one in changes for note in one.notes]


@lru_cache(maxsize=64)
def assigned(text: str) -> dict[str, str]:
    """The variant of each of the users."""
    backtest = Backtest(RunningCatalog(accepted(text)), "events")
    return {
        str(one.user_id): (one.detail or {})["variant"]
        for effects in backtest.run(EVENTS)
        for one in effects.outcomes
        if one.type == "experiment.assigned"
    }


def moved(before: str, after: str) -> int:
    was, now = assigned(before), assigned(after)
    assert len(was) == len(now) == USERS
    return sum(was[user] != now[user] for user in was)


def check(before: Split, after: Split) -> None:
    """The note, if there is one, is true."""
    found = notes(before.text(), after.text())
    count = moved(before.text(), after.text())
    assert (len(found) == 1) == (count > 0), (found, count)
    if not found:
        return
    note = found[0]
    percent = float(re.search(r": ([\d.]+) % of (users|the values of `by`) get", note)[1])  # type: ignore[index]
    assert count / USERS == pytest.approx(percent / 100, abs=0.06)
    _, _, kept = note.partition(" changed; ")
    kept = kept.replace("no `by`", "`by:").replace("the old `key`", "`by:")
    words = {"winner": "winner", "salt": "`salt:", "by": "`by:", "variants": "the old "}
    parts = [part for part, word in words.items() if word in kept]
    for few in range(len(parts) + 1):
        for some in combinations(parts, few):
            undone = restored(before, after, some)
            if undone is not None:
                still = moved(before.text(), undone.text())
                assert (still == 0) == (len(some) == len(parts)), (note, some, still)


def restored(before: Split, after: Split, parts: tuple[str, ...]) -> Split | None:
    """The edit with the old parts; None if it is no valid journey."""
    undone = after
    for part in parts:
        if part == "by":
            undone = replace(undone, by=before.by, let=before.let, key=before.key)
        elif part == "salt":
            undone = replace(undone, salt=before.salt or f"{before.journey}/{before.node}")
        else:
            undone = replace(undone, **{part: getattr(before, part)})
    known = dict(undone.variants)
    return None if undone.winner is not None and undone.winner not in known else undone


BYS = [
    (None, ()),
    ("user.id", ()),
    (" user . id ", ()),
    ("let.me", (("me", "user.id"),)),
    ("event.properties.c", ()),
    ('event.properties["c"]', ()),
    ("(event  .properties.c) // the company", ()),
    ("let.group", (("group", "event.properties.c"),)),
    ("let.group", (("group", "event.properties.d"),)),
    ("let.company", (("company", "event.properties.c"),)),
    ("let.group", (("own", "event.properties.d"), ("group", "let.own"))),
]
"""`by` and its lets, with values of which the first four are equal, and of the others those with
the same property."""

splits = st.builds(
    lambda by, salt, variants, winner, node: Split(
        by=by[0],
        let=by[1],
        salt=salt,
        variants=variants,
        winner=winner if winner in dict(variants) else None,
        node=node,
    ),
    st.sampled_from(BYS),
    st.sampled_from([None, None, "tour/split", "s"]),
    st.sampled_from(
        [
            (("a", 50), ("b", 50)),
            (("a", 1), ("b", 1)),
            (("a", 1), ("b", 3)),
            (("a", 1), ("b", 1), ("c", 1)),
            (("a", 1), ("c", 1)),
            (("a", 1), ("b", 0)),
        ]
    ),
    st.sampled_from([None, None, None, "a", "b"]),
    st.sampled_from(["split", "split", "deal"]),
)


@given(splits, splits)
@settings(max_examples=40, deadline=None)
def test_a_note_is_there_if_somebody_moves_and_names_what_keeps_them(
    before: Split, after: Split
) -> None:
    check(before, after)


C = Split(by="let.g", let=(("g", "event.properties.c"),))
D = Split(by="let.g", let=(("g", "event.properties.d"),))
KEYED = Split(by="journey.key", key="event.properties.c")
MORE = (("a", 50), ("b", 150))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (C, D, "what `by` reads has changed; `by: event.properties.c` keeps them"),
        (C, Split(by="event.properties.c"), None),
        (C, Split(by="let.k", let=(("k", 'event.properties["c"]'),)), None),
        (Split(), Split(by="user.id"), None),
        (Split(by="user.id"), Split(by="let.g", let=(("g", "user.id"),)), None),
        (
            Split(),
            Split(salt="x", variants=MORE),
            "the salt and the shares have changed; `salt: tour/split` and the old shares (a 50, "
            "b 50) keep them",
        ),
        (
            C,
            replace(D, salt="x"),
            "the salt and what `by` reads have changed; `salt: tour/split` and "
            "`by: event.properties.c` keep them",
        ),
        (
            Split(),
            Split(winner="b", salt="x"),
            "the winner and the salt have changed; no winner and `salt: tour/split` keep them",
        ),
        (
            Split(winner="a"),
            Split(salt="x", variants=MORE),
            "the winner has changed; `winner: a` keeps them",
        ),
        (
            Split(),
            Split(node="deal", variants=MORE),
            "the salt and the shares have changed; `salt: tour/split` and the old shares (a 50, "
            "b 50) keep them",
        ),
        (
            KEYED,
            replace(KEYED, key="event.properties.d"),
            "what `by` reads has changed; the old `key` of the entry keeps them",
        ),
        (KEYED, replace(KEYED, key='event.properties["c"]'), None),
        (Split(winner="a"), Split(winner="a", salt="x", variants=MORE), None),
    ],
)
def test_the_causes_of_an_edit_are_all_named(before: Split, after: Split, why: str | None) -> None:
    found = notes(before.text(), after.text())
    if why is None:
        assert found == []
    else:
        assert [note.partition("next reach it: ")[2] for note in found] == [why]
    check(before, after)


@pytest.mark.parametrize(
    ("by", "kept"),
    [
        ("journey.version", "the old version keeps"),
        (
            "journey.key + journey.version",
            "the old `key` of the entry along with the old version keeps",
        ),
    ],
)
def test_only_the_facts_that_by_reads_are_named(by: str, kept: str) -> None:
    before = replace(KEYED, by=by)
    (note,) = notes(before.text(), replace(before, key="event.properties.d").text())
    assert note.endswith(f"what `by` reads has changed; {kept} them")


def test_an_experiment_in_the_place_of_another_one_has_no_note() -> None:
    other = Split(node="deal", variants=(("red", 1), ("blue", 1)))
    assert notes(Split().text(), other.text()) == []


def test_of_several_experiments_each_one_is_found_again() -> None:
    def two(first: str, second: str) -> str:
        return (
            "kind: Journey\nname: tour\nentry: {event: start}\nnodes:\n"
            f"  {first}: {{type: experiment, variants: {{a: {{weight: 1}}, b: {{weight: 1}}}}}}\n"
            f"  {second}: {{type: experiment, variants: {{a: {{weight: 1}}, c: {{weight: 2}}}}}}\n"
        )

    assert [note.partition(";")[2] for note in notes(two("x", "y"), two("x", "z"))] == [
        " `salt: tour/y` keeps them"
    ]
    assert [note.partition(";")[2] for note in notes(two("x", "y"), two("v", "z"))] == [
        " `salt: tour/x` keeps them",
        " `salt: tour/y` keeps them",
    ]


def test_a_journey_with_another_name_assigns_anew() -> None:
    old, new = Split(), Split(journey="trip")
    archived = "kind: Lifecycle\nname: tour\nstatus: archived\n"
    expected = [
        "experiment split: 50 % of users get another variant when they next reach it: the salt has "
        "changed; `salt: tour/split` keeps them"
    ]
    assert notes(old.text(), f"{new.text()}\n---\n{archived}") == expected
    assert moved(old.text(), new.text()) > 0
    kept = replace(new, salt="tour/split").text()
    assert notes(old.text(), f"{kept}\n---\n{archived}") == []
    assert moved(old.text(), kept) == 0
    assert notes(old.text(), new.text()) == []  # it runs beside the old one


def test_an_edit_of_a_draft_moves_nobody() -> None:
    draft = Split().text().replace('"kind"', '"status": "draft", "kind"')
    assert notes(draft, Split(salt="x").text()) == []


def form(text: str) -> Any:
    """The normal form of an expression in which `event` stands for its properties."""
    expression = compile_cel(re.sub(r"\bevent\b", "event.properties", text))
    return normal_form(expression.text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("event.b", " event [ 'b' ] // c"),
        ("event.x == 1 ? 'a' : \"b\"", "(event['x'] == 1) ? ('a') : 'b'"),
        ("event.l.exists(x, x == 1)", "event.l.exists(one, one == 1)"),
        ("event.l.map(x, event.l.map(y, x + y))", "event.l.map(y, event.l.map(x, y + x))"),
        ("has(event.a.c)", "has( event['a'].c )"),
    ],
)
def test_expressions_are_equal_however_they_are_written(one: str, other: str) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("event.a", "event.b"),
        ("event.a", "event.a.a"),
        ("1", "1.0"),
        ("1", "'1'"),
        ("0", "false"),
        ("0", "0u"),
        ("b'a'", "'a'"),
        ("event.l.map(x, event.l.map(y, x))", "event.l.map(x, event.l.map(y, y))"),
        (
            "event.l.all(x, event.l.all(x, event.l.all(y, x == y)))",
            "event.l.all(x, event.l.all(x, event.l.all(y, y == y)))",
        ),
        ("event.l.exists(x, x == 1)", "event.l.all(x, x == 1)"),
        ("has(event.a.b)", "event.a.b"),
        ("event.l.map(x, event.x)", "event.l.map(x, x)"),
        ("[1, 2]", "[2, 1]"),
        ("{'a': 1}", "{'b': 1}"),
        ("event.a[0]", "event.a['0']"),
    ],
)
def test_expressions_with_other_values_have_other_forms(one: str, other: str) -> None:
    assert form(one) != form(other)


STATUSES = ("running", "paused", "archived")
LET = Split(let=(("g", "event.properties.c"),), by="let.g")


def with_status(split: Split, status: str) -> str:
    return split.text().replace('"kind"', f'"status": "{status}", "kind"')


def lifecycle(status: str) -> str:
    return f"kind: Lifecycle\nname: tour\nstatus: {status}\n"


@pytest.mark.parametrize("first", STATUSES)
@pytest.mark.parametrize("then", STATUSES)
@pytest.mark.parametrize("pushed", STATUSES)
@pytest.mark.parametrize("beside", [None, *STATUSES])
@pytest.mark.parametrize("edit", [LET, replace(LET, let=(("g", "event.properties.d"),))])
def test_what_a_lifecycle_document_has_set_stays_so(
    first: str, then: str, pushed: str, beside: str | None, edit: Split
) -> None:
    """A note is there if the status stays another than the one that is pushed.

    Args:
        first: the status in the journey's document before.
        then: that of a Lifecycle document after it.
        pushed: that of the journey's document which is planned.
        beside: that of a Lifecycle document in the same push.
    """
    before = accepted(lifecycle(then), accepted(with_status(LET, first)))
    text = with_status(edit, pushed)
    if beside is not None:
        text += f"\n---\n{lifecycle(beside)}"
    changes = plan(text, "push.yaml", before)
    assert isinstance(changes, list), changes
    found = [note for one in changes for note in one.notes if note.startswith("it stays")]
    assert before.journeys["tour"].status == then
    after = accepted(text, before).journeys["tour"].status
    verb = {"running": "resumed", "paused": "paused", "archived": "archived"}[after]
    note = f"it stays {after}: the document says {pushed}, but a Lifecycle document has {verb} it"
    assert found == ([note] if after == then != pushed else [])
    moves = [note for one in changes for note in one.notes if note.startswith("experiment")]
    assert bool(moves) == (edit != LET)


def test_a_status_beside_a_new_journey_has_no_note() -> None:
    changes = plan(f"{LET.text()}\n---\n{lifecycle('paused')}", "push.yaml", Catalog(KINDS))
    assert isinstance(changes, list)
    assert [one.notes for one in changes] == [(), ()]
