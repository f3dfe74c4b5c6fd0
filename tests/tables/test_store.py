"""The local copy: what is written together is read together, and only damage makes it worthless."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import rocksdict

from tables.changelog import Position
from tables.store import (
    _BLOCK_CACHE_BYTES,
    _WRITE_BUFFER_BYTES,
    Change,
    Store,
    UnknownFormat,
)
from tests.torture.worker import HELD

ROOT = Path(__file__).parents[2]


def filled(path: Path, records: int = 2_000) -> Path:
    """A closed store with its records in sorted files."""
    store = Store(path)
    store.changelog = "topic-id"
    for start in range(0, records, 100):
        store.write(
            [Change(b"k%d" % n, os.urandom(500), None, n) for n in range(start, start + 100)],
            start + 100,
            Position(start, 7),
        )
        if start % 500 == 0:
            store._db.flush()
    store.close()
    return path


def in_a_process(code: str, *arguments: object) -> str:
    """What another process prints that runs `code`."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.strip()


def flip(path: Path, pattern: str, where: float) -> None:
    file = sorted(path.glob(pattern))[0]
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 0xFF
    file.write_bytes(content)


def test_a_new_store_is_empty(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "0")
    assert (store.next_log, store.position, store.changelog) == (0, None, "")
    assert store.get(b"k") is None
    assert list(store.items()) == []
    assert store.due_from((0, b""), 10) == []
    store.close()


def test_what_was_written_is_there_after_closing(tmp_path: Path) -> None:
    store = Store(filled(tmp_path / "0", 300))
    assert (store.next_log, store.position) == (300, Position(200, 7))
    assert store.changelog == "topic-id"
    assert len(list(store.items())) == 300
    assert store.due_from((298, b""), 10) == [(298, b"k298"), (299, b"k299")]
    store.close()


def test_records_and_due_times_do_not_mix(tmp_path: Path) -> None:
    store = Store(tmp_path / "0")
    keys = [b"", b"r", b"t", b"u", b"m", b"\xff\xff", b"\x00x"]
    store.write([Change(key, b"v" + key, None, 5) for key in keys], 1, None)
    assert sorted(store.items()) == sorted((key, b"v" + key) for key in keys)
    assert store.due_from((0, b""), 100) == [(5, key) for key in sorted(keys)]
    assert store.position is None
    store.close()


def test_a_change_moves_its_due_time_and_a_deletion_takes_it_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "0")
    store.write([Change(b"a", b"1", None, 5), Change(b"b", b"1", None, 6)], 1, Position(1))
    store.write([Change(b"a", b"2", 5, 9), Change(b"b", None, 6, None)], 2, Position(2))
    assert store.due_from((0, b""), 10) == [(9, b"a")]
    assert list(store.items()) == [(b"a", b"2")]
    store.close()


