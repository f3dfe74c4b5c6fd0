"""Builds the wheel: its layout, and with JOURNEYS_COMPILE=1 its hot modules as C extensions.

The extensions are the same sources, compiled by mypyc: docs/decisions/compiled-engine.md. Why there
is a layout: docs/decisions/wheel.md. Everything else about the package is in pyproject.toml.
"""

import os
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

COMPILED = """
ids time
records/admission records/event_counts records/message_ids records/traits
expressions/expression expressions/templates
catalog/context_paths catalog/program catalog/running
engine/branches engine/dispatch engine/entries engine/exits_and_goals engine/instance_run
engine/instance_states
engine/lifecycle engine/node_step
engine/processor engine/rejections engine/step engine/step_context engine/sweep engine/timers
engine/user_step engine/waits
simulation/backtest
""".split()
"""Modules of `journeys`. Not those with records that msgspec decodes or pydantic checks: both read
annotations that a compiled class doesn't keep."""

IMPORTED = "journeys_engine"
"""The only package that a wheel adds to the environment; the others are in `_root` within it."""
ROOT = Path(IMPORTED, "_root")


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


class BuildPy(build_py):
    """Puts packages, and the examples that the demo plays, below ROOT unless it's editable."""

    def run(self) -> None:
        if not self.editable_mode:
            # What an earlier build left there would be part of the wheel.
            shutil.rmtree(self.build_lib, ignore_errors=True)
            made = shutil.ignore_patterns("__pycache__")
            shutil.copytree("examples", Path(self.build_lib, ROOT, "examples"), ignore=made)
        super().run()

    def get_module_outfile(self, build_dir: str, package: list[str], module: str) -> str:
        return super().get_module_outfile(self._below(build_dir, package[0]), package, module)

    def _get_pkg_data_files(self, package: str) -> tuple[str, str, str, list[str]]:
        package, source, _, names = super()._get_pkg_data_files(package)
        folders = package.split(".")
        target = os.path.join(self._below(self.build_lib, folders[0]), *folders)
        return package, source, target, names

    def _below(self, build: str, package: str) -> str:
        return build if self.editable_mode or package == IMPORTED else os.path.join(build, ROOT)


class BuildExt(build_ext):
    """Puts extensions beside the modules that they were made of."""

    def run(self) -> None:
        # While it builds, setuptools takes `inplace` away and copies afterwards.
        self._in_place = bool(self.inplace) or self.editable_mode
        super().run()

    def get_ext_fullpath(self, name: str) -> str:
        if self._in_place:
            return super().get_ext_fullpath(name)
        file = self.get_ext_filename(self.get_ext_fullname(name))
        return os.path.join(self.build_lib, ROOT, file)


class EggInfo(egg_info):
    """Names the package that is imported, so that tools don't take `agents` for ours."""

    def run(self) -> None:
        super().run()
        Path(self.egg_info, "top_level.txt").write_text(f"{IMPORTED}\n", encoding="utf-8")


setup(
    ext_modules=extensions(),
    cmdclass={"build_py": BuildPy, "build_ext": BuildExt, "egg_info": EggInfo},
)
