"""The packages of the code and which imports which, as the table and the drawing of a page.

`python -m tests.docs.packages` writes both into docs/architecture.md, between its marks.

Law: everything comes from the code: the packages from its folders, what a package is for from its
docstring, the arrows from its imports. An arrow that others imply (a to b and b to c imply a to c)
is left out.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import grimp

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "architecture.md"
WRITE = "python -m tests.docs.packages"
LAYERS = ("agents", "tables", "journeys")

Arrows = dict[str, set[str]]

_OWN_PACKAGES = {
    "agents.cli": "agents/cli",
    "agents.compiled": "agents/cli",
    "agents.kinds": "agents/kinds",
}
_PURPOSES = {
    "agents/cli": "The command `journeys`: all commands in one program.",
    "agents/kinds": "The kinds of documents, with the types of destinations that have code.",
    "agents/*": "What every package of the layer may name.",
    "tables": "Records by key in RocksDB, their due times, and how both are restored.",
    "journeys/*": "What every package of the layer may name.",
}
"""Of the packages that are no folder below a layer; `*` holds a layer's single modules."""


def package_of(module: str) -> str | None:
    """The package of a module, such as `journeys.nodes.delay`; None for a layer's own docstring."""
    layer, *rest = module.split(".")
    if layer == "tables":
        return layer
    if not rest:
        return None
    if module in _OWN_PACKAGES:
        return _OWN_PACKAGES[module]
    return f"{layer}/{rest[0]}" if (ROOT / layer / rest[0]).is_dir() else f"{layer}/*"


@cache
def imports() -> Arrows:
    """Every package, and the packages that its modules import."""
    graph = grimp.build_graph(*LAYERS, cache_dir=None)
    found: Arrows = defaultdict(set)
    for module in sorted(graph.modules):
        package = package_of(module)
        if package is not None:
            named = map(package_of, graph.find_modules_directly_imported_by(module))
            found[package] |= {other for other in named if other not in (None, package)}
    return dict(found)


def below(arrows: Arrows, package: str) -> set[str]:
    """All that a package imports, directly or by way of others; and itself on a circle."""
    found: set[str] = set()
    left = set(arrows[package])
    while left:
        other = left.pop()
        if other not in found:
            found.add(other)
            left |= arrows[other]
    return found


def reduced(arrows: Arrows) -> Arrows:
    """The arrows that no others imply. Raises ValueError where imports go round."""
    reached = {package: below(arrows, package) for package in arrows}
    round_about = sorted(package for package in arrows if package in reached[package])
    if round_about:
        raise ValueError(f"these packages import each other: {', '.join(round_about)}")
    return {
        package: {one for one in others if not any(one in reached[other] for other in others)}
        for package, others in arrows.items()
    }


def levels(arrows: Arrows) -> list[str]:
    """The packages, layer by layer, each above all that it imports."""
    height: dict[str, int] = {}

    def measure(package: str) -> int:
        if package not in height:
            height[package] = 1 + max(map(measure, arrows[package]), default=0)
        return height[package]

    return sorted(
        arrows, key=lambda package: (LAYERS.index(_layer(package)), -measure(package), package)
    )


def drawing(arrows: Arrows) -> str:
    """The packages as boxes in their layers, as Mermaid."""
    kept = reduced(arrows)
    packages = levels(arrows)
    lines = ["flowchart TD"]
    for layer in LAYERS:
        lines.append(f"    subgraph {layer}_layer[{layer}]")
        lines += [
            f'        {_id(package)}["{_label(package)}"]'
            for package in packages
            if _layer(package) == layer
        ]
        lines.append("    end")
    for package in packages:
        lines += [
            f"    {_id(package)} --> {_id(other)}" for other in packages if other in kept[package]
        ]
    return "\n".join(lines)


def table(arrows: Arrows) -> str:
    """The packages and what each is for."""
    rows = [f"| `{_place(package)}` | {purpose(package)} |" for package in levels(arrows)]
    return "\n".join(["| package | what it is for |", "|---|---|", *rows])


def purpose(package: str) -> str:
    """One line: the first of the docstring of the package's folder."""
    if package in _PURPOSES:
        names = ", ".join(f"`{name}`" for name in _single(package))
        return f"{_PURPOSES[package]} {names}".strip()
    text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text("utf-8")))
    return " ".join((text or "").partition("\n\n")[0].split())


def fill(page: str, parts: Iterable[tuple[str, str]]) -> str:
    """The page with each part between its marks, `<!-- NAME -->` and `<!-- end -->`."""
    for name, text in parts:
        place = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
        filled = f"<!-- {name} -->\n\n{text}\n\n<!-- end -->"
        page, count = place.subn(lambda _, filled=filled: filled, page)
        assert count == 1, f"{PAGE.name} has {count} places for {name!r}"
    return page


def filled(page: str) -> str:
    """The page as the code has it now."""
    arrows = imports()
    picture = f"```mermaid\n{drawing(arrows)}\n```"
    return fill(page, [("packages", table(arrows)), ("drawing", picture)])


def _layer(package: str) -> str:
    return package.partition("/")[0]


def _id(package: str) -> str:
    return package.replace("/", "_").replace("*", "ground")


def _single(package: str) -> list[str]:
    """The modules of a package entry that represents single modules."""
    layer = _layer(package)
    if not package.endswith("/*"):
        return []
    modules = (path.stem for path in (ROOT / layer).glob("*.py"))
    return sorted(
        one for one in modules if package_of(f"{layer}.{one}") == package and one[0] != "_"
    )


def _label(package: str) -> str:
    names = _single(package)
    return ", ".join(names) if names else package.partition("/")[2] or package


def _place(package: str) -> str:
    """Where the package is, as a page names it."""
    if package in _OWN_PACKAGES.values():
        return f"{package}.py"
    return f"{package}.py" if package.endswith("*") else f"{package}/"


if __name__ == "__main__":
    before = PAGE.read_text("utf-8")
    after = filled(before)
    PAGE.write_text(after, "utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {'as it was' if after == before else 'written'}")
