"""The packages that only an embedded Kafka needs: the extra `kafka`."""

from __future__ import annotations

import importlib
from types import ModuleType

from agents.errors import UserError


class ExtraMissing(UserError):
    """A package of the extra `kafka` is not installed."""


def load(name: str) -> ModuleType:
    """Imports a module of the extra.

    Raises:
        ExtraMissing: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"A Kafka of its own needs the extra `kafka` ({error.name} is not installed): "
            "pip install 'journeys-engine[kafka]'. "
            "With JOURNEYS_BROKER=HOST:PORT a Kafka that already runs is used instead."
        ) from None
