"""A history is read alike whatever it is written in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from agents.terminal.json_lines import numbered, open_history, open_lines
from journeys.records.admission import admit
from journeys.records.event import Event, Rejection
from journeys.time import HOUR

EVENTS: list[dict[str, Any]] = [
    {"event": "start", "userId": "ann", "timestamp": "2026-03-02T09:00:00Z",
     "properties": {"total": 12.5, "zip": "01234", "ok": True}, "traits": {"name": "Änn, \"A\""}},
    {"event": "start", "userId": "7", "timestamp": 1772442000, "properties": {"total": 3}},
]  # fmt: skip
LINES = "\n\n".join(json.dumps(one, ensure_ascii=False) for one in EVENTS).encode()
CSV = (
    "event,userId,timestamp,total,zip,ok,traits.name\r\n"
    'start,ann,2026-03-02T09:00:00Z,12.5,01234,true,"Änn, ""A"""\r\n'
    "\r\n"
    "start,7,1772442000,3,,,\r\n"
).encode()
BOM = b"\xef\xbb\xbf"


def _zstd(content: bytes) -> bytes:
    half = len(content) // 2
    return b"".join(bytes(cramjam.zstd.compress(one)) for one in (content[:half], content[half:]))


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": _zstd,
}


def _read(path: Path) -> list[dict[str, Any]]:
    with open_lines(path) as lines:
        return [json.loads(line) for _, line in numbered(lines)]


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("before", [b"", BOM])
@pytest.mark.parametrize(("name", "content"), [("events.jsonl", LINES), ("events.csv", CSV)])
def test_a_history_is_the_same_however_it_is_packed(
    tmp_path: Path, packed: str, before: bytes, name: str, content: bytes
) -> None:
    file = tmp_path / (name + packed)
    file.write_bytes(PACKED[packed](before + content))
    assert _read(file) == EVENTS
    bare = tmp_path / name.replace("events.", "other.")  # what it is packed with shows in its bytes
    bare.write_bytes(PACKED[packed](before + content))
    assert _read(bare) == EVENTS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_as_windows_writes_it_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "events.jsonl"
    text = ("" if encoding == "utf-16" else "\ufeff") + LINES.decode()
    file.write_bytes(text.encode(encoding))
    assert _read(file) == EVENTS


def test_a_parquet_file_is_read_by_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    duckdb.sql(
        """
        SELECT 'start' AS event, 'ann' AS userId, TIMESTAMPTZ '2026-03-02 10:00:00+01' AS timestamp,
               {'total': 12.5, 'n': 1} AS properties, true AS vip, NULL AS "traits.name"
        UNION ALL BY NAME
        SELECT 'start' AS event, 'ben' AS userId, NULL AS timestamp, NULL AS properties,
               NULL AS vip, 'Ben' AS "traits.name"
        """
    ).write_parquet(str(file))
    assert _read(file) == [
        {"event": "start", "userId": "ann", "timestamp": "2026-03-02 09:00:00+00",
         "properties": {"total": 12.5, "n": 1, "vip": True}},
        {"event": "start", "userId": "ben", "traits": {"name": "Ben"}},
    ]  # fmt: skip


def test_a_line_without_end_takes_no_more_memory_than_the_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.terminal.json_lines._LONGEST", 100)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"a": 1}\n' + b"x" * 950 + b"\n" + b"y" * 99 + b"\n" + b"z" * 250)
    with open_lines(file) as lines:
        assert [len(line) for line in lines] == [9, 100, 100, 100]


def test_a_row_over_several_lines_counts_them_all(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(b'event;userId;note\nstart;ann;"two\nlines"\nstart;ben;\n')
    with open_lines(file) as lines:
        assert [number for number, _ in numbered(lines)] == [2, 4]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", b"a,b\n1,2\n", r"e\.csv:1: found the columns a, b, expected columns named as"),
        ("e.csv", b"", r"e\.csv:1: found the columns nothing"),
        ("e.csv", b"event,userId\nstart,ann,5\n", r"e\.csv:2: found 3 cells, expected 2"),
        ("e.csv", b"event,userId\n\nstart\n", r"e\.csv:3: found 1 cells, expected 2"),
        (
            "e.csv",
            b'event,userId\na,b\nc,"d\ne,f\n',
            r"e\.csv:3: .* cell that doesn't end",
        ),
        ("e.csv", b"event,userId,userId\na,b,c\n", r"e\.csv:1: found two columns 'userId'"),
        ("e.parquet", b"PAR1 is no such file", r"e\.parquet can't be read as Parquet: "),
        ("e.zst", _zstd(LINES)[:-9], r"e\.zst is not a whole zstd file: "),
        ("e.gz", gzip.compress(LINES)[:-9], r"e\.gz is not a whole gzip file: "),
    ],
)
def test_a_file_that_is_damaged_or_holds_no_events_is_an_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        _read(tmp_path / name)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1),
        ),
        max_size=5,
    )
)
def test_any_text_of_a_cell_arrives_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    import csv

    file = tmp_path_factory.mktemp("csv") / "events.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(["event", "userId", "properties.note"])
        writer.writerows([["start", user, f"text {note}"] for user, note in rows])
    read = [(one["userId"], one["properties"]["note"]) for one in _read(file)]
    assert read == [(user, f"text {note}") for user, note in rows]


def test_a_cell_that_is_not_utf_8_is_judged_as_in_json(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(b"event,userId,name\ne,b\xe9n,x\ne,u,M\xfcller\ne,b\0n,x\n")
    with open_lines(file) as lines:
        latin, text, nul = (admit(line, "") for _, line in numbered(lines))
    assert isinstance(latin, Rejection)
    assert (latin.reason, "not UTF-8" in latin.detail) == ("invalid_user", True)
    assert isinstance(text, Event)
    assert text.wire.properties == {"name": "M\ufffdller"}
    assert isinstance(nul, Event)
    assert nul.user_id == "b\ufffdn"


def test_a_stray_time_is_cut_back_and_reported_unless_times_are_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    times = ["2026-03-02T09:00:00Z", "2099-01-01T00:00:00Z", *["2026-03-02T09:01:00Z"] * 5]
    file.write_text("".join(f'{{"event": "e", "timestamp": "{time}"}}\n' for time in times))
    with open_history(file, None) as lines:
        trusted = list(lines)
    assert capsys.readouterr().err == ""
    with open_history(file, HOUR) as lines:
        found = list(lines)
    assert [one == other for one, other in zip(found, trusted, strict=True)].count(False) == 1
    assert json.loads(found[1])["receivedAt"] == "2026-03-02T09:00:00.000Z"
    assert f"{file}:2: the time 2099-01-01T00:00:00.000Z runs ahead of" in capsys.readouterr().err
