"""Files of events as JSON lines, compressed or not, read in the same way by every command.

Law: a blank line is not a value but counts as a line; a byte order mark is skipped. The first bytes
of a file show its encoding (gzip, zstd, UTF-16), and its name whether it is a table (CSV, Parquet).
A file of any size takes the same memory.
"""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, cast

from agents.errors import UserError
from agents.terminal.text import echo
from journeys.records.tolerant_json import NotJson, read_json

if TYPE_CHECKING:
    from journeys.simulation.stray_times import Stray

STDIN = Path("-")
_BOM = b"\xef\xbb\xbf"
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PACKED = (".gz", ".zst")
_LONGEST = 16 * 1024 * 1024  # bytes of a line; topics accept less
_SHOWN_STRAYS = 3
_CHECK_EVERY = 100  # lines between two checks of the clock
_SHOW_SECONDS = 0.1


@contextmanager
def open_lines(path: Path, *, progress: bool = False) -> Iterator[Iterator[bytes]]:
    """Yields the lines of a file as bytes, blank ones included; from `-` each as soon as it
    arrives.

    Args:
        progress: show on a terminal (stderr) how far the file is read.

    Raises:
        UserError: the file can't be read, or turns out to be damaged while it is read.
    """
    with ExitStack() as stack:
        raw, size = _open(path, stack)
        begins = raw.peek(4)[:4] if path == STDIN or size else b""
        if begins == _PARQUET:
            from agents.terminal.event_tables import parquet_lines

            found = parquet_lines(path)
        else:
            if begins == _ZSTD:
                raw, size = _unpack_zstd(path, raw, stack)
                begins = raw.peek(4)[:4]
            plain: IO[bytes] = raw
            if begins[:2] == _GZIP or path.suffix == ".gz":
                # GzipFile itself splits lines in Python, one by one.
                plain = io.BufferedReader(stack.enter_context(gzip.open(raw)))
                begins = b""
            lines: Iterable[bytes] = _bounded(plain)
            if begins[:2] in _UTF_16:
                from agents.terminal.event_tables import open_text

                lines = open_text(plain)
            found = _read(path, lines)
            if _is_csv(path):
                from agents.terminal.event_tables import csv_lines

                found = csv_lines(path, found)
        yield _with_progress(path, found, raw, size, stack) if progress else found


@contextmanager
def open_history(
    path: Path, max_ahead: int | None, *, progress: bool = False
) -> Iterator[Iterator[bytes]]:
    """`open_lines` with times that run ahead limited; that is reported on stderr at the end.

    Args:
        max_ahead: how far a time may be ahead of the records around it, ms; None: no limit.
            Standard input is not delayed to look ahead, and keeps its times.
    """
    with open_lines(path, progress=progress) as lines:
        if max_ahead is None or path == STDIN:
            yield lines
            return
        from journeys.simulation.stray_times import cut_back

        strays: list[Stray] = []
        counts = count()

        def tell(stray: Stray) -> None:
            next(counts)
            if len(strays) < _SHOWN_STRAYS:
                strays.append(stray)

        yield cut_back(lines, max_ahead, tell)
        for stray in strays:
            echo(f"{path}:{stray.line}: {_in_words(stray)}", err=True)
        if more := next(counts) - len(strays):
            echo(f"{path}: {more:,} more times cut back", err=True)


def _in_words(stray: Stray) -> str:
    from journeys.time import format_time

    return (
        f"the time {format_time(stray.found)} runs ahead of the records around it: "
        f"cut back to {format_time(stray.instead)}; --trust-times keeps it"
    )


def max_ahead(text: str, trust: bool) -> int | None:
    """The argument for `open_history`, from the options of a command. Raises typer.BadParameter."""
    import typer

    from journeys.time import parse_duration

    try:
        ms = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-ahead") from None
    return None if trust else ms


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, stripped, with their numbers from 1."""
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            yield number, text


def with_absolute_times(lines: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The lines of a history, for commands that read no offset as a time.

    Raises:
        UserError: an event has the offset `at`, as for `simulate`, and no `timestamp`. It would
            silently get another time.
    """
    for number, line in enumerate(lines, 1):
        if b'"at"' in line and _is_offset(line):
            why = "'at' is an offset, which only simulate and tests read: expected 'timestamp'"
            raise UserError(f"{name}:{number}: {why}")
        yield line


