"""Files of documents: their catalog, and printing their problems.

Law: if the output is not a terminal, a problem is exactly one line, `file:line:col: message`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agents.errors import UserError
from agents.terminal.files import Files, read_files, read_texts
from agents.terminal.text import echo
from journeys.problems import printable

if TYPE_CHECKING:
    from rich.text import Text

    from journeys.catalog.catalog import Catalog
    from journeys.catalog.running import RunningCatalog
    from journeys.problems import Problem
    from journeys.simulation.canned_responses import Canned


def catalog_of_files(paths: Iterable[Path], *, drafts: bool = False) -> Catalog:
    """The catalog of the documents in the files, together.

    Args:
        drafts: treat drafts as if they were running.

    Raises:
        typer.Exit: with code 1 if a document has problems, which are printed on stderr.
    """
    import typer

    from agents.kinds import KINDS
    from journeys.catalog.catalog import Rejected, catalog_of
    from journeys.simulation.scenario import with_drafts

    files = read_files(paths)
    problems = files.problems
    catalog = Rejected(problems) if problems else catalog_of(documents_of(files).items(), KINDS)
    if isinstance(catalog, Rejected):
        for problem in catalog.problems:
            echo(str(problem), err=True)
        raise typer.Exit(1)
    return with_drafts(catalog) if drafts else catalog


def documents_of(files: Files) -> dict[str, bytes]:
    """The documents among the files. Raises UserError if there are none."""
    others = [*files.tests, *files.responses]
    if others and not files.documents:
        raise UserError(f"no documents among the files: found {others[0]}, which has none")
    return files.documents


def running_catalog(paths: Iterable[Path]) -> RunningCatalog:
    """The same as a catalog that can run. Raises typer.Exit, as above."""
    from journeys.catalog.running import RunningCatalog

    return RunningCatalog(catalog_of_files(paths))


def canned_responses(path: Path | None) -> list[Canned]:
    """The canned responses of a file; none without a file.

    Raises:
        typer.Exit: with code 1 if it has problems, which are printed on stderr.
    """
    import typer

    from journeys.problems import Problem
    from journeys.simulation.canned_responses import read_responses

    if path is None:
        return []
    texts, problems = read_texts([path])
    found = problems or read_responses(texts[str(path)], str(path))
    canned = [one for one in found if not isinstance(one, Problem)]
    for problem in found:
        if isinstance(problem, Problem):
            echo(str(problem), err=True)
    if len(canned) != len(found):
        raise typer.Exit(1)
    return canned


def print_problems(problems: Iterable[Problem], texts: Mapping[str, bytes]) -> None:
    """Prints to stdout: on a terminal with the quoted lines, else one line each."""
    if not sys.stdout.isatty():
        for problem in problems:
            echo(" ".join(str(problem).splitlines()))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for problem in problems:
        console.print(_shown(problem, texts.get(problem.file)), soft_wrap=True)


def _shown(problem: Problem, source: bytes | None) -> Text:
    """The problem, and below it the line with a caret."""
    from rich.cells import cell_len
    from rich.text import Text

    place = f"{problem.file}:{problem.line}:{problem.column}"
    warned = ("warning: ", "bold yellow") if problem.severity == "warning" else ""
    shown = Text.assemble(
        (printable(place), "bold"), ": ", warned, printable(problem.message), "\n"
    )
    lines = [] if source is None else _lines(source)
    line = "".join(lines[problem.line - 1 : problem.line]).replace("\t", " ")
    if not line.strip():
        return shown
    before = cell_len(printable(line[: problem.column - 1]))
    number = str(problem.line)
    margin = " " * len(number)
    shown.append(f"  {number} │ ", "cyan").append(printable(line) + "\n")
    caret = "bold yellow" if warned else "bold red"
    return shown.append(f"  {margin} │ ", "cyan").append(" " * before + "^\n", caret)


def _lines(source: bytes) -> list[str]:
    text = source.decode("utf-8", "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
