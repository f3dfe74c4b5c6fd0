"""What a worker and its operator see when a topic is lost; and two independent installations on
one cluster."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from agents.kafka.client import admin_client
from agents.kafka.creating import make
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.produce import Producer
from agents.kafka.topics import EVENTS, OUTCOMES, TOPICS
from tables.changelog import POSITION_KEY
from tests.agents.commands.conftest import Journeys
from tests.agents.commands.welcome import DESTINATION, JOURNEY
from tests.committed import CommittedLog
from tests.loopback import delete_topics

pytestmark = pytest.mark.fault


def make_again(broker: str, name: str, partitions: int) -> AdminClient:
    client = admin_client(broker)
    delete_topics(client, name)
    make(client, broker, [one for one in TOPICS if one.name == name], {}, partitions, 1)
    return client


def test_a_lost_topic_ends_the_worker_and_adopting_asks_what_follows(
    journeys: Journeys,
) -> None:
    broker = journeys.environment["JOURNEYS_BROKER"]
    worker = journeys.worker("evaluate")
    sent = "".join(json.dumps({"userId": f"u{n}", "event": "Signed Up"}) + "\n" for n in range(20))
    assert journeys.run("send", "-", stdin=sent).returncode == 0
    log, kept = CommittedLog(broker, "journeys.users", 3), set[bytes | None]()
    while len(kept) < 20:  # what is written later would be found in the topic that is recreated
        kept |= {one.key() for one in log.new(wait=0.5)} - {POSITION_KEY}
    log.close()
    make_again(broker, "journeys.users", 3)
    began = time.monotonic()
    assert worker.ended(90) == 70
    assert time.monotonic() - began < 60  # workers look every 30 s
    last = worker.output.splitlines()[-1]
    assert last.startswith(
        "stopped: TopicError: The topic journeys.users of this installation was deleted and"
    )
    assert "Traceback" not in worker.output
    for command in (["worker", "evaluate"], ["up"], ["topics", "create", "--partitions", "3"]):
        done = journeys.run(*command)
        assert done.returncode == 1
        assert re.fullmatch(
            r"journeys: The topic journeys\.users of this installation was deleted and recreated: "
            r"what it held is gone\. `journeys topics adopt` .*\n",
            done.stderr,
        )
    declined = journeys.run("topics", "adopt", stdin="n\n")
    assert declined.returncode == 1
    assert "profiles, instances and timers of all users are lost" in declined.stdout
    assert "evaluate continues at the end of journeys.events" in declined.stdout
    assert journeys.run("topics", "check").returncode == 1
    adopted = journeys.run("topics", "adopt", "--yes")
    assert adopted.returncode == 0, adopted.stderr
    assert journeys.run("topics", "check").returncode == 0
    assert "nothing to adopt" in journeys.run("topics", "adopt").stdout


def test_records_of_a_recreated_topic_are_not_taken_for_repeats_of_the_former_ones(
    journeys: Journeys,
) -> None:
    """An event without a messageId is identified by its position, and so are its outcomes."""
    broker = journeys.environment["JOURNEYS_BROKER"]
    ids, log = [], CommittedLog(broker, OUTCOMES, 3)
    for number, accepting in enumerate(((), ("--accept-loss",))):
        worker = journeys.worker("evaluate", *accepting)
        producer = Producer(broker)
        event = {"userId": "u", "event": "Known", "traits": {"n": number}}
        producer.send(EVENTS, json.dumps(event).encode(), b"u")
        producer.send(EVENTS, b"no event", b"u")
        producer.flush()
        told: list[Any] = []
        while len(told) < 2:
            told += [json.loads(one.value() or b"") for one in log.new(wait=0.5)]
        assert {one["type"] for one in told} == {"profile.changed", "event.rejected"}
        ids += [one["outcome_id"] for one in told]
        worker.popen.terminate()
        assert worker.ended() == 0
        make_again(broker, EVENTS, 3)
    assert len(set(ids)) == 4


@pytest.mark.world
def test_two_installations_share_a_cluster(empty_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    shops = {}
    try:
        for name, users in (("journeys-a.", 3), ("journeys-b.", 5)):
            folder = tmp_path / name
            folder.mkdir()
            shop = shops[name] = Journeys(empty_kafka.bootstrap, folder)
            shop.environment |= {"JOURNEYS_PREFIX": name, "JOURNEYS_PARTITIONS": str(users)}
            up = shop.start("up", "--deliver", "0")
            while up.until("ready") != "ready\n":
                pass
            documents = shop.write("journey.yaml", DESTINATION + "---\n" + JOURNEY)
            applied = shop.run("apply", documents)
            assert applied.returncode == 0, applied.stderr
            events = "".join(f'{{"userId":"u{n}","event":"Signed Up"}}\n' for n in range(users))
            assert shop.run("send", "-", stdin=events).returncode == 0
        for name, users in (("journeys-a.", 3), ("journeys-b.", 5)):
            shop = shops[name]
            tail = shop.start("tail", "actions", "--from-start", "--json")
            for _ in range(users):
                tail.until('"action_id"')
            outcomes = shop.run("tail", "outcomes", "--from-start", "--json", "--exit-idle", "2")
            causes = {json.loads(line)["cause"]["topic"] for line in outcomes.stdout.splitlines()}
            assert causes == {"journeys.config", "journeys.events"}  # the same in every one
            entered = [line for line in outcomes.stdout.splitlines() if '"journey.entered"' in line]
            assert len({json.loads(line)["user_id"] for line in entered}) == users
    finally:
        for shop in shops.values():
            shop.close()
    listed = admin_client(empty_kafka.bootstrap).list_topics(timeout=10).topics
    ours = {name for name in listed if name.startswith("journeys")}
    assert {name.split(".")[0] for name in ours} == {"journeys-a", "journeys-b"}