def _is_offset(line: bytes) -> bool:
    try:
        fields = read_json(line).value
    except NotJson:  # reported where the event is applied
        return False
    at = fields.get("at") if isinstance(fields, dict) and "timestamp" not in fields else None
    return isinstance(at, str) and at.startswith("+")


def json_object(line: bytes, name: str, number: int) -> dict[str, Any]:
    """The JSON object on a line. Raises UserError with the file's name and the line's number."""
    expected = "expected one JSON object a line"
    try:
        value = read_json(line).value
    except NotJson as error:
        raise UserError(f"{name}:{number}: {error}, {expected}") from None
    if not isinstance(value, dict):
        shown = line[:40].decode(errors="replace") + ("..." if len(line) > 40 else "")
        raise UserError(f"{name}:{number}: found {shown}, {expected}")
    return value


def _is_csv(path: Path) -> bool:
    suffixes = [one.lower() for one in path.suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1:] in ([".csv"], [".tsv"])


def _unpack_zstd(
    path: Path, raw: io.BufferedReader, stack: ExitStack
) -> tuple[io.BufferedReader, int]:
    """The uncompressed content as a temporary file, and its size in bytes."""
    import cramjam

    folder = Path(stack.enter_context(TemporaryDirectory(prefix="journeys-")))
    packed, plain = folder / "packed", folder / "plain"
    if path == STDIN:
        with packed.open("wb") as copy:
            shutil.copyfileobj(raw, copy)
    else:
        packed = path
    try:
        with packed.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            cramjam.zstd.decompress_into(content, cramjam.File(str(plain)))
    except (OSError, ValueError, cramjam.DecompressionError) as error:
        raise UserError(f"{path} is not a whole zstd file: {error}") from None
    return stack.enter_context(plain.open("rb")), plain.stat().st_size


def _open(path: Path, stack: ExitStack) -> tuple[io.BufferedReader, int | None]:
    """The file, and its size in bytes if it has one."""
    if path == STDIN:
        stdin = sys.stdin.buffer
        if not isinstance(stdin, io.BufferedReader):  # if the command runs inside another program
            stdin = io.BufferedReader(cast(io.RawIOBase, stdin))
        return stdin, None
    try:
        raw = stack.enter_context(path.open("rb"))
        return raw, path.stat().st_size if path.is_file() else None
    except OSError as error:
        raise UserError(f"{path} can't be read: {(error.strerror or '').lower()}") from None


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of a line that is longer than any event only the beginning, which is
    refused later."""
    while line := file.readline(_LONGEST):
        if len(line) == _LONGEST:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_LONGEST)
        yield line


def _read(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for line in lines:
            yield line.removeprefix(_BOM)
            break
        yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file: {error}") from None


def _with_progress(
    path: Path, lines: Iterator[bytes], raw: IO[bytes], size: int | None, stack: ExitStack
) -> Iterator[bytes]:
    if not sys.stderr.isatty():
        return lines
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[events]:,} events, {task.fields[rate]:,.0f}/s"),
    )
    shown = stack.enter_context(
        progress.Progress(*columns, console=Console(stderr=True), transient=True)
    )
    task = shown.add_task(path.name, total=size or None, events=0, rate=0.0)
    began = time.monotonic()

    def read() -> Iterator[bytes]:
        shown_at = began
        for number, line in enumerate(lines, 1):
            if number % _CHECK_EVERY == 0 and (now := time.monotonic()) - shown_at > _SHOW_SECONDS:
                shown_at = now
                at = None if size is None else raw.tell()
                shown.update(task, completed=at, events=number, rate=number / (now - began))
            yield line

    return read()