def test_clearing_begins_anew(tmp_path: Path) -> None:
    store = Store(filled(tmp_path / "0", 100))
    store.clear()
    assert (store.next_log, store.position, store.changelog) == (0, None, "")
    assert list(store.items()) == []
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: sorted(path.glob("*.sst"))[0].unlink(),
        lambda path: (path / "CURRENT").unlink(),
        lambda path: (path / "CURRENT").write_bytes(b""),
        lambda path: sorted(path.glob("MANIFEST*"))[0].unlink(),
        lambda path: flip(path, "MANIFEST*", 0.5),
        lambda path: os.truncate(sorted(path.glob("*.sst"))[0], 100),
        lambda path: flip(path, "*.sst", 0.999),
    ],
    ids=["file", "CURRENT", "empty", "no MANIFEST", "MANIFEST", "truncated", "footer"],
)
def test_a_copy_that_is_damaged_is_made_anew(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = filled(tmp_path / "0")
    damage(path)
    store = Store.open_or_discard(path)
    assert store.next_log == 0
    store.close()


@pytest.mark.parametrize(
    "read",
    [
        lambda store: [store.get(b"k%d" % n) for n in range(2_000)],
        lambda store: list(store.items()),
    ],
    ids=["get", "items"],
)
def test_a_copy_that_opens_but_can_not_be_read_is_made_anew_next_time(
    tmp_path: Path, read: Callable[[Store], object]
) -> None:
    """An unreadable block ends an iteration as if nothing came after it: it has to be an error."""
    path = filled(tmp_path / "0")
    flip(path, "*.sst", 0.3)
    store = Store.open_or_discard(path)
    assert store.next_log == 2_000
    with pytest.raises(Exception, match="Corruption"):
        read(store)
    with suppress(Exception):
        store.close()
    store = Store.open_or_discard(path)
    assert store.next_log == 0
    store.close()
    assert Store.open_or_discard(path).next_log == 0


@pytest.mark.parametrize("meta", [b"\x01" + bytes(24), b"\x09" * 33, b"\x02short"])
def test_a_copy_of_another_format_is_made_anew(tmp_path: Path, meta: bytes) -> None:
    path = filled(tmp_path / "0", 100)
    store = Store(path)
    batch = rocksdict.WriteBatch(raw_mode=True)
    batch.put(b"m", meta)
    store._db.write(batch)
    store.close()
    with pytest.raises(UnknownFormat):
        Store(path)
    store = Store.open_or_discard(path)
    assert store.next_log == 0
    store.close()


def test_a_lock_that_another_process_holds_is_an_error_and_deletes_nothing(tmp_path: Path) -> None:
    store = Store(filled(tmp_path / "0", 100))
    found = in_a_process(
        """
        import sys
        from pathlib import Path
        from tables.store import Store
        try:
            Store.open_or_discard(Path(sys.argv[1]))
        except Exception as error:
            print(error)
        """,
        tmp_path / "0",
    )
    assert "LOCK" in found
    assert store.get(b"k5") is not None
    store.close()
    store = Store(tmp_path / "0")
    assert store.next_log == 100
    store.close()


def test_a_full_disk_is_an_error_and_deletes_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk; RocksDB takes both the same way."""
    path = filled(tmp_path / "0", 100)
    found = in_a_process(
        f"""
        import os, resource, signal, sys
        from pathlib import Path
        from tables.changelog import Position
        from tables.store import Change, Store
        signal.signal({int(signal.SIGXFSZ)}, signal.SIG_IGN)
        resource.setrlimit({resource.RLIMIT_FSIZE}, (300_000, 300_000))
        store = Store.open_or_discard(Path(sys.argv[1]))
        try:
            for n in range(100, 100_000):
                store.write([Change(b"k%d" % n, os.urandom(50_000), None, n)], n, Position(n))
        except Exception as error:
            print(error)
        sys.stdout.flush()
        os._exit(0)
        """,
        path,
    )
    assert "File too large" in found
    store = Store.open_or_discard(path)
    assert store.next_log >= 100
    assert store.get(b"k5") is not None
    store.close()


def test_a_path_that_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("not ours")
    with pytest.raises(Exception, match="exists"):
        Store.open_or_discard(tmp_path / "0")
    assert (tmp_path / "0").read_text() == "not ours"


def test_a_write_that_the_process_did_not_live_to_keep_is_missing_as_a_whole(
    tmp_path: Path,
) -> None:
    """Without a write-ahead log a crash loses the latest writes; records, due times and position
    go together all the same."""
    path = tmp_path / "0"
    in_a_process(
        """
        import os, sys
        from pathlib import Path
        from tables.changelog import Position
        from tables.store import Change, Store
        store = Store(Path(sys.argv[1]))
        for n in range(1, 601):
            value = os.urandom(100_000)
            store.write([Change(b"k%d" % n, value, None, n)], n, Position(n, n))
        os._exit(0)
        """,
        path,
    )
    store = Store.open_or_discard(path)
    kept = store.next_log
    assert 0 < kept <= 600
    assert store.position == Position(kept, kept)
    assert {key for key, _ in store.items()} == {b"k%d" % n for n in range(1, kept + 1)}
    assert [due for due, _ in store.due_from((0, b""), 1_000)] == list(range(1, kept + 1))
    store.close()


def test_the_sorted_files_and_the_memory_of_a_store_level_off(tmp_path: Path) -> None:
    store, value, most, held = Store(tmp_path / "0"), os.urandom(2_000), 0, 0
    for batch in range(20_000):  # 800 MB, 200 flushes
        keys = (batch * 20 + n for n in range(20))
        changes = [Change(b"k%d" % (n % 5_000), b"%d" % n + value, None, n) for n in keys]
        store.write(changes, batch, Position(batch, 7))
        store.get(b"k%d" % (batch % 5_000))
        if batch % 500 == 0:
            most = max(most, _open_sorted_files())
            held = max(held, sum(store._db.property_int_value(name) or 0 for name in HELD))
    store.close()
    assert 4 <= most <= 40
    assert 4 << 20 < held <= _BLOCK_CACHE_BYTES + 3 * _WRITE_BUFFER_BYTES


def _open_sorted_files() -> int:
    count = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            count += os.readlink(one).endswith(".sst")
    return count
