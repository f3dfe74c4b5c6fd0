"""A source that is newer than its extension is found; other packages' extensions don't matter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.compiled import stale


@pytest.mark.parametrize(
    ("folder", "edited", "found"),
    [
        ("journeys/engine", True, True),
        ("tables", True, True),
        ("journeys/engine", False, False),
        (".venv/lib/site-packages/other", True, False),
    ],
)
def test_only_the_engines_own_edited_sources_are_stale(
    tmp_path: Path, folder: str, edited: bool, found: bool
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    source = tmp_path / folder / "step.py"
    extension = tmp_path / folder / "step.cpython-311-x86_64-linux-gnu.so"
    for path, time in ((source, 2 if edited else 0), (extension, 1)):
        path.touch()
        os.utime(path, (time, time))
    assert list(stale(tmp_path)) == ([(source, extension)] if found else [])
