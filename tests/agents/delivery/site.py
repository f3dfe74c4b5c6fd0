"""Deliver workers on a real Kafka: destinations, actions for them, and what they reported."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from agents.client.dead_letters import is_mark
from agents.kafka.client import admin_client, base_config, cluster_metadata
from agents.kafka.creating import create_destination_topics, create_topics
from agents.kafka.partitioner import partition_for
from agents.kafka.topics import (
    CATALOG,
    DEAD,
    EVENTS,
    OUTCOMES,
    actions,
    deliveries,
)
from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.ids import action_id
from journeys.records.action import Action
from journeys.records.dead_letter import DeadLetter
from journeys.records.outcome import Outcome
from journeys.records.response import Response
from journeys.records.response import decode as decode_response
from tables.changelog import POSITION_KEY
from tables.deliveries import CODEC, Delivery
from tests.committed import CommittedLog
from tests.forked import JOURNEYS, Forked


class Site:
    """Destinations of one test, with names of its own."""

    def __init__(self, broker: str, directory: Path) -> None:
        self.broker = broker
        self.directory = directory
        self.workers: list[Forked] = []
        self.environment = {"JOURNEYS_ALLOW_HOSTS": "127.0.0.1"}
        found = cluster_metadata(admin_client(broker), broker).topics.get(EVENTS)
        self.partitions = 4 if found is None else len(found.partitions)
        create_topics(broker, self.partitions)
        self._producer = Producer(
            {
                **base_config(broker),
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                # Leaders of a new topic refuse at first; what is sent again would change its order.
                "enable.idempotence": True,
            }
        )
        self._told = {
            topic: CommittedLog(broker, topic, self.partitions, from_now_on=True)
            for topic in (OUTCOMES, DEAD, EVENTS)
        }
        self._outcomes: dict[str, list[Outcome]] = defaultdict(list)
        self._number = 0

    # ---- destinations and actions
    def destination(self, url: str, **fields: Any) -> str:
        """Makes a destination active; returns its name."""
        name = f"to-{uuid.uuid4().hex[:10]}"
        self.put_in_force(name, url, **fields)
        return name

    def put_in_force(self, name: str, url: str, **fields: Any) -> None:
        fields = {"retry": {"for": "10m", "first": "100ms", "max_delay": "1s"}} | fields
        document = {"kind": "Destination", "name": name, "type": "http", "url": url} | fields
        text = msgspec.json.encode(document).decode()
        verdict = check_push(text, "test", Catalog(KINDS))
        assert isinstance(verdict, Accepted), verdict
        create_destination_topics(self.broker, name)
        for key, value in verdict.entries:
            self._producer.produce(CATALOG, key=key, value=value, partition=0)
        assert self._producer.flush(10) == 0

    def request(self, destination: str, user: str = "u-1", **fields: Any) -> str:
        """Writes an action; returns its id."""
        self._number += 1
        made = {"payload": {"n": self._number}, "action": None, "event_name": None, "key": None}
        instance = uuid.uuid4().hex
        action = Action(
            action_id=action_id(instance, "node", 1),
            at="2026-01-18T14:32:15.234Z",
            destination=destination,
            send_key="journey/node",
            user_id=user,
            journey="journey",
            version="0123456789ab",
            instance=instance,
            node="node",
            **(made | fields),
        )
        self.write(destination, user, msgspec.json.encode(action))
        return action.action_id

    def write(self, destination: str, key: str, value: bytes) -> None:
        self._producer.produce(actions(destination), key=key, value=value)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    # ---- workers
    def start(self, *names: str) -> Forked:
        """A worker for the named destinations, or for all."""
        self.flush()
        with (self.directory / "worker.log").open("ab") as log:
            worker = Forked(
                JOURNEYS,
                ["worker", "deliver", *names],
                environment={
                    **os.environ,
                    "JOURNEYS_BROKER": self.broker,
                    "JOURNEYS_STATE_DIR": str(self.directory / "state"),
                    **self.environment,
                },
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    @property
    def log(self) -> str:
        return (self.directory / "worker.log").read_text()

    def wait_for_line(self, text: str, seconds: float = 120) -> None:
        """Waits until a worker has printed a line (a file can only be polled)."""
        limit = time.monotonic() + seconds
        while text not in self.log:
            assert time.monotonic() < limit, f"{text!r} is not in: {self.log}"
            time.sleep(0.05)

    def stop(self, worker: Forked) -> float:
        """A graceful stop; returns how many seconds it took."""
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, self.log
        return time.monotonic() - started

    def close(self) -> None:
        """In good order, so that the next test's worker need not wait for the session to end."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        for log in self._told.values():
            log.close()

    # ---- what they reported
    def outcomes(self, ids: list[str], seconds: float = 120) -> dict[str, list[Outcome]]:
        """The outcomes of actions, once each of them has one, and all that are there by then."""
        self.flush()
        wanted, limit = set(ids), time.monotonic() + seconds
        while True:
            for message in self._told[OUTCOMES].new(wait=0.5):
                outcome = msgspec.json.decode(message.value(), type=Outcome)
                if outcome.detail is not None and "action_id" in outcome.detail:
                    self._outcomes[outcome.detail["action_id"]].append(outcome)
            found = {id: list(told) for id, told in self._outcomes.items() if id in wanted}
            if len(found) == len(wanted):
                return found
            alive = [worker for worker in self.workers if worker.poll() is None]
            assert alive, f"no worker is left: {self.log}"
            assert time.monotonic() < limit, f"{len(found)} of {len(ids)} outcomes: {self.log}"

    def outcome(self, id: str, seconds: float = 120) -> Outcome:
        """The one outcome of an action."""
        (only,) = self.outcomes([id], seconds)[id]
        return only

    def response(self, id: str, seconds: float = 120) -> Response:
        """The one response to a trigger's request; it comes with the request's outcome."""
        self.outcome(id, seconds)
        found: list[Response] = []
        limit = time.monotonic() + seconds
        while not found:  # what is committed together is not seen at the same moment
            assert time.monotonic() < limit, f"no response: {self.log}"
            for message in self._told[EVENTS].to_the_end():
                response = decode_response(message.value())
                if response.action_id == id:
                    user = response.user_id.encode()
                    assert message.headers() == [("journeys-record", b"response")]
                    assert message.key() == user
                    assert message.partition() == partition_for(user, self.partitions)
                    found.append(response)
        (only,) = found
        return only

    def outstanding(self, destination: str) -> dict[str, Delivery]:
        """The records of deliveries that have not ended, as they are committed."""
        topic = deliveries(destination)
        if topic not in self._told:
            self._told[topic] = CommittedLog(self.broker, topic, self.partitions)
        found: dict[str, Delivery] = {}
        for message in self._told[topic].to_the_end():
            key, value = message.key(), message.value()
            if key != POSITION_KEY:
                found.pop(key.decode(), None)
                if value is not None:
                    found[key.decode()], _ = CODEC.unpack(value)
        return found

    def dead_letters(self, topic: str) -> list[DeadLetter]:
        """The dead letters whose cause is in a topic."""
        letters = [one for one in self._told[DEAD].to_the_end() if not is_mark(one)]
        found = [msgspec.json.decode(one.value(), type=DeadLetter) for one in letters]
        return [one for one in found if one.cause.topic == topic]

    def wait_for_dead_letter(self, topic: str, seconds: float = 120) -> DeadLetter:
        limit = time.monotonic() + seconds
        while not (found := self.dead_letters(topic)):
            assert time.monotonic() < limit, f"no dead letter: {self.log}"
        (only,) = found
        return only
