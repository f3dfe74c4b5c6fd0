"""The page of the architecture is true: its packages, its arrows, the functions that it names."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.packages import PAGE, WRITE, below, drawing, filled, imports, reduced
from tests.docs.pages import ROOT

TEXT = PAGE.read_text("utf-8")
WAY = TEXT.partition("## The path of an event")[2].partition("\n## ")[0]
STEPS = re.findall(r"^\d+\. (.*?)(?=\n\d+\. |\n\n)", WAY, re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w.]+)`\s+in\s+`([\w/]+\.py)`")


def test_the_rooms_and_the_drawing_are_those_of_the_imports() -> None:
    assert filled(TEXT) == TEXT, f"`{WRITE}` writes the page as the code is now"


def test_an_arrow_is_left_out_only_where_others_imply_it() -> None:
    arrows = {"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert reduced(arrows) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}
    kept = reduced(imports())
    assert {package: below(kept, package) for package in kept} == {
        package: below(imports(), package) for package in imports()
    }
    assert len(re.findall("-->", drawing(imports()))) == sum(map(len, kept.values()))


def test_imports_that_go_round_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"import each other: a, b$"):
        reduced({"a": {"b"}, "b": {"a"}, "c": {"a"}})


def test_each_step_of_the_way_of_an_event_names_a_function() -> None:
    assert len(STEPS) == 12
    for step in STEPS:
        assert NAMED.search(step), step


@pytest.mark.parametrize(("name", "file"), sorted(set(NAMED.findall(TEXT))))
def test_what_the_page_names_is_in_its_file(name: str, file: str) -> None:
    tree: ast.AST = ast.parse((ROOT / file).read_text("utf-8"))
    for part in name.split("."):
        found = [node for node in ast.iter_child_nodes(tree) if part in names_of(node)]
        assert found, f"{file} has no {name}"
        tree = found[0]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\w+/)+[\w.]*)`", TEXT))))
def test_a_place_that_the_page_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def names_of(node: ast.AST) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
