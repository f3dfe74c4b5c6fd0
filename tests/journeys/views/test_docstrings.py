"""What a field means is read from the docstring below it."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from agents.kinds import KINDS
from journeys.documents.kind import Document, Kind, Kinds
from journeys.records.action import Action
from journeys.records.outcome import Cause, Outcome
from journeys.schema.fields import Model
from journeys.views.docstrings import field_texts
from journeys.views.json_schema import schemas
from tests.docs.test_fields import MODELS


class Above(Model):
    kind: str
    """What it is."""
    name: str
    """What it is
    called."""


class Below(Above):
    name: str = "it"
    for_: int = Field(default=1, alias="for")
    """How long."""
    silent: str = ""


def test_a_text_is_inherited_until_a_class_has_its_own() -> None:
    texts = {"kind": "What it is.", "name": "What it is called."}
    assert field_texts(Above) == texts
    assert field_texts(Below) == {**texts, "for_": "How long."}


class Silent(Document):
    """A kind whose author forgot a text."""

    kind: Literal["Silent"]
    why: str


def test_a_field_without_a_text_is_an_error_that_names_it() -> None:
    with pytest.raises(LookupError, match=r"test_docstrings\.Silent\.why: expected a docstring"):
        schemas(Kinds([KINDS["Journey"], Kind(Silent)]))["silent"]()


@pytest.mark.parametrize("of", [*MODELS, Action, Outcome, Cause], ids=lambda one: one.__name__)
def test_every_text_is_a_sentence(of: type) -> None:
    assert field_texts(of)
    for field, text in field_texts(of).items():
        assert text[0].isupper() or text[0] == "`", field
        assert text.endswith("."), field
