"""The journeys that the engine is measured with: ten that a shop would run, as often as wanted.

With the traffic of traffic.py about one event in ten enters a journey or moves an instance. What
they wait for takes longer than a measurement, so that the result doesn't depend on its speed.
"""

from pathlib import Path

from benchmarks.traffic import shop_suffix

DESTINATIONS = """
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:9/mail
---
kind: Destination
name: chat
type: http
url: http://127.0.0.1:9/chat
"""

_SHOP = (Path(__file__).parent / "shop.yaml").read_text("utf-8").split("---\n")


def journey_set(journeys: int) -> str:
    """YAML of so many journeys: those of one shop after the other; the last shop's may be fewer."""
    documents = (
        _SHOP[number % len(_SHOP)].replace("@", shop_suffix(number // len(_SHOP)))
        for number in range(journeys)
    )
    return "---\n".join([DESTINATIONS, *documents])


def shops(journeys: int) -> int:
    """How many shops so many journeys belong to."""
    return -(-journeys // len(_SHOP))
