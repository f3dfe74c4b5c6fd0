"""A destination's server and a site of deliver workers, for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.delivery.receiver import Receiver
from tests.agents.delivery.site import Site


@pytest.fixture
def site(broker: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(broker, tmp_path)
    yield site
    site.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
