"""Draws a journey as a Mermaid or Graphviz diagram.

Law: everything is derived from the nodes' fields and targets; there is no code for a single node
type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from journeys.documents.journey import Journey
from journeys.documents.ways import parts
from journeys.nodes.base import NodeModel
from journeys.problems import printable
from journeys.schema.fields import as_written
from journeys.schema.marks import Path

Format = Literal["mermaid", "dot"]
Shape = Literal["step", "wait", "end"]

_MOST = 60
"""Longest value in a label, characters."""

_APART = frozenset({"type", "next", "set"})

_BETWEEN = {"any_of": " or ", "between": " and "}
"""What stands between the values of a list; a blank elsewhere."""


class Box(NamedTuple):
    """A box of the drawing; `lines` are the lines of its label."""

    id: str
    lines: list[str]
    shape: Shape


class Arrow(NamedTuple):
    """An arrow between two boxes; `label` says when it is taken."""

    source: str
    target: str
    label: str


class Drawing(NamedTuple):
    """A drawing; boxes and arrows are in the order of the document."""

    title: str
    boxes: list[Box]
    arrows: list[Arrow]


def draw(journey: Journey, format: Format) -> str:
    """The diagram's source text."""
    return _FORMATS[format](drawing_of(journey))


def drawing_of(journey: Journey) -> Drawing:
    """The boxes and arrows of a journey.

    The ids of boxes are the names of nodes, and `:entry` and `:end`. The goal and the exit rules
    apply at every node, so they have boxes, `:goal` and `:exit`, but no arrows.
    """
    boxes = [Box(":entry", _entry(journey), "end")]
    if journey.goal is not None:
        goal = as_written(journey.goal)
        boxes.append(Box(":goal", ["goal", *_fields(journey.goal, goal)], "end"))
    if journey.exit:
        boxes.append(Box(":exit", ["exit", *map(_words, map(as_written, journey.exit))], "end"))
    arrows = [Arrow(":entry", journey.first, "")]
    for name, node in journey.nodes.items():
        ways = list(_ways(node, journey.below(name)))
        shape: Shape = (
            "wait" if node.blocking or node.forks is not None else "step" if ways else "end"
        )
        boxes.append(Box(name, _lines(name, node), shape))
        arrows += [Arrow(name, target or ":end", label) for target, label in ways]
    if any(arrow.target == ":end" for arrow in arrows):
        boxes.append(Box(":end", ["end"], "end"))
    return Drawing(journey.name, boxes, arrows)


def _entry(journey: Journey) -> list[str]:
    entry = journey.entry
    events = [_signal(as_written(one)) for one in entry.events]
    fields = _fields(entry, as_written(entry), but=frozenset({"event", "changes"}))
    return ["entry", *events, *fields]


def _signal(written: Mapping[str, Any]) -> str:
    bare = "changes" if "changes" in written else "event"
    return f"{bare}: {_words(written, bare=bare)}"


def _lines(name: str, node: NodeModel) -> list[str]:
    written = as_written(node)
    leads = {str(target.path[0]) for target in node.targets() if len(target.path) == 1}
    fields = _fields(node, written, but=_APART | leads)
    return [name, str(written["type"]), *_listened(node, written), *fields]


def _listened(node: NodeModel, written: Mapping[str, Any]) -> Iterator[str]:
    """A line for each event or change that has no arrow, because it moves no instance."""
    leading = {path for path, _ in parts(node)}
    for index, one in enumerate(written.get("any_of") or ()):
        if ("any_of", index) not in leading:
            yield _signal(one)


def _fields(
    part: BaseModel, written: Mapping[str, Any], but: frozenset[str] = frozenset()
) -> list[str]:
    """A line for each field that is a single value or a small nested model."""
    shown = []
    for name, value in written.items():
        if name in but:
            continue
        if isinstance(value, str | int | float):
            shown.append(f"{name}: {_cut(value)}")
        elif isinstance(getattr(part, name, None), BaseModel):
            shown.append(f"{name}: {_words(value)}")
    return shown


