"""kind: Lifecycle: pauses, resumes or archives a journey, apart from what it does."""

from __future__ import annotations

from typing import Literal

from journeys.nodes.base import JourneyName
from journeys.schema.fields import (
    Model,
)


class Lifecycle(Model):
    """A change of what becomes of a journey's users, apart from what the journey does."""

    kind: Literal["Lifecycle"]
    name: JourneyName
    description: str | None = None
    status: Literal["running", "paused", "archived"]
