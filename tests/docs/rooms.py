"""The rooms of the code and which imports which, as the table and the drawing of a page.

`python -m tests.docs.rooms` writes both into docs/architecture.md, between its marks.

Law: everything comes from the code: the rooms from its folders, what a room is for from its
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
WRITE = "python -m tests.docs.rooms"
HOUSES = ("agents", "tables", "journeys")

Arrows = dict[str, set[str]]

_OWN_ROOMS = {
    "agents.cli": "agents/cli",
    "agents.compiled": "agents/cli",
    "agents.kinds": "agents/kinds",
}
_PURPOSES = {
    "agents/cli": "The command `journeys`: all commands in one program.",
    "agents/kinds": "The kinds of documents, with the types of destinations that have code.",
    "agents/*": "What every room of the house may name.",
    "tables": "Records by key in RocksDB, their due times, and how both are restored.",
    "journeys/*": "What every room of the house may name.",
}
"""Of the rooms that are no folder below a house; `*` holds a house's single modules."""


def room_of(module: str) -> str | None:
    """The room of a module, such as `journeys.nodes.delay`; None for a house's own docstring."""
    house, *rest = module.split(".")
    if house == "tables":
        return house
    if not rest:
        return None
    if module in _OWN_ROOMS:
        return _OWN_ROOMS[module]
    return f"{house}/{rest[0]}" if (ROOT / house / rest[0]).is_dir() else f"{house}/*"


@cache
def imports() -> Arrows:
    """Every room, and the rooms that its modules import."""
    graph = grimp.build_graph(*HOUSES, cache_dir=None)
    found: Arrows = defaultdict(set)
    for module in sorted(graph.modules):
        room = room_of(module)
        if room is not None:
            named = map(room_of, graph.find_modules_directly_imported_by(module))
            found[room] |= {other for other in named if other not in (None, room)}
    return dict(found)


def below(arrows: Arrows, room: str) -> set[str]:
    """All that a room imports, directly or by way of others; has the room itself on a circle."""
    found: set[str] = set()
    left = set(arrows[room])
    while left:
        other = left.pop()
        if other not in found:
            found.add(other)
            left |= arrows[other]
    return found


def reduced(arrows: Arrows) -> Arrows:
    """The arrows that no others imply. Raises ValueError where imports go round."""
    reached = {room: below(arrows, room) for room in arrows}
    round_about = sorted(room for room in arrows if room in reached[room])
    if round_about:
        raise ValueError(f"these rooms import each other: {', '.join(round_about)}")
    return {
        room: {one for one in others if not any(one in reached[other] for other in others)}
        for room, others in arrows.items()
    }


def levels(arrows: Arrows) -> list[str]:
    """The rooms, house by house, each above all that it imports."""
    height: dict[str, int] = {}

    def measure(room: str) -> int:
        if room not in height:
            height[room] = 1 + max(map(measure, arrows[room]), default=0)
        return height[room]

    return sorted(arrows, key=lambda room: (HOUSES.index(_house(room)), -measure(room), room))


def drawing(arrows: Arrows) -> str:
    """The rooms as boxes in their houses, as Mermaid."""
    kept = reduced(arrows)
    rooms = levels(arrows)
    lines = ["flowchart TD"]
    for house in HOUSES:
        lines.append(f"    subgraph {house}_house[{house}]")
        lines += [
            f'        {_id(room)}["{_label(room)}"]' for room in rooms if _house(room) == house
        ]
        lines.append("    end")
    for room in rooms:
        lines += [f"    {_id(room)} --> {_id(other)}" for other in rooms if other in kept[room]]
    return "\n".join(lines)


def table(arrows: Arrows) -> str:
    """The rooms and what each is for."""
    rows = [f"| `{_place(room)}` | {purpose(room)} |" for room in levels(arrows)]
    return "\n".join(["| room | what it is for |", "|---|---|", *rows])


def purpose(room: str) -> str:
    """One line: the first of the docstring of the room's folder."""
    if room in _PURPOSES:
        names = ", ".join(f"`{name}`" for name in _single(room))
        return f"{_PURPOSES[room]} {names}".strip()
    text = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text("utf-8")))
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
    return fill(page, [("rooms", table(arrows)), ("drawing", picture)])


def _house(room: str) -> str:
    return room.partition("/")[0]


def _id(room: str) -> str:
    return room.replace("/", "_").replace("*", "ground")


def _single(room: str) -> list[str]:
    """The names of the modules of a room that stands for single modules."""
    house = _house(room)
    if not room.endswith("/*"):
        return []
    modules = (path.stem for path in (ROOT / house).glob("*.py"))
    return sorted(one for one in modules if room_of(f"{house}.{one}") == room and one[0] != "_")


def _label(room: str) -> str:
    names = _single(room)
    return ", ".join(names) if names else room.partition("/")[2] or room


def _place(room: str) -> str:
    """Where the room is, as a page names it."""
    if room in _OWN_ROOMS.values():
        return f"{room}.py"
    return f"{room}.py" if room.endswith("*") else f"{room}/"


if __name__ == "__main__":
    before = PAGE.read_text("utf-8")
    after = filled(before)
    PAGE.write_text(after, "utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {'as it was' if after == before else 'written'}")
