"""A push is accepted as a whole or changes nothing, and the catalog's records rebuild it."""

from __future__ import annotations

import json

import pytest
import yaml

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, Rejected, check_push

JOURNEY = """\
kind: Journey
name: tour
entry: {event: start}
nodes:
  wait: {type: delay, for: 1h}
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
  done: {type: exit}
"""
MAILER = "kind: Destination\nname: mailer\ntype: http\nurl: https://mail.example.com/\n"
BOTH = JOURNEY + "---\n" + MAILER


def pushed(catalog: Catalog, text: str) -> tuple[Catalog, Accepted]:
    verdict = check_push(text, "push.yaml", catalog)
    assert isinstance(verdict, Accepted), verdict
    for key, value in verdict.entries:
        catalog = catalog.with_entry(key, value)
    return catalog, verdict


def refused(catalog: Catalog, text: str) -> list[str]:
    verdict = check_push(text, "push.yaml", catalog)
    assert isinstance(verdict, Rejected), verdict
    return [str(problem) for problem in verdict.problems]


def version(text: str) -> str:
    raw = yaml.safe_load(text)
    kind = KINDS[raw["kind"]]
    return kind.version_of(kind.decode(raw))


def test_an_accepted_push_is_active_and_its_version_stays_for_ever() -> None:
    catalog, first = pushed(Catalog(KINDS), BOTH)
    old = first.documents[0].version
    assert [tuple(one) for one in first.documents] == [
        ("Journey", "tour", old, "running", True, "tour"),
        ("Destination", "mailer", first.documents[1].version, "running", True, None),
    ]
    assert [key for key, _ in first.entries] == [
        f"Journey/tour/{old}",
        "Journey/tour",
        "Destination/mailer",
    ]
    catalog, second = pushed(catalog, JOURNEY.replace("1h", "2h"))
    new = second.documents[0].version
    assert catalog.active() == [("tour", new, "running")]
    assert catalog.get("tour", old).nodes["wait"].for_ == 3_600_000  # type: ignore[union-attr]
    assert catalog.get("tour", new).nodes["wait"].for_ == 7_200_000  # type: ignore[union-attr]


def test_an_unchanged_document_is_accepted_as_unchanged() -> None:
    catalog, _ = pushed(Catalog(KINDS), BOTH)
    for text in (BOTH, "# again\n" + BOTH.replace("1h", "60m")):
        _, again = pushed(catalog, text)
        assert not any(one.changed for one in again.documents)
        assert again.entries == []


def test_going_back_to_an_old_version_writes_only_which_version_is_active() -> None:
    catalog, first = pushed(Catalog(KINDS), BOTH)
    catalog, _ = pushed(catalog, JOURNEY.replace("1h", "2h"))
    catalog, back = pushed(catalog, JOURNEY)
    assert [key for key, _ in back.entries] == ["Journey/tour"]
    assert catalog.active() == [("tour", first.documents[0].version, "running")]


def test_an_invalid_push_changes_nothing_not_even_its_good_documents() -> None:
    assert refused(Catalog(KINDS), MAILER + "---\n" + JOURNEY.replace("mailer", "mailr")) == [
        "push.yaml:11:42: 'destination' in node 'mail' (destination): "
        "'mailr' is not a destination: did you mean 'mailer'?"
    ]


def test_references_resolve_in_the_push_first_then_in_the_active_documents() -> None:
    assert "'mailer' is not a destination" in refused(Catalog(KINDS), JOURNEY)[0]
    catalog, _ = pushed(Catalog(KINDS), MAILER)
    pushed(catalog, JOURNEY)
    archived = MAILER + "status: archived\n"
    assert refused(catalog, JOURNEY + "---\n" + archived) == [
        "push.yaml:6:42: 'destination' in node 'mail' (destination): "
        "the destination 'mailer' is archived"
    ]


