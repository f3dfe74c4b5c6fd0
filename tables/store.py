"""The local copy of one changelog partition, in RocksDB, with the records' due-time index.

Law: a record, its entry in the due-time index and the changelog position it came from are written
in one RocksDB batch; so the three agree whenever the process dies. The write-ahead log is off: the
changelog is the source of truth, and a crash only means reading from it again.

Answers Faust's RocksDB store, which by default has 2 GiB of block cache per partition, and writes
records and offsets separately.
"""

import shutil
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import rocksdict

from tables.changelog import Position

_RECORD = b"r"
_RECORD_END = b"s"
_DUE = b"t"
_DUE_END = b"u"
_META = b"m"

_META_FORMAT = struct.Struct(">Bqqqq")  # then the ids of the changelog and the source, and notes
_META_VERSION = 3
_DUE_TIME = struct.Struct(">q")
_BLOCK_CACHE_BYTES = 16 << 20
_WRITE_BUFFER_BYTES = 4 << 20


class UnknownFormat(ValueError):
    """This copy was written by another version of the store."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One record's new value. `old_due`, `due`: its due times before and after, None for none."""

    key: bytes
    value: bytes | None
    old_due: int | None
    due: int | None


class Store:
    """RocksDB directory of one partition; not thread-safe beyond one writer at a time.

    next_log: offset of the first changelog record that this copy lacks.
    position: the source position that belongs to its records; None before the first batch.
    changelog: Kafka's id of the changelog topic that it was read from; "" if it isn't known.
    current_at: when it was last up to date with the changelog, ms by this machine's clock.
    """

    def __init__(self, path: Path) -> None:
        """Opens or creates the directory. Raises if another process holds the lock, the disk is
        full, or the copy is corrupt (see `open_or_discard`)."""
        self.path = path
        self.next_log = 0
        self.position: Position | None = None
        self.changelog = ""
        self.current_at = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = rocksdict.Rdict(str(path), _options())
        write = rocksdict.WriteOptions()
        write.disable_wal = True  # type: ignore[assignment, method-assign]  # rocksdict's stub errs
        self._db.set_write_options(write)
        try:
            self._read_meta()
        except BaseException:
            # A caller that catches this may open it again, which RocksDB's lock would otherwise
            # prevent.
            self._db.close()
            raise

    @classmethod
    def open_or_discard(cls, path: Path) -> "Store":
        """Opens the local copy; a corrupt one is deleted, as the changelog holds everything.

        A held lock, a full disk and missing permissions are raised, as deleting fixes none of them.
        """
        if _damaged_mark(path).exists():
            _delete(path)
        try:
            return cls(path)
        except Exception as error:
            if not (isinstance(error, UnknownFormat) or _is_damage(error)):
                raise
        _delete(path)
        return cls(path)

    def _read_meta(self) -> None:
        meta = self._db.get(_META)
        if meta is None:
            return
        if len(meta) < _META_FORMAT.size or meta[0] != _META_VERSION:
            raise UnknownFormat(f"{self.path}: unknown store format {meta[:32]!r}")
        _, self.next_log, source, time_, self.current_at = _META_FORMAT.unpack_from(meta)
        self.changelog, _, texts = meta[_META_FORMAT.size :].decode().partition(" ")
        topic_id, _, notes = texts.partition(" ")
        self.position = None if source < 0 else Position(source, time_, topic_id, notes)

    def get(self, key: bytes) -> bytes | None:
        try:
            value = self._db.get(_RECORD + key)
        except Exception as error:
            self._note_damage(error)
            raise
        return None if value is None else bytes(value)

    def write(
        self,
        changes: Iterable[Change],
        next_log: int,
        position: Position | None,
        *,
        current: bool = True,
    ) -> None:
        """Applies changes and moves the position, atomically. current: `next_log` is the end of
        the changelog."""
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
        if current:
            self.current_at = time.time_ns() // 1_000_000
        at = Position(-1) if position is None else position
        meta = _META_FORMAT.pack(_META_VERSION, next_log, at.source, at.time, self.current_at)
        batch.put(_META, meta + f"{self.changelog} {at.topic_id} {at.notes}".rstrip().encode())
        try:
            self._db.write(batch)
        except Exception as error:
            self._note_damage(error)
            raise
        self.next_log = next_log
        self.position = position

    def due_from(self, start: tuple[int, bytes], limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` entries (due ms, key) of the index that are not below `start`."""
        found = []
        for entry, _ in self._scan(_due_key(*start), _DUE_END):
            found.append((_DUE_TIME.unpack(entry[1:9])[0], entry[9:]))
            if len(found) == limit:
                break
        return found

    def items(self, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Every record with a key after `after`, in key order."""
        start = _RECORD + after + b"\0" if after else _RECORD
        for entry, value in self._scan(start, _RECORD_END):
            yield entry[1:], value

    def _scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        options = rocksdict.ReadOptions()
        options.set_iterate_upper_bound(end)
        iterator = self._db.iter(options)
        iterator.seek(start)
        while iterator.valid():
            yield bytes(iterator.key()), bytes(iterator.value())
            iterator.next()
        try:
            iterator.status()  # an unreadable block looks like the end
        except Exception as error:
            self._note_damage(error)
            raise

    def _note_damage(self, error: Exception) -> None:
        """Marks a copy that opens but can't be read, as it would end every process that opens
        it."""
        if _is_damage(error):
            _damaged_mark(self.path).touch()

    def clear(self) -> None:
        """Deletes everything, if the copy was read from another changelog."""
        self.close()
        _delete(self.path)
        Store.__init__(self, self.path)

    def close(self) -> None:
        """Releases RocksDB's lock now, not at the next garbage collection."""
        self._db.close()


def _is_damage(error: Exception) -> bool:
    """Whether deleting the copy fixes the error: RocksDB found it corrupt, or a file is missing."""
    text = str(error).lower()
    return "corruption" in text or "no such file or directory" in text


def _damaged_mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _delete(path: Path) -> None:
    """Deletes the mark last: if the process dies before that, the next one deletes the rest."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
    _damaged_mark(path).unlink(missing_ok=True)


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
