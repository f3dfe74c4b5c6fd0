"""The local copy of one changelog partition, in RocksDB, with the due-time index beside the records.

Law: a record, its entry in the due-time index and the changelog position it came from are written
in one RocksDB batch; so whatever instant the process dies at, the three agree. The write-ahead log
is off: the changelog is the truth, and what a crash loses here is read from there again.

Answers Faust's RocksDB store, which keeps 2 GiB of block cache a partition unless told otherwise,
and writes records and offsets in separate writes.
"""

import shutil
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rocksdict

from tables.changelog import Position

_RECORD = b"r"
_DUE = b"t"
_DUE_END = b"u"
_META = b"m"

_META_FORMAT = struct.Struct(">Bqqq")
_META_VERSION = 1
_DUE_TIME = struct.Struct(">q")
_BLOCK_CACHE_BYTES = 16 << 20
_WRITE_BUFFER_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One record's new value. `old_due`, `due`: its due times before and after, None for none."""

    key: bytes
    value: bytes | None
    old_due: int | None
    due: int | None


class Store:
    """RocksDB directory of one partition; not thread-safe beyond one writer at a time.

    next_log: offset of the next changelog record that this copy lacks.
    position: the source position that belongs to what it holds; None before the first batch.
    """

    def __init__(self, path: Path) -> None:
        """Opens or makes the directory. Raises on a lock that another process holds, on a full
        disk, and on corruption (see `open_or_discard`)."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = rocksdict.Rdict(str(path), _options())
        write = rocksdict.WriteOptions()
        write.disable_wal = True
        self._db.set_write_options(write)
        self.next_log = 0
        self.position: Position | None = None
        self._read_meta()

    @classmethod
    def open_or_discard(cls, path: Path) -> "Store":
        """Opens the local copy; a corrupt one is deleted, as the changelog holds everything."""
        try:
            return cls(path)
        except Exception as error:
            if "corruption" not in str(error).lower() and not isinstance(error, ValueError):
                raise
            shutil.rmtree(path, ignore_errors=True)
            return cls(path)

    def _read_meta(self) -> None:
        meta = self._db.get(_META)
        if meta is None:
            return
        if meta[0] != _META_VERSION:
            raise ValueError(f"{self.path}: unknown store format {meta[0]}")
        _, self.next_log, source, time = _META_FORMAT.unpack(meta)
        self.position = None if source < 0 else Position(source, time)

    def get(self, key: bytes) -> bytes | None:
        value = self._db.get(_RECORD + key)
        return None if value is None else bytes(value)

    def write(self, changes: Iterable[Change], next_log: int, position: Position | None) -> None:
        """Applies changes and moves the position, atomically."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for change in changes:
            key = change.key
            if change.old_due != change.due:
                if change.old_due is not None:
                    batch.delete(_due_key(change.old_due, key))
                if change.due is not None:
                    batch.put(_due_key(change.due, key), b"")
            if change.value is None:
                batch.delete(_RECORD + key)
            else:
                batch.put(_RECORD + key, change.value)
        source, time = (-1, -1) if position is None else (position.source, position.time)
        batch.put(_META, _META_FORMAT.pack(_META_VERSION, next_log, source, time))
        self._db.write(batch)
        self.next_log = next_log
        self.position = position

    def due_from(self, start: tuple[int, bytes], limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` entries (due ms, key) of the index that are not below `start`."""
        options = rocksdict.ReadOptions()
        options.set_iterate_upper_bound(_DUE_END)
        iterator = self._db.iter(options)
        iterator.seek(_due_key(*start))
        found: list[tuple[int, bytes]] = []
        while len(found) < limit and iterator.valid():
            key = bytes(iterator.key())
            found.append((_DUE_TIME.unpack(key[1:9])[0], key[9:]))
            iterator.next()
        return found

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every record, in key order."""
        options = rocksdict.ReadOptions()
        options.set_iterate_upper_bound(b"s")
        iterator = self._db.iter(options)
        iterator.seek(_RECORD)
        while iterator.valid():
            yield bytes(iterator.key())[1:], bytes(iterator.value())
            iterator.next()

    def clear(self) -> None:
        """Deletes everything: the copy belongs to another changelog than the one that is there."""
        self.close()
        shutil.rmtree(self.path)
        Store.__init__(self, self.path)

    def close(self) -> None:
        """Frees RocksDB's lock now, not when the garbage collector comes by."""
        self._db.close()


def _due_key(due: int, key: bytes) -> bytes:
    return _DUE + _DUE_TIME.pack(due) + key


def _options() -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_open_files(256)
    options.set_keep_log_file_num(2)
    blocks = rocksdict.BlockBasedOptions()
    blocks.set_block_cache(rocksdict.Cache(_BLOCK_CACHE_BYTES))
    blocks.set_bloom_filter(10, False)
    options.set_block_based_table_factory(blocks)
    return options
