"""The types of sources: one file and one line each. There is none yet."""

from __future__ import annotations

from agents.sources.base import SourceType

SOURCE_TYPES: tuple[SourceType, ...] = ()
