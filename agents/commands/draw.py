"""`journeys draw`: a journey as a drawing, for Mermaid or Graphviz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from agents.errors import UserError
from agents.terminal.text import echo_lines


def draw(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files with journeys, or folders of them."),
    ],
    format: Annotated[
        Literal["mermaid", "dot"], typer.Option(help="The language of the drawing.")
    ] = "mermaid",
    journey: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Which journey, where the files have several.", show_default=False
        ),
    ] = None,
) -> None:
    """Draw a journey to standard output; the files of its destinations are not needed.

    GitHub and GitLab show Mermaid in Markdown; `dot -Tsvg` makes a picture of dot.
    """
    from agents.kinds import KINDS
    from agents.terminal.documents import documents_of, print_problems
    from agents.terminal.files import read_files
    from journeys.checks.check import check
    from journeys.documents.journey import journeys_among
    from journeys.views.drawing import draw as draw_journey

    read = read_files(files)
    problems = read.problems
    if not problems:
        documents, problems = check(documents_of(read).items(), KINDS, references=False)
    if problems:
        print_problems(problems, read.documents)
        raise typer.Exit(1)
    journeys = {one.name: one for one in journeys_among(one.valid for one in documents)}
    if journey is None and len(journeys) == 1:
        (journey,) = journeys
    if journey not in journeys:
        found = ", ".join(sorted(journeys)) or "none"
        wanted = "the name of a journey" if journey is None else f"a journey, not {journey!r}"
        raise UserError(f"--journey: expected {wanted}; there is {found}")
    echo_lines(draw_journey(journeys[journey], format))
