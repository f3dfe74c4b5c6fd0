"""A worker's app in this process, whose batches the test takes itself."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka.admin import AdminClient, NewTopic

from agents.host.app import App
from agents.host.health import Health
from agents.kafka.client import base_config
from agents.runtime.partition import Batch
from agents.settings import LOOPBACK
from tests.agents.runtime.counting import CODEC


class Asked:
    """A worker's app without Faust around it, and its page."""

    def __init__(
        self, broker: str, directory: Path, token: str | None = None, host: str = LOOPBACK
    ) -> None:
        client = base_config(broker)
        name = uuid.uuid4().hex[:8]
        self.source = f"in-{name}"
        admin = AdminClient(client)
        self.out, self.changelog = f"out-{name}", f"log-{name}"
        topics = [NewTopic(topic, 2, 1) for topic in (self.source, self.out, self.changelog)]
        for created in admin.create_topics(topics).values():
            created.result()
        self.app = App(name, broker=broker, client=client, state_dir=directory)
        source = self.app.source(self.source, changelog=self.changelog, codec=CODEC)
        # Agents run only within a started app; here the test is the one that takes the batches.
        self.batches: asyncio.Queue[Batch] = asyncio.Queue()
        source.batches.put = self.batches.put
        self.health = Health(self.app, "asked", 0, token, host)

    async def metrics(self, accept: str = "text/plain") -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"{self.health.url}/metrics", headers={"Accept": accept})

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.health.url}/ready")
            return answer.status_code, answer.json()