def test_a_destination_that_a_journey_can_still_use_is_not_archived() -> None:
    catalog, first = pushed(Catalog(KINDS), BOTH)
    old = first.documents[0].version
    archived = MAILER + "status: archived\n"
    told = [
        "push.yaml:5:9: 'status' in Destination 'mailer': found 'archived', but the journey "
        f"'tour' (version {old}) can still send to it: archive that first"
    ]
    assert refused(catalog, archived) == told
    # Instances of the version before may still be on their way.
    without = JOURNEY.replace(
        "destination, destination: mailer, payload: {to: '${user.id}'}", "delay, for: 1h"
    )
    catalog, _ = pushed(catalog, without)
    assert refused(catalog, archived) == told
    catalog, _ = pushed(catalog, without + "status: archived\n---\n" + archived)
    assert catalog.destinations["mailer"].status == "archived"
    assert catalog.active()[0][2] == "archived"


def test_a_journey_is_not_made_a_draft_again() -> None:
    catalog, _ = pushed(Catalog(KINDS), BOTH.replace("name: tour", "name: tour\nstatus: draft"))
    catalog, _ = pushed(catalog, BOTH)
    assert refused(catalog, JOURNEY + "status: draft\n") == [
        "push.yaml:8:9: 'status' in Journey 'tour': found 'draft', but it is running already: "
        "expected 'running', 'paused' or 'archived'"
    ]


@pytest.mark.parametrize("change", ["status: paused\n", "description: told\n"])
def test_status_and_description_change_the_active_document_but_no_version(change: str) -> None:
    catalog, first = pushed(Catalog(KINDS), BOTH)
    _, second = pushed(catalog, JOURNEY + change)
    (one,) = second.documents
    assert one.changed
    assert one.version == first.documents[0].version
    assert [key for key, _ in second.entries] == ["Journey/tour"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("for: 1h", "for: PT60M"),
        ("{type: delay, for: 1h}", "{for: 1h, type: delay}"),
        ("{type: delay, for: 1h}", "{type: delay, for: 1h, next: mail}"),
        ("{type: exit}", "{type: exit, reason: exit}"),
        ("{event: start}", "{event: start, reentry: every_time}"),
        ("name: tour\n", "name: tour\ndescription: x\nstatus: paused\n"),
    ],
)
def test_a_version_is_what_a_journey_does(old: str, new: str) -> None:
    assert old in JOURNEY
    assert version(JOURNEY.replace(old, new)) == version(JOURNEY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1h", "61m"),
        ("name: tour", "name: tours"),
        ("${user.id}", "${user.id} "),
        ("{event: start}", "{event: start, reentry: once}"),
        ("{type: delay, for: 1h}", "{type: delay, for: 1h, next: done}"),
    ],
)
def test_what_changes_a_journey_changes_its_version(old: str, new: str) -> None:
    assert old in JOURNEY
    assert version(JOURNEY.replace(old, new)) != version(JOURNEY)


def test_the_order_of_nodes_counts_as_far_as_it_is_their_way() -> None:
    one = "  a: {type: delay, for: 1h, next: c}\n"
    two = "  b: {type: delay, for: 2h, next: c}\n"
    last = "  c: {type: exit}\n"
    head = JOURNEY.split("  wait")[0]
    assert version(head + one + two + last) == version(head + one + last + two)
    assert version(head + one + two + last) != version(head + two + one + last)


def test_a_destination_s_version_has_defaults_written_out_or_not() -> None:
    written = MAILER + "method: POST\ntimeout: 10s\nretry: {for: 1d, first: 1s, max_delay: 10m}\n"
    assert version(written) == version(MAILER)
    assert version(MAILER + "ordered: true\n") != version(MAILER)


def test_records_alone_rebuild_the_catalog() -> None:
    catalog, first = pushed(Catalog(KINDS), BOTH)
    catalog, second = pushed(catalog, JOURNEY.replace("1h", "2h") + "status: paused\n")
    rebuilt = Catalog(KINDS)
    for key, value in {**dict(first.entries), **dict(second.entries)}.items():
        assert json.loads(value)["kind"] == key.split("/")[0]
        rebuilt = rebuilt.with_entry(key, value)
    assert rebuilt == catalog
    assert rebuilt.with_entry("Journey/tour", None).active() == []
    assert rebuilt.active() == [("tour", second.documents[0].version, "paused")]


