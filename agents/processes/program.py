"""How a process of this program starts another."""

from __future__ import annotations

import sys

JOURNEYS = (sys.executable, "-P", "-m", "journeys_engine")
"""The command `journeys`. -P: modules in the current folder never shadow ours."""
