"""What keeps tests apart that run one after the other, or at once, on one machine.

Law: no test takes a port that another one's program may be given, and none finds a topic of the
engine's that another one left on the shared Kafka.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from agents.kafka.client import admin_client

# Below the ephemeral ports, which the kernel gives to anybody, and below the embedded Kafka's.
PORTS = range(10_000, 20_000)


def free_port() -> int:
    """A port on which nothing listens."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def delete_topics(client: AdminClient, *names: str) -> None:
    """Deletes topics and returns when the broker no longer shows them."""
    for future in (client.delete_topics(list(names)) if names else {}).values():
        future.result(10)
    while client.list_topics(timeout=10).topics.keys() & set(names):
        pass


@contextmanager
def no_journeys_topics(bootstrap: str) -> Iterator[None]:
    """A block that begins without the engine's topics and leaves none behind."""
    _delete_journeys_topics(bootstrap)
    try:
        yield
    finally:
        _delete_journeys_topics(bootstrap)


def _delete_journeys_topics(bootstrap: str) -> None:
    client = admin_client(bootstrap)
    shown = client.list_topics(timeout=10).topics
    delete_topics(client, *(name for name in shown if name.startswith("journeys")))
