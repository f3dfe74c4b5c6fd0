"""Whether the engine runs as C extensions (setup.py), and that none is older than its source."""

from pathlib import Path

import journeys.engine.processor
from agents.errors import UserError

_ROOT = Path(__file__).parents[1]


def is_compiled() -> bool:
    return not str(journeys.engine.processor.__file__).endswith(".py")


def refuse_stale() -> None:
    """Raises UserError when a checkout's source was edited after it was compiled: Python would take
    the extension and silently not the source."""
    if not (is_compiled() and (_ROOT / "pyproject.toml").exists()):
        return
    for extension in _ROOT.glob("*/**/*.so"):
        source = extension.with_name(extension.name.partition(".")[0] + ".py")
        if source.exists() and source.stat().st_mtime > extension.stat().st_mtime:
            raise UserError(
                f"{source.relative_to(_ROOT)} is newer than {extension.name}, which Python would "
                "run instead: `make pure` runs the sources, `make compiled` compiles them again"
            )
