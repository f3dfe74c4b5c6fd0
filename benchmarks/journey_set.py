"""The journeys that the engine is measured with: ten journeys of a shop, for any number of shops.

With the traffic of traffic.py, about one event in ten enters a journey or moves an instance. Waits
are longer than a measurement, so the result doesn't depend on its speed.
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
    """YAML of a number of journeys, shop by shop; the last shop may have fewer than ten."""
    documents = (
        _SHOP[number % len(_SHOP)].replace("@", shop_suffix(number // len(_SHOP)))
        for number in range(journeys)
    )
    return "---\n".join([DESTINATIONS, *documents])


def shops(journeys: int) -> int:
    """The number of shops that a number of journeys needs."""
    return -(-journeys // len(_SHOP))
