"""What a worker keeps on disk is its user's alone."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.agents.commands.conftest import Journeys


def test_nobody_else_can_read_the_state(journeys: Journeys, tmp_path: Path) -> None:
    older = tmp_path / "state" / "register-0"  # as an older version made it
    older.mkdir(parents=True, mode=0o755)
    worker = journeys.worker("register")
    journeys.write("wait.yaml", "kind: Lifecycle\njourney: none\nstatus: paused\n")
    assert journeys.run("apply", "wait.yaml").returncode == 1, "the store has been written to"
    worker.popen.terminate()
    assert worker.ended() == 0
    kept = [older, *older.rglob("*"), older.with_name("register-0.lock")]
    assert any(path.suffix == ".sst" or path.name == "CURRENT" for path in kept)
    for path in kept:
        rights = stat.S_IMODE(path.stat().st_mode)
        assert rights & 0o077 == 0, f"{path}: {rights:o}"
