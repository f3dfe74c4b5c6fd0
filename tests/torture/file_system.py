"""A small file system of its own, to be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "64m"


class NoFileSystem(RuntimeError):
    """This machine lets us mount nothing."""


@contextmanager
def small_file_system(where: Path) -> Iterator[None]:
    """`where` is one as long as the block lasts. Raises NoFileSystem; `unshare -rm` in front of the
    command lets anybody mount where the kernel allows that."""
    where.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(where)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        why = made.stderr.strip()
        hint = "" if os.geteuid() == 0 else "; try `unshare -rm make torture`"
        raise NoFileSystem(f"a full disk can't be tried here: {why}{hint}")
    try:
        yield
    finally:
        for path in where.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        subprocess.run(["umount", "-l", str(where)], check=True)
