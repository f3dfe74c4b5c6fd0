"""What every kind of document keeps, whatever it is. A new kind is finished when it passes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from pydantic import TypeAdapter

from agents.destinations.types import DESTINATION_TYPES
from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, Rejected, check_push
from journeys.catalog.diff import plan
from journeys.checks.check import check, warnings
from journeys.documents.kind import Kind
from journeys.schema.marks import Refers
from journeys.schema.places import walk
from journeys.schema.yaml_source import load
from journeys.views.docstrings import field_texts
from journeys.views.json_schema import schemas

EXAMPLES = {
    f"{kind.name}-{number}": (kind, text)
    for kind in KINDS.values()
    for number, text in enumerate(kind.examples, 1)
} | {
    f"Destination-{one.name}": (
        KINDS["Destination"],
        yaml.safe_dump(
            {"kind": "Destination", "name": "it", "type": one.name, **one.example.fields}
        ).replace("{url}", "https://example.com"),
    )
    for one in DESTINATION_TYPES
}
"""What the file of each kind, and of each type of destination, gives."""

every_kind = pytest.mark.parametrize(("kind", "text"), EXAMPLES.values(), ids=EXAMPLES)


def _pushed(text: str, catalog: Catalog | None = None) -> tuple[Catalog, Accepted]:
    catalog = catalog or Catalog(KINDS)
    verdict = check_push(text, "push.yaml", catalog)
    assert isinstance(verdict, Accepted), verdict
    return catalog.with_entries(verdict.entries), verdict


def _documents(text: str, **changes: Any) -> str:
    """The same documents with other fields in the last one; None takes one out."""
    *others, last = yaml.safe_load_all(text)
    last = {name: value for name, value in {**last, **changes}.items() if value is not None}
    return yaml.safe_dump_all([*others, last], sort_keys=False)


def _last(text: str) -> dict[str, Any]:
    found: dict[str, Any] = [*yaml.safe_load_all(text)][-1]
    return found


def test_every_kind_has_an_example() -> None:
    assert {kind.name for kind, _ in EXAMPLES.values()} == set(KINDS)


@every_kind
def test_an_example_is_of_its_kind_valid_and_without_warnings(kind: Kind, text: str) -> None:
    documents, problems = check([("f", text)], KINDS)
    assert problems == []
    assert warnings(documents) == []
    assert documents[-1].kind == kind.name
    assert isinstance(documents[-1].model, kind.model)


@every_kind
def test_a_kind_refuses_what_it_does_not_know(kind: Kind, text: str) -> None:
    _, problems = check([("f", _documents(text, nmae="x"))], KINDS)
    assert [one.message.split(":")[0] for one in problems] == [
        f"unknown key 'nmae' in {kind.name} '{_last(text)['name']}'"
    ]


@every_kind
def test_a_document_without_a_name_or_twice_is_refused(kind: Kind, text: str) -> None:
    assert "'name' is missing" in str(check([("f", _documents(text, name=None))], KINDS)[1])
    twice = text + "\n---\n" + _last_alone(text)
    (problem,) = check([("f", twice)], KINDS)[1]
    assert f"{kind.name} '{_last(text)['name']}' is defined twice" in problem.message


@every_kind
def test_the_records_alone_give_the_catalog(kind: Kind, text: str) -> None:
    catalog, verdict = _pushed(text)
    assert verdict.documents[-1][:2] == (kind.name, _last(text)["name"])
    assert Catalog(KINDS).with_entries(verdict.entries) == catalog
    for key, _ in verdict.entries:
        catalog = catalog.with_entry(key, None)  # a tombstone takes it out again
    assert not any([catalog.journeys, catalog.versions, catalog.descriptions])
    assert not any(catalog.documents.values())


@every_kind
def test_a_record_of_another_shape_was_written_by_a_newer_program(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match="newer program"):
        Catalog(KINDS).with_entry(f"{kind.name}/a/b/c", b"{}")


@every_kind
def test_the_same_again_changes_nothing(kind: Kind, text: str) -> None:
    catalog, first = _pushed(text)
    after, again = _pushed(_last_alone(text), catalog)
    (verdict,) = again.documents
    assert not verdict.changed
    assert again.entries == []
    assert after is catalog
    assert verdict.version == first.documents[-1].version
    (planned,) = plan(_last_alone(text), "push.yaml", catalog)  # type: ignore[misc]
    assert (planned.change, planned.fields) == ("unchanged", ())


@every_kind
def test_a_version_is_of_what_a_document_does(kind: Kind, text: str) -> None:
    _, first = _pushed(text)
    _, described = _pushed(_documents(text, description="other words"))
    assert described.documents[-1].version == first.documents[-1].version
    reversed_ones = [dict(reversed(one.items())) for one in yaml.safe_load_all(text)]
    turned = yaml.safe_dump_all(reversed_ones, sort_keys=False)
    _, reordered = _pushed(turned)
    assert reordered.documents[-1].version == first.documents[-1].version


@every_kind
def test_a_plan_says_what_is_new(kind: Kind, text: str) -> None:
    changes = plan(text, "push.yaml", Catalog(KINDS))
    assert not isinstance(changes, Rejected)
    assert {one.change for one in changes} == {"created"}
    catalog, _ = _pushed(text)
    written = kind.written(catalog, _last(text)["name"])
    assert written is not None
    assert written.items() <= {**written, **_last(text)}.items() or "nodes" in written


@every_kind
def test_what_a_document_refers_to_is_of_a_kind_and_must_be_there(kind: Kind, text: str) -> None:
    last = _last_alone(text)
    source, _ = load(last, "f")
    assert source is not None
    (root,) = source.documents
    named = [
        (mark.kind, one.node.value)
        for one in walk(kind.model_of(_last(text).get("type")), root)
        for mark in one.marks
        if isinstance(mark, Refers)
    ]
    assert {name for name, _ in named} <= set(KINDS)
    _, problems = check([("f", last)], KINDS)
    assert len(problems) == len(named)
    for (of, name), problem in zip(named, problems, strict=True):
        assert f"'{name}' is not a {of.lower()}" in problem.message


@every_kind
def test_the_schema_for_editors_knows_its_fields(kind: Kind, text: str) -> None:
    made = schemas(KINDS)
    schema = made[kind.name.lower()]()
    parts = [schema, *schema.get("$defs", {}).values()]
    assert any(set(_last(text)) <= part.get("properties", {}).keys() for part in parts)
    assert kind.name in str(made["documents"]())
    TypeAdapter(kind.annotation).validate_python(_last(text), by_alias=True, by_name=False)


@every_kind
def test_every_field_says_below_it_what_it_means(kind: Kind, text: str) -> None:
    model = kind.model_of(_last(text).get("type"))
    assert model.model_fields.keys() <= field_texts(model).keys()


@every_kind
def test_examples_use_all_fields_or_those_of_the_type(kind: Kind, text: str) -> None:
    """So that the other tests are about all of them."""
    model = kind.model_of(_last(text).get("type"))
    needed = {info.alias or name for name, info in model.model_fields.items()}
    if model is not kind.model:  # what all types share is the kind's own
        needed -= {info.alias or name for name, info in kind.model.model_fields.items()}
    optional = {"method", "envelope", "any_of", "event"}
    assert needed - set(_last(text)) <= optional
    assert get_args(kind.model.model_fields["kind"].annotation) == (kind.name,)


def _last_alone(text: str) -> str:
    return yaml.safe_dump(_last(text), sort_keys=False)
