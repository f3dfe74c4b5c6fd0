"""How a process of this program starts another one."""

from __future__ import annotations

import sys

JOURNEYS = (sys.executable, "-P", "-m", "journeys_engine")
"""The command `journeys`. -P: a module of the current folder is never taken for one of ours."""
