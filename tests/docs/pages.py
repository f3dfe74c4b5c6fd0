"""The pages of the documentation, split into parts that can be tested.

Law: nothing that is shown in a block escapes: a language that nobody here reads is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]

_INFO = re.compile(
    r'(?P<language>[\w-]*)(?:[ \t]+title="(?P<title>[^"\n]*)")?[ \t]*$\n', re.MULTILINE
)
_TABLE = re.compile(r"(?:^[ \t]*\|.*\|[ \t]*(?:\n|\Z)){2,}", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")
_LIVE = re.compile(r"^\$ journeys kafka", re.MULTILINE)
_BLOCKS = RawFencedCodeBlockLexer(_INFO)

Evaluator = Callable[[Example], str | None]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def is_live(page: Path) -> bool:
    """Whether its reader starts a Kafka."""
    return _LIVE.search(page.read_text("utf-8")) is not None


def parse(page: Path, evaluate: Evaluator) -> Document:
    """The page; each block and each table is an example, given to `evaluate`.

    Lexemes: `language` (of a table: `table`), `title` or None, `source`.
    """

    def parser(document: Document) -> Iterable[Region]:
        blocks = list(_BLOCKS(document))
        tables = [
            Region(found.start(), found.end(), lexemes={"language": "table", "title": None})
            for found in _TABLE.finditer(document.text)
            if not any(block.start <= found.start() < block.end for block in blocks)
        ]
        for region in [*blocks, *tables]:
            region.parsed = region.lexemes.get("source", document.text[region.start : region.end])
            region.evaluator = evaluate
            yield region

    return Document.parse(str(page), parser)


def blocks(page: Path, language: str) -> Iterator[tuple[str | None, str]]:
    """Title and text of the page's blocks in one language."""
    for example in parse(page, lambda _: None).examples():
        if example.region.lexemes["language"] == language:
            yield example.region.lexemes["title"], str(example.parsed)


def cells(table: str) -> list[list[str]]:
    """The rows of a table, its header first, as text without `\\|`."""
    rows = [
        [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip())[1:-1]]
        for line in table.strip().splitlines()
    ]
    return [rows[0], *rows[2:]]


def row(cells: list[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def code(cell: str) -> str:
    """What a cell has between its backticks, or else the cell."""
    found = re.fullmatch(r"(`+) ?(.*?) ?\1", cell)
    return found[2] if found else cell
