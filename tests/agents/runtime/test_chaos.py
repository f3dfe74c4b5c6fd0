"""Whatever is done to the workers, and in whatever order, every input takes effect exactly once."""

import random
from pathlib import Path

import pytest

from tests.agents.runtime.chaos import chaos


@pytest.mark.world
@pytest.mark.fault
@pytest.mark.slow
def test_chaos(broker: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    account, done = chaos(broker, tmp_path, 15, seed)
    assert account.faults() == {}, (seed, done)
    assert account.inputs > 0
    # -15: it was asked to stop before it had installed its signal handlers.
    ends = {what for what in done if what.startswith("stop ")}
    assert ends <= {"stop ended with 0", "stop ended with -15"}
