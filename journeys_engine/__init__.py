"""The one package that is installed: it starts the command line from its own path root.

Law: no other distribution's package is overwritten, and no module of the current folder is run. In
a wheel `journeys`, `tables` and `agents` are in `_root`, out of everybody's way; in a checkout they
are beside this folder. Two packages called `agents` in one process are not supported.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGES = ("agents", "journeys", "tables")


def activate() -> Path:
    """Puts the folder of the engine's packages in front of `sys.path`, and returns it.

    Raises:
        ImportError: another distribution's package of one of their names is imported already.
    """
    here = Path(__file__).resolve().parent
    root = here / "_root" if (here / "_root").is_dir() else here.parent
    for name in PACKAGES:
        found = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.modules and (found is None or root / name != Path(found).resolve().parent):
            raise ImportError(
                f"{name!r} is imported already, from {found}. journeys-engine has a package of "
                "that name too, and a process can use one of them: give the engine its own."
            )
    if str(root) not in sys.path[:1]:
        sys.path.insert(0, str(root))
    return root


def main() -> None:
    """The command `journeys`."""
    activate()
    from agents.cli import main as run

    run()
