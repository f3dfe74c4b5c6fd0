"""The traffic of a shop, the same events in the same order for every contender.

One event in ten is a checkout above 50, for which the toy step writes an output. Users are skewed:
a few have many events, most have few. A purchase has the cart of its user's last checkout.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

SHARES = {
    "page_viewed": 500,
    "product_viewed": 278,
    "checkout_started": 125,
    "purchase_completed": 50,
    "cart_updated": 30,
    "signed_in": 12,
    "payment_failed": 3,
    "ticket_opened": 2,
}
"""Events of a name per thousand."""
DEAREST = 250.0
"""What is spent is anything up to this: four checkouts in five are above 50."""
USERS = 20_000
SIZE = 560
_TEXT = "The quick brown fox jumps over the lazy dog and runs away from here. "


@dataclass(frozen=True)
class Traffic:
    """The parameters of the traffic.

    Attributes:
        users: the number of users.
        shops: the number of shops. Shops have different event names, so a journey receives only
            the events of its shop.
        size: approximate bytes of an event; at least 300.
        seed: the same seed gives the same events.
    """

    users: int = USERS
    shops: int = 1
    size: int = SIZE
    seed: int = 7

    def events(self, count: int) -> Iterator[tuple[str, dict[str, object]]]:
        """(User id, event) in order. Events have no timestamp and no arrival time."""
        chance = random.Random(self.seed)
        names = [name for name, share in SHARES.items() for _ in range(share)]
        text = _TEXT * (self.size // len(_TEXT) + 1)
        carts: dict[str, str] = {}
        for number in range(count):
            user = f"u{int(self.users * chance.random() ** 2)}"
            name = names[chance.randrange(len(names))]
            cart = f"cart-{chance.randrange(10**8):08d}"
            if name == "checkout_started":
                carts[user] = cart
            elif name == "purchase_completed":
                cart = carts.get(user, cart)
            properties: dict[str, object] = {
                "sent": 0,  # ms, where latency is measured
                "total": round(chance.random() * DEAREST, 2),
                "currency": "EUR",
                "cartId": cart,
                "quantity": chance.randrange(9) + 1,
                "country": "DE" if chance.random() < 0.9 else "US",
                "isMobile": chance.random() < 0.5,
            }
            if self.size >= 500:
                properties |= {
                    "url": f"https://shop.example.com/products/{number}?utm=news",
                    "sku": f"SKU-{number % 1_000_000:06d}",
                    "category": "shoes/running/women",
                    "coupon": None,
                    "referrer": "https://search.example.com/?q=running+shoes",
                    "locale": "de-DE",
                }
            event: dict[str, object] = {
                "event": name + shop_suffix(chance.randrange(self.shops) if self.shops > 1 else 0),
                "userId": user,
                "messageId": f"m-{number:012d}-{chance.getrandbits(32):08x}",
                "properties": properties,
            }
            missing = self.size - (410 if self.size >= 500 else 214)
            properties["text"] = text[: max(missing, 0)]
            yield user, event


def shop_suffix(shop: int) -> str:
    """The suffix of the event names of a shop."""
    return f"_{shop}" if shop else ""