def test_a_record_of_a_newer_program_is_an_error_and_not_ignored() -> None:
    with pytest.raises(ValueError, match="newer program"):
        Catalog(KINDS).with_entry("Unknown/x", b"{}")


# Lifecycle.

PAUSE = "kind: Lifecycle\nname: tour\nstatus: paused\n"


def status(catalog: Catalog) -> str:
    return catalog.active()[0][2]


def test_a_lifecycle_change_survives_the_same_file_and_ends_with_another_status() -> None:
    catalog, first = pushed(Catalog(KINDS), BOTH)
    catalog, paused = pushed(catalog, PAUSE)
    assert [tuple(one) for one in paused.documents] == [
        ("Lifecycle", "tour", first.documents[0].version, "paused", True, "tour")
    ]
    for same in (JOURNEY, JOURNEY.replace("1h", "3h"), JOURNEY + "status: running\n"):
        catalog, again = pushed(catalog, same)
        assert (status(catalog), again.documents[0].status) == ("paused", "paused")
    catalog, _ = pushed(catalog, JOURNEY + "status: archived\n")
    assert status(catalog) == "archived"
    catalog, _ = pushed(catalog, JOURNEY)
    assert status(catalog) == "running"


def test_what_is_so_already_changes_nothing() -> None:
    catalog, _ = pushed(Catalog(KINDS), BOTH)
    catalog, _ = pushed(catalog, PAUSE)
    _, again = pushed(catalog, PAUSE)
    assert (again.documents[0].changed, again.entries) == (False, [])


def test_a_journey_and_its_life_may_be_pushed_together_in_any_order() -> None:
    for text in (PAUSE + "---\n" + BOTH, BOTH + "---\n" + PAUSE):
        catalog, told = pushed(Catalog(KINDS), text)
        assert status(catalog) == "paused"
        assert len(told.documents) == 3


def test_a_draft_that_was_started_is_not_stopped_by_its_file() -> None:
    draft = JOURNEY + "status: draft\n"
    catalog, _ = pushed(Catalog(KINDS), MAILER + "---\n" + draft)
    catalog, _ = pushed(catalog, PAUSE.replace("paused", "running"))
    catalog, _ = pushed(catalog, draft.replace("1h", "5h"))
    assert status(catalog) == "running"


def test_the_life_of_a_journey_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    catalog, _ = pushed(Catalog(KINDS), BOTH)
    assert refused(catalog, PAUSE.replace("tour", "tuor")) == [
        "push.yaml:2:7: 'name' in Lifecycle 'tuor': 'tuor' is not a journey: did you mean 'tour'?"
    ]
    (problem,) = refused(catalog, PAUSE.replace("paused", "draft"))
    assert "found 'draft', expected 'running', 'paused' or 'archived'" in problem


def test_changes_of_life_have_times_that_only_grow() -> None:
    catalog, _ = pushed(Catalog(KINDS), BOTH)
    for change in ("paused", "running", "archived", "running", "paused", "running"):
        verdict = check_push(PAUSE.replace("paused", change), "push.yaml", catalog, 1_000)
        assert isinstance(verdict, Accepted)
        for key, value in verdict.entries:
            catalog = catalog.with_entry(key, value)
    now = catalog.journeys["tour"]
    assert (now.resumed_at, now.archived_at) == (1_002, (1_001,))


def test_an_archived_destination_waits_for_the_life_of_its_journeys_too() -> None:
    catalog, _ = pushed(Catalog(KINDS), BOTH)
    gone = MAILER + "status: archived\n"
    archive = PAUSE.replace("paused", "archived")
    catalog, _ = pushed(catalog, gone + "---\n" + archive)
    assert (status(catalog), catalog.destinations["mailer"].status) == ("archived", "archived")
