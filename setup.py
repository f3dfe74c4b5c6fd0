"""Builds the package, and with JOURNEYS_COMPILE=1 its hot modules as C extensions.

They are the same sources, compiled by mypyc: docs/decisions/compiled-engine.md. Everything else
about the package is in pyproject.toml.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

COMPILED = """
ids time
records/admission records/event_counts records/message_ids records/traits
expressions/expression expressions/templates
catalog/context_paths catalog/program catalog/running
engine/dispatch engine/entries engine/exits_and_goals engine/instance_run engine/instance_states
engine/lifecycle
engine/processor engine/rejections engine/step engine/step_context engine/sweep engine/timers
engine/user_step engine/waits
simulation/backtest
""".split()
"""Modules of `journeys`. Not those with records that msgspec decodes or pydantic checks: both read
annotations that a compiled class doesn't keep."""


def extensions() -> list[Extension]:
    """None, unless they are asked for: a checkout runs its sources."""
    if os.environ.get("JOURNEYS_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    paths = [str(Path("journeys", f"{name}.py")) for name in COMPILED]
    # The name of what they share puts it into a package: beside them it would not be found where
    # the project is installed as editable.
    files = [*paths, "tables/view.py", "tables/users.py"]
    return list(mypycify(files, debug_level="0", group_name="journeys.engine"))


setup(ext_modules=extensions())
