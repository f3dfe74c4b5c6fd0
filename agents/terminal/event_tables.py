"""Reads tables of events, CSV and Parquet, as JSON lines: a row is an event.

Law: a row is read as if a program had written it as JSON; an empty cell is an absent field. Rows
are read one after the other, so a file of any size takes the same memory.

A column is named as a field of an event (`event`, `userId`, `timestamp`, ...) or by a path such as
`traits.email`; any other column is a property.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from agents.errors import UserError
from journeys.records.admission import MAX_EVENT
from journeys.records.event import Wire

_FIELDS = frozenset(Wire.__struct_fields__)
_MAPS = ("properties", "context", "traits", "traits_once")
_TEXTS = frozenset({"event", "userId", "anonymousId", "sessionId", "messageId", "type"})
_DELIMITERS = ",;\t|"
_ROWS = 1_000
_PARQUET = "SELECT to_json(one)::VARCHAR FROM read_parquet(?) one"


def csv_lines(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The rows of a CSV file; blank lines replace the header and the further lines of long rows.

    Args:
        path: names the file in errors.
        lines: those of the file, in UTF-8; the first one names the columns.

    Raises:
        UserError: its columns are not those of events, or a row has more cells than columns.
    """
    text = _Text(lines)
    first = next(text, "")
    counts = {one: first.count(one) for one in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda one: counts[one])
    columns = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    _check(path, columns)
    csv.field_size_limit(MAX_EVENT)
    yield b""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        before = text.read
        try:
            row = next(reader, None)
        except csv.Error as error:
            why = "a quoted cell that doesn't end" if "end of data" in str(error) else str(error)
            raise UserError(f"{path}:{before + 1}: found no row of a CSV file: {why}") from None
        if row is None:
            return
        if row and (len(row) < len(columns) or any(row[len(columns) :])):
            found = f"found {len(row)} cells, expected {len(columns)} as in the first line"
            raise UserError(f"{path}:{text.read}: {found}")
        cells = {name: _cell(name, cell) for name, cell in zip(columns, row, strict=False) if cell}
        yield _line(cells) if cells else b""
        for _ in range(text.read - before - 1):
            yield b""


def parquet_lines(path: Path) -> Iterator[bytes]:
    """The rows of a Parquet file. Raises UserError if it can't be read."""
    try:
        import duckdb
    except ModuleNotFoundError:
        raise UserError(
            f"{path} is Parquet, which needs the extra `warehouse`: "
            "pip install 'journeys-engine[warehouse]'."
        ) from None
    try:
        with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as database:
            database.execute("SET TimeZone = 'UTC'")
            found = database.execute(f"DESCRIBE {_PARQUET.replace('to_json(one)::VARCHAR', '*')}",
                                     [str(path)]).fetchall()  # fmt: skip
            _check(path, [row[0] for row in found])
            rows = database.execute(_PARQUET, [str(path)])
            while some := rows.fetchmany(_ROWS):
                for (row,) in some:
                    yield _line(
                        {
                            name: _packed(name, value)
                            for name, value in json.loads(row).items()
                            if value is not None and value != ""
                        }
                    )
    except duckdb.Error as error:
        raise UserError(f"{path} can't be read as Parquet: {str(error).splitlines()[0]}") from None


class _Text:
    """Lines as text, and how many of them have been read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.read = 0

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.read += 1
        # Bytes that are not UTF-8 are kept; they are handled as in JSON lines.
        return line.decode(errors="surrogateescape")


def open_text(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file in UTF-16, which begins with a byte order mark, in UTF-8."""
    import io

    with io.TextIOWrapper(file, encoding="utf-16", errors="replace", newline="\n") as text:
        for line in text:
            yield line.encode()


def _check(path: Path, columns: list[str]) -> None:
    if not {"userId", "anonymousId"} & set(columns) or not {"event", "type"} & set(columns):
        found = ", ".join(columns[:20])[:200] or "nothing"
        expected = (
            "expected columns named as the fields of an event, `event` and `userId` among them"
        )
        raise UserError(f"{path}:1: found the columns {found}, {expected}")
    twice = next((name for at, name in enumerate(columns) if name in columns[:at]), None)
    if twice is not None:
        raise UserError(f"{path}:1: found two columns {twice[:200]!r}, expected each name once")


def _cell(name: str, text: str) -> Any:
    """The value of a cell: text, or its JSON value if the field isn't always text."""
    if name in _TEXTS:
        return text
    if text[0] in "{[" or text in ("true", "false") or text[0] in "-0123456789":
        try:
            value = json.loads(text, parse_constant=lambda _: text)
        except (ValueError, RecursionError):
            return text
        if not isinstance(value, int) or -(2**63) <= value < 2**63:
            return value
    return text


def _packed(name: str, value: Any) -> Any:
    """A value of a Parquet file; a map may be written as JSON text."""
    if name in _MAPS and isinstance(value, str):
        return _cell(name, value)
    return value


def _line(cells: dict[str, Any]) -> bytes:
    """The event of a row, as JSON."""
    event: dict[str, Any] = {}
    for name, value in cells.items():
        if name in _FIELDS:
            event[name] = {**event[name], **value} if _both(event.get(name), value) else value
            continue
        path = name.split(".")
        if path[0] not in _MAPS or len(path) == 1:
            path = ["properties", name]
        place = event
        for part in path[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[path[-1]] = value
    try:
        return json.dumps(event, ensure_ascii=False).encode(errors="surrogateescape")
    except UnicodeEncodeError:  # an unpaired surrogate
        return json.dumps(event).encode()


def _both(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict)
