"""An archive of the broker's loaded classes (Java's class-data sharing), which saves a third of the
CPU time of a start.

Law: it only makes a start faster. An archive gets its name only once the process that wrote it has
exited with 0, and the name contains the SHA-256 of its bytes, as Java 17 crashes on a truncated
archive.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agents.kafka.embedded.jars import cache_dir
from agents.kafka.embedded.java import version_text
from agents.processes import guard

KEPT = 3
"""How many archives (about 40 MB each) are kept: the current one, and others used recently."""


def using(archive: Path) -> list[str]:
    """The options with which a JVM loads classes from the archive."""
    return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto"]


def listing(classes: Path) -> list[str]:
    """The options with which a JVM writes the list of the classes that it loads to a file."""
    return [f"-XX:DumpLoadedClassList={classes}"]


class ClassArchive:
    """The archive of one Java and one class path, below the user's cache.

    The first broker that finds no archive lists the classes that it loads; once it answers, `write`
    creates the archive from that list, in another process at the lowest priority.

    Args:
        java: the program.
        jars: the class path.
        flags: of the JVM, as an archive is of less use with another garbage collector.
        cache: the folder of archives.
    """

    def __init__(
        self, java: Path, jars: Sequence[Path], flags: Sequence[str], cache: Path | None = None
    ) -> None:
        self._cache = cache or cache_dir().with_name("classes")
        self._command = [str(java), *flags, "-cp", os.pathsep.join(map(str, jars))]
        # Java compares the jars' sizes and times with the archive's, so they are part of the key.
        files = [(str(jar), (found := jar.stat()).st_size, found.st_mtime_ns) for jar in jars]
        key = hashlib.sha256(repr((version_text(java), self._command, files)).encode()).hexdigest()
        self._key = key[:32]
        self._guard: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def find(self) -> Path | None:
        """The archive, or None; a damaged one is removed."""
        for path in self._cache.glob(f"{self._key}-*.jsa"):
            with suppress(OSError):
                if path.name == self._name_of(path):
                    os.utime(path)  # KEPT depends on it
                    return path
                path.unlink()
        return None

    def _name_of(self, archive: Path) -> str:
        with archive.open("rb") as file:
            return f"{self._key}-{hashlib.file_digest(file, 'sha256').hexdigest()}.jsa"

    def write(self, classes: Path) -> None:
        """Starts writing the archive of the listed classes, and returns at once.

        Does nothing if no classes were listed, another process is writing an archive, or the cache
        can't be written.
        """
        if self._thread is not None or not classes.exists():
            return
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._cache / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = self._new_folder()
            # The JVM that lists them still runs and appends to the file, in whole lines.
            shutil.copyfile(classes, folder / "classes")
            self._guard = self._dump(folder)
        except OSError:
            os.close(lock)
            return
        self._thread = threading.Thread(
            target=self._keep, args=(self._guard, folder, lock), name="class archive", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float | None = None) -> None:
        """Returns when nothing is being written, or after `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def stop(self) -> None:
        """Stops writing; an unfinished archive is discarded."""
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError, ValueError):  # it has ended
                self._guard.stdin.write(b"K")
        self.wait()
        self._guard = self._thread = None

    def _new_folder(self) -> Path:
        """A folder for the archive being written. Other such folders are left over from killed
        processes, as only one process at a time holds the lock."""
        for left in self._cache.glob("new-*"):
            shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="new-", dir=self._cache))

    def _dump(self, folder: Path) -> subprocess.Popen[bytes]:
        """Starts the JVM that writes the archive; it ends when this process ends for any reason."""
        nice = [program, "-n", "19"] if (program := shutil.which("nice")) else []
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", guard.__file__, os.devnull, ""),
                *(*nice, self._command[0], "-Xshare:dump"),
                f"-XX:SharedClassListFile={folder / 'classes'}",
                f"-XX:SharedArchiveFile={folder / 'archive'}",
                *self._command[1:],
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def _keep(self, dump: subprocess.Popen[bytes], folder: Path, lock: int) -> None:
        """Waits for the JVM, and gives the archive its name if it is complete."""
        code = dump.wait()
        with suppress(OSError):
            if code == 0:
                made = folder / "archive"
                os.replace(made, self._cache / self._name_of(made))
                self._remove_old()
        shutil.rmtree(folder, ignore_errors=True)
        assert dump.stdin is not None
        dump.stdin.close()
        os.close(lock)

    def _remove_old(self) -> None:
        archives = sorted(self._cache.glob("*.jsa"), key=lambda one: one.stat().st_mtime)
        for old in archives[:-KEPT]:
            old.unlink(missing_ok=True)
