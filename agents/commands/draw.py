"""`journeys draw`: a journey as a drawing, for Mermaid or Graphviz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from agents.errors import UserError


def draw(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The documents, as for `apply`.")
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
    """Draw a journey to standard output.

    GitHub and GitLab show Mermaid in Markdown; `dot -Tsvg` makes a picture of dot.
    """
    from agents.kinds import KINDS
    from agents.terminal.documents import print_problems, read_files
    from journeys.catalog.catalog import Rejected, catalog_of
    from journeys.views.drawing import draw as draw_journey

    texts, problems = read_files(files)
    catalog = Rejected(problems) if problems else catalog_of(texts.items(), KINDS)
    if isinstance(catalog, Rejected):
        print_problems(catalog.problems, texts)
        raise typer.Exit(1)
    journeys = {name: one for (name, _), one in catalog.versions.items()}
    if journey is None and len(journeys) == 1:
        (journey,) = journeys
    if journey not in journeys:
        found = ", ".join(sorted(journeys)) or "none"
        wanted = "the name of a journey" if journey is None else f"a journey, not {journey!r}"
        raise UserError(f"--journey: expected {wanted}; there is {found}")
    typer.echo(draw_journey(journeys[journey], format), nl=False)
