"""Names that look the same are reported, within a document and across documents."""

from __future__ import annotations

import unicodedata

import pytest

from agents.kinds import KINDS
from journeys.checks.check import check, warnings

ONE = "kind: Journey\nname: {}\nentry: {{event: {}, where: {}}}\nnodes:\n  done: {{type: exit}}\n"


def _warnings(*texts: str) -> list[str]:
    documents, problems = check([(f"{n}.yaml", text) for n, text in enumerate(texts)], KINDS)
    assert not problems, problems
    return [one.message for one in warnings(documents)]


@pytest.mark.parametrize(
    "other",
    [
        unicodedata.normalize("NFD", "café à"),
        "café\u00a0à",
        "café\u2009à",
        "café\u200b à",
        "\ufeffcafé à",
        "ca\u00adfé à",
    ],
)
@pytest.mark.parametrize("where", ["event", "property", "trait"])
def test_a_lookalike_of_another_document_is_reported(other: str, where: str) -> None:
    def document(name: str, word: str) -> str:
        quoted = f'"{word}"'
        event = quoted if where == "event" else "x"
        condition = {
            "event": "event.properties.a == 1",
            "property": f"'event.properties[{quoted}] == 1'",
            "trait": f"'user.traits[{quoted}] == 1'",
        }[where]
        return ONE.format(name, event, condition)

    found = _warnings(document("a", "café à"), document("b", other))
    assert len(found) == 1
    assert found[0].startswith(f"the {where} '")
    assert "looks like 'caf\\xe9 \\xe0' in 0.yaml:" in found[0]
    assert not _warnings(document("a", "café à"), document("b", "café à"))
    assert not _warnings(document("a", "café à"), document("b", "cafe a"))


def test_a_lookalike_within_a_document_is_reported_once() -> None:
    written = unicodedata.normalize("NFD", "é")
    condition = f'\'event.properties["é"] == event.properties["{written}"]\''
    found = _warnings(ONE.format("a", "x", condition))
    assert found == [
        "the property 'e\\u0301' is written '\\xe9' on line 3: is a different one meant?"
    ]


def test_an_escaped_opening_is_pointed_out() -> None:
    text = ONE.format("a", "x", "'event.properties.a == 1'").replace(
        "  done:", "  u: {type: update_profile, traits: {t: 'costs $${price}'}}\n  done:"
    )
    (found,) = _warnings(text)
    assert "'$${' is sent as '${'" in found


def test_the_trait_whose_change_is_awaited_is_a_name_like_those_in_expressions() -> None:
    text = (
        "kind: Journey\nname: tour\n"
        "entry: {changes: Plan, where: before.plan == 1 && user.traits.plan == 2, reentry: once}\n"
        "nodes:\n  e: {type: exit}\n"
    )
    assert (
        _warnings(text)
        == ["the trait 'plan' is written 'Plan' on line 3: is a different one meant?"] * 2
    )
