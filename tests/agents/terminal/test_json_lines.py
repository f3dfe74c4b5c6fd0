"""Files of JSON lines are read whatever they begin, end or are packed with."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from agents.errors import UserError
from agents.terminal.json_lines import json_object, numbered, open_lines


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_lines_are_numbered_without_blank_ones_and_a_byte_order_mark(
    tmp_path: Path, name: str
) -> None:
    content = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"b": "\xef\xbb\xbf"}'
    file = tmp_path / name
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with open_lines(file) as lines:
        assert list(numbered(lines)) == [(1, b'{"a": 1}'), (4, b'{"b": "\xef\xbb\xbf"}')]
    with open_lines(file) as lines:
        assert len(list(lines)) == 4


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    with open_lines(tmp_path / "none") as lines:
        assert list(lines) == []


def test_a_damaged_gzip_file_gives_its_lines_and_then_an_error(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"n": %d}\n' % number for number in range(50_000)))
    for name, content in [("cut.gz", packed[: len(packed) // 2]), ("other.gz", b"{}\n")]:
        (tmp_path / name).write_bytes(content)
        found: list[bytes] = []
        with (
            open_lines(tmp_path / name) as lines,
            pytest.raises(UserError, match=f"{name} is not a whole gzip file: "),
        ):
            found.extend(lines)
        assert (len(found) > 1_000) == (name == "cut.gz")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none can't be read: no such file"):  # noqa: SIM117
        with open_lines(tmp_path / "none"):
            pass


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"nonsense", r"e\.jsonl:3: found .*, expected one JSON object a line"),
        (b"\xff", r"e\.jsonl:3: found .*, expected one JSON object a line"),
        (b"[" * 100_000, r"e\.jsonl:3: found .*, expected one JSON object a line"),
        (b"[1]", r"e\.jsonl:3: found \[1\], expected one JSON object a line$"),
        (b'"' + b"x" * 90 + b'"', r'e\.jsonl:3: found "x{39}\.\.\., expected'),
    ],
)
def test_what_is_no_object_is_reported_with_its_place(line: bytes, found: str) -> None:
    assert json_object(b'{"a": 1}', "e.jsonl", 3) == {"a": 1}
    with pytest.raises(UserError, match=found):
        json_object(line, "e.jsonl", 3)
