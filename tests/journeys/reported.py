"""Documents, and what is reported about them."""

from __future__ import annotations

from agents.kinds import KINDS
from journeys.checks.check import check

HEAD = "kind: Journey\nname: tour\nentry: {event: start}\nnodes:\n"
MAILER = "---\n{kind: Destination, name: mailer, type: http, url: 'https://mail.example.com/'}\n"


def told(text: str, file: str = "tour.yaml") -> list[str]:
    """The problems of a file with this text, a line each."""
    return [str(problem) for problem in check([(file, text)], KINDS)[1]]
