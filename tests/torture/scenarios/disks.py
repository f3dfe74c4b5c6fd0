"""Local state that is lost, damaged, or has no room."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage


@scenario(45)
def state_deleted(stage: Stage) -> None:
    for role in ("evaluate", "deliver"):
        stage.some(1, 4)
        stage.delete_state(role)  # under running workers
        stage.some(1, 4)
        for name in stage.roles[role].names:
            stage.fault(f"kill -9 {role}, without its state")
            stage.roles[role].kill(name)


@scenario(60)
def state_corrupted(stage: Stage) -> None:
    for _ in stage.rounds(3):
        for role in ("evaluate", "deliver"):
            stage.some(1, 4)
            for name in stage.roles[role].names:
                stage.fault(f"kill -9 {role}, its state corrupted")
                stage.roles[role].kill(name)
            for folder in stage.state(role):
                for path in folder.iterdir():
                    if path.is_file() and stage.chance.random() < 0.5:
                        _corrupt(stage, path)


def _corrupt(stage: Stage, path: Path) -> None:
    size = path.stat().st_size
    match stage.chance.choice(["cut", "flip", "delete"]):
        case "delete":
            path.unlink()
        case "cut":
            os.truncate(path, stage.chance.randint(0, size))
        case "flip" if size:
            with path.open("r+b") as file:
                file.seek(stage.chance.randrange(size))
                file.write(stage.chance.randbytes(16))


@scenario(60, own_disk=True)
def disk_full(stage: Stage) -> None:
    """The state directory's file system is full, and has room again later."""
    pids = {name: stage.roles["evaluate"].pid(name) for name in stage.roles["evaluate"].names}
    folder = Path(stage.environment["JOURNEYS_STATE_DIR"])
    assert folder.stat().st_dev != folder.parent.stat().st_dev, "it has no file system of its own"
    stage.some(3, 5)
    with stage.during("disk full"):
        free = shutil.disk_usage(folder).free
        with (folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free)
        for name in pids:
            stage.roles["evaluate"].kill(name)
        stage.pause(15)
        assert not all(stage.roles["evaluate"].readiness().values()), "it was not full"
        (folder / "filler").unlink()
