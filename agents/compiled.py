"""Whether the engine runs as C extensions (setup.py), and whether any is older than its source."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from agents.errors import UserError

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("journeys", "tables")
"""The packages whose modules setup.py compiles."""


def is_compiled() -> bool:
    engine = find_spec("journeys.engine.processor")  # not imported, as that takes 0.6 s
    assert engine is not None
    assert engine.origin is not None
    return not engine.origin.endswith(".py")


def refuse_stale() -> None:
    """Raises UserError if a checkout's source was edited after it was compiled: Python would
    silently use the old extension."""
    if not (is_compiled() and (_ROOT / "pyproject.toml").exists()):
        return
    for source, extension in stale(_ROOT):
        raise UserError(
            f"{source.relative_to(_ROOT)} is newer than {extension.name}, which Python would "
            "run instead: `make pure` runs the sources, `make compiled` compiles them again"
        )


def stale(root: Path) -> Iterator[tuple[Path, Path]]:
    """The engine's sources below `root` that are newer than their extensions, each with its
    extension."""
    for package in _PACKAGES:
        for extension in (root / package).rglob("*.so"):
            source = extension.with_name(extension.name.partition(".")[0] + ".py")
            if source.exists() and source.stat().st_mtime > extension.stat().st_mtime:
                yield source, extension
