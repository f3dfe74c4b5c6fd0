from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agents.host.asked import Asked


@pytest.fixture
async def asked(broker: str, tmp_path: Path) -> AsyncIterator[Asked]:
    asked = Asked(broker, tmp_path)
    await asked.health.start()
    yield asked
    await asked.health.stop()
