"""The shop's traffic that every contender of a benchmark gets: the same events in the same order.

One event in ten starts a checkout above 50; users are skewed (a few are busy, most are rare).
"""

import random
from collections.abc import Iterator

import msgspec
from confluent_kafka import Producer

EVENTS = ["page_viewed"] * 5 + ["product_viewed"] * 3 + ["checkout_started"] * 2
TITLE = "The quick brown fox jumps over the lazy dog and runs away from here."


def events(count: int, users: int = 20_000, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """(user id, event as JSON), about 560 bytes each."""
    chance = random.Random(seed)
    for number in range(count):
        user = f"u{int(users * chance.random() ** 2)}"
        event = {
            "event": EVENTS[chance.randrange(10)],
            "userId": user,
            "messageId": f"m-{number:012d}-{chance.getrandbits(32):08x}",
            "properties": {
                "total": round(chance.random() * 100, 2),
                "currency": "EUR",
                "cartId": f"cart-{chance.randrange(10**8):08d}",
                "url": f"https://shop.example.com/products/{chance.randrange(10**6)}?utm=news",
                "title": TITLE,
                "sku": f"SKU-{chance.randrange(10**6):06d}",
                "category": "shoes/running/women",
                "quantity": chance.randrange(9) + 1,
                "coupon": None,
                "isMobile": chance.random() < 0.5,
                "referrer": "https://search.example.com/?q=running+shoes",
                "locale": "de-DE",
            },
        }
        yield user, msgspec.json.encode(event)


def preload(broker: str, topic: str, count: int, users: int = 20_000) -> None:
    """Writes the traffic to a topic, keyed by user as every Kafka client would."""
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 2_000_000,
            "batch.size": 200_000,
        }
    )
    for number, (user, value) in enumerate(events(count, users)):
        producer.produce(topic, value, user.encode())
        if number % 2_000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0
