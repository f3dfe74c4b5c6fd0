"""Every page is true: its documents hold, its tests pass, its commands show what it shows.

`WRITE_DOCS=1 pytest tests/docs/test_pages.py` writes into the pages what the commands do show; the
difference is then to be read.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from sybil.example import SybilFailure

from tests.docs.pages import PAGES, is_live, name_of, parse
from tests.docs.reader import Reader

LIVE = [page for page in PAGES if is_live(page)]
QUIET = [page for page in PAGES if page not in LIVE]


@pytest.mark.parametrize("page", QUIET, ids=name_of)
def test_a_page_is_true(page: Path, tmp_path: Path) -> None:
    starts_something = 'title="Terminal' in page.read_text("utf-8")
    with one_at_a_time() if starts_something else nullcontext():
        read(page, Reader(tmp_path))


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.parametrize("page", LIVE, ids=name_of)
def test_a_page_that_runs_the_engine_is_true(page: Path, tmp_path: Path) -> None:
    with one_at_a_time():
        read(page, Reader(tmp_path, live=True))


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Waits for other processes: the pages name the port at which their receiver listens."""
    with (Path(tempfile.gettempdir()) / "journeys-pages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(page: Path, reader: Reader) -> None:
    """Follows the page to its end and reports all that is wrong with it."""
    document = parse(page, reader.evaluate)
    wrong = []
    examples = list(document.examples())
    try:
        for example in examples:
            try:
                example.evaluate()
            except SybilFailure as failure:
                wrong.append(str(failure))
    finally:
        left = reader.close()
    if os.environ.get("WRITE_DOCS"):
        text = document.text
        for example in reversed(examples):
            if example.region.start in reader.shown:
                start = example.region.start + getattr(example.parsed, "offset", 0)
                shown = reader.shown[example.region.start]
                text = text[:start] + shown + text[start + len(example.parsed) :]
        page.write_text(text, "utf-8")
    assert not wrong, "\n\n".join(wrong)
    assert left is None, left
