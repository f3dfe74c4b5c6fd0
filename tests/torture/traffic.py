"""What users do: a stream of events that Kafka has acknowledged, drawn from a seed."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import Producer

from agents.kafka.topics import EVENTS

USERS = 200
_RECENT = 20
_KINDS = {"tick": 40, "begin": 24, "pay": 20, "cancel": 3, "ask": 5, "repeat": 5, "unknown": 3}


class Traffic:
    """Events at a rate, beside whatever else happens.

    Attributes:
        acknowledged: how many Kafka took; the log holds exactly these.
        refused: how many it did not, within five minutes each.
    """

    def __init__(self, broker: str, seed: int, prefix: str = "", users: int = USERS) -> None:
        self._prefix = prefix
        self._users = users
        self._chance = random.Random(seed)
        self._sent = 0
        self._orders: list[tuple[str, str]] = []
        self._recent: dict[str, deque[dict[str, Any]]] = {}
        self.acknowledged = 0
        self.refused = 0
        self._producer = Producer(
            {
                "bootstrap.servers": broker,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": 8_000_000,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 0,
            }
        )

    def play(self, seconds: float, rate: float) -> None:
        """Sends for so long, `rate` events a second; returns when Kafka has them all."""
        started = time.monotonic()
        for number in range(int(seconds * rate)):
            self.send(self.draw())
            ahead = (number + 1) / rate - (time.monotonic() - started)
            self._producer.poll(ahead if ahead > 0.002 else 0)
        self.flush()

    def beside(self, seconds: float, rate: float) -> threading.Thread:
        thread = threading.Thread(target=self.play, args=(seconds, rate), daemon=True)
        thread.start()
        return thread

    def draw(self) -> dict[str, Any]:
        """The next event."""
        chance = self._chance
        user = f"u{chance.randrange(self._users)}"
        (kind,) = chance.choices(list(_KINDS), list(_KINDS.values()))
        self._sent += 1
        if kind in ("pay", "cancel") and not self._orders:
            kind = "unknown"
        if kind == "repeat" and (recent := self._recent.get(user)):
            return chance.choice(recent)
        properties: dict[str, Any] = {"number": self._sent}
        if kind == "begin":
            properties["order"] = f"o{self._prefix}{self._sent}"
            self._orders = [*self._orders[-300:], (user, properties["order"])]
        elif kind in ("pay", "cancel"):
            user, properties["order"] = chance.choice(self._orders)
        event = {
            "event": "tick" if kind == "repeat" else kind,
            "userId": user,
            "messageId": f"m{self._prefix}{self._sent}",
            "properties": properties,
        }
        self._recent.setdefault(user, deque(maxlen=_RECENT)).append(event)
        return event

    def begin(self, count: int) -> list[tuple[str, str]]:
        """Begins this many orders at once; returns users and orders when Kafka has them."""
        begun = [(f"u{n % self._users}", f"o{self._prefix}{self._sent}-{n}") for n in range(count)]
        for user, order in begun:
            self._send_of("begin", user, order)
        self.flush()
        return begun

    def pay(self, orders: Iterable[tuple[str, str]]) -> None:
        """Pays for orders; returns at once."""
        for user, order in orders:
            self._send_of("pay", user, order)
        self._producer.poll(0)

    def _send_of(self, kind: str, user: str, order: str) -> None:
        self._sent += 1
        properties = {"number": self._sent, "order": order}
        id = f"m{self._prefix}{self._sent}"
        self.send({"event": kind, "userId": user, "messageId": id, "properties": properties})

    def send(self, event: dict[str, Any]) -> None:
        self.send_raw(json.dumps(event).encode(), event["userId"].encode())

    def send_raw(
        self,
        value: bytes,
        key: bytes | None,
        partition: int = -1,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """partition: -1 for the one of the key."""
        while True:
            try:
                self._producer.produce(
                    EVENTS,
                    value,
                    key,
                    partition,
                    on_delivery=self._delivered,
                    headers=list(headers) or None,
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def flush(self) -> None:
        assert self._producer.flush(300) == 0, "Kafka did not take everything"

    def _delivered(self, error: Any, message: Any) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.refused += 1
