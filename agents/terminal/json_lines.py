"""Files of JSON lines: one JSON value a line, in UTF-8, gzip where the name ends with .gz.

Law: a blank line is no value and counts as a line; a byte order mark is skipped.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from agents.errors import UserError

STDIN = Path("-")
_BOM = b"\xef\xbb\xbf"
_CHECK_EVERY = 100  # lines between two looks at the clock
_SHOW_SECONDS = 0.1


@contextmanager
def open_lines(path: Path, *, progress: bool = False) -> Iterator[Iterator[bytes]]:
    """Gives the lines of a file as bytes, blank ones included; of `-` each as soon as it comes.

    Args:
        progress: show on a terminal (stderr) how far the file is read.

    Raises:
        UserError: the file can't be read, or, as the lines are read, is not a whole gzip file.
    """
    with ExitStack() as stack:
        raw, size = _open(path, stack)
        lines: Iterable[bytes] = raw
        if path.suffix == ".gz":
            # GzipFile's own lines are made in Python, one by one.
            lines = io.BufferedReader(stack.enter_context(gzip.open(raw)))
        found = _read(path, lines)
        yield _with_progress(path, found, raw, size, stack) if progress else found


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, without the space around them, with their numbers from 1."""
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            yield number, text


def json_object(line: bytes, name: str, number: int) -> dict[str, Any]:
    """The JSON object on a line. Raises UserError with the file's name and the line's number."""
    expected = "expected one JSON object a line"
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}:{number}: found no JSON ({error}), {expected}") from None
    if not isinstance(value, dict):
        shown = line[:40].decode(errors="replace") + ("..." if len(line) > 40 else "")
        raise UserError(f"{name}:{number}: found {shown}, {expected}")
    return value


def _open(path: Path, stack: ExitStack) -> tuple[IO[bytes], int | None]:
    """The file, and its size in bytes where it has one."""
    if path == STDIN:
        return sys.stdin.buffer, None
    try:
        raw = stack.enter_context(path.open("rb"))
        return raw, path.stat().st_size if path.is_file() else None
    except OSError as error:
        raise UserError(f"{path} can't be read: {(error.strerror or '').lower()}") from None


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