def _ways(node: NodeModel, below: str | None) -> Iterator[tuple[str | None, str]]:
    """The nodes that can follow a node (None: the end), each with the label of its arrow."""
    below = below if below is not None and node.leads_down(below) else None
    own = getattr(node, "next", None) or below
    other = [target for target in node.targets() if target.path != ("next",)]
    for target in other:
        yield target.node, _label(node, target.path)
    if not node.falls_through:
        return
    goes = dict(parts(node))
    falling = [path for path, leads in goes.items() if not leads]
    for path in falling:
        yield own, _label(node, (*path, "next"))
    # If every branch and the default name their next node, there is no other arrow.
    if not goes or not (falling or any(len(target.path) == 1 for target in other)):
        yield own, node.way_on


def _label(node: NodeModel, path: Path) -> str:
    """An arrow's label: `otherwise`, `when event.properties.total > 50`, `email, weight 50`."""
    if len(path) == 1:
        return str(path[0])
    part: Any = as_written(node)
    for step in path[:-1]:
        part = part[step]
    if len(path) == 2:  # a map of names to nodes, such as cases
        return _cut(path[1])
    names = [str(step) for step in path[1:-1] if isinstance(step, str)]
    return ", ".join([*names, _words(part)])


def _words(part: Mapping[str, Any], bare: str | None = None) -> str:
    """Fields as text: `event answer, where event.properties.n > 1`; of `bare` only the value."""
    return ", ".join(
        _cut(part[name]) if name == bare else f"{name} {_cut(part[name], name)}"
        for name in part
        if name not in _APART
    )


def _cut(value: Any, name: str = "") -> str:
    if isinstance(value, list):
        value = _BETWEEN.get(name, " ").join(map(str, value))
    elif isinstance(value, bool):
        value = "true" if value else "false"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


# Mermaid. Names such as `end` are its keywords, so boxes are numbered.

_MERMAID: dict[Shape, tuple[str, str]] = {
    "step": ("[", "]"),
    "wait": ("{{", "}}"),
    "end": ("([", "])"),
}


def _mermaid(drawing: Drawing) -> str:
    ids = {box.id: f"n{number}" for number, box in enumerate(drawing.boxes)}
    lines = ["---", f"title: {drawing.title}", "---", "flowchart TD"]
    for box in drawing.boxes:
        left, right = _MERMAID[box.shape]
        label = "<br/>".join(_mermaid_text(line) for line in box.lines)
        lines.append(f'  {ids[box.id]}{left}"{label}"{right}')
    for arrow in drawing.arrows:
        label = f'|"{_mermaid_text(arrow.label)}"|' if arrow.label else ""
        lines.append(f"  {ids[arrow.source]} -->{label} {ids[arrow.target]}")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    # Mermaid looks for a directive, `%%{init: ...}%%`, in all of the text, labels included.
    return "".join(f"#{ord(char)};" if char in '"#<>&;`%\\' else char for char in printable(text))


# Graphviz.

_DOT: dict[Shape, str] = {"step": "box", "wait": "hexagon", "end": "oval"}


def _dot(drawing: Drawing) -> str:
    lines = [
        f"digraph {_dot_text(drawing.title)} {{",
        "  node [fontname=sans]; edge [fontname=sans];",
    ]
    for box in drawing.boxes:
        label = _dot_text("\n".join(box.lines))
        lines.append(f"  {_dot_text(box.id)} [shape={_DOT[box.shape]}, label={label}];")
    for arrow in drawing.arrows:
        label = f" [label={_dot_text(arrow.label)}]" if arrow.label else ""
        lines.append(f"  {_dot_text(arrow.source)} -> {_dot_text(arrow.target)}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    text = "\n".join(map(printable, text.split("\n")))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


_FORMATS: dict[Format, Callable[[Drawing], str]] = {"mermaid": _mermaid, "dot": _dot}
