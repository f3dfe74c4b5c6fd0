"""The types of destinations: one file and one line each."""

from __future__ import annotations

from agents.destinations.base import DestinationType
from agents.destinations.http.type import HTTP

DESTINATION_TYPES: tuple[DestinationType, ...] = (HTTP,)
