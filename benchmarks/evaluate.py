"""Events per second of one evaluate worker on one core, beside an idiomatic Faust agent.

Both get the same traffic on the same embedded Kafka, in turn, round by round; the ratio of one run
is what counts, not its absolute figures. Each worker has core 1 to itself, the broker core 0.

    .venv/bin/python -m benchmarks.evaluate [--rounds 3] [--events 200000] [--peer-events 20000]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.embedded import EmbeddedKafka
from agents.kafka.topics import EVENTS, create_topics
from agents.supervisor import Supervisor
from benchmarks.traffic import preload

ROOT = Path(__file__).parents[1]
PARTITIONS = 4
USERS = 20_000
JOURNEY = """
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:9/unused
---
kind: Journey
name: abandoned-checkout
entry:
  event: checkout_started
  where: event.properties.total > 50.0
  key: event.properties.cartId
nodes:
  bought:
    type: wait_for_event
    event: purchase_completed
    within: 1h
    next: done
    on_timeout: mail
  mail:
    type: destination
    destination: mailer
    payload: {cart: "${journey.key}", total: "${entry.properties.total}"}
  done: {type: exit, reason: bought}
"""


def pin(process: psutil.Process, core: int) -> None:
    for one in [process, *process.children(recursive=True)]:
        one.cpu_affinity([core])


def peer(kafka: EmbeddedKafka, count: int, number: int) -> float:
    """Events per second of the idiomatic agent."""
    name = f"peer-{number}"
    topic = f"{name}-in"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topics = [
        NewTopic(topic, PARTITIONS, 1),
        NewTopic(f"{name}-out", PARTITIONS, 1),
        NewTopic(f"{name}-users-changelog", PARTITIONS, 1, config={"cleanup.policy": "compact"}),
    ]
    for future in admin.create_topics(topics).values():
        future.result()
    preload(kafka.bootstrap, topic, count, USERS)
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "result.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.idiomatic_faust", "worker", "-l", "warn"],
            cwd=ROOT,
            env={
                **os.environ,
                "NAME": name,
                "TOPIC": topic,
                "TOTAL": str(count),
                "BROKER": kafka.bootstrap,
                "STATE": directory,
                "RESULT": str(result),
            },
            stdout=subprocess.DEVNULL,
        )
        pin(psutil.Process(process.pid), 1)
        process.wait(600)
        found = json.loads(result.read_text())
    return found["events"] / found["seconds"]


def ours(kafka: EmbeddedKafka, count: int) -> tuple[float, float]:
    """(Events per second, MB of memory) of `journeys worker evaluate`, from its first event on."""
    state = tempfile.mkdtemp()
    create_topics(kafka.bootstrap, PARTITIONS)
    environment = {
        **os.environ,
        "JOURNEYS_BROKER": kafka.bootstrap,
        "JOURNEYS_STATE_DIR": state,
    }
    journey = Path(state) / "journey.yaml"
    journey.write_text(JOURNEY)
    with Supervisor({"register": 1}, environment=environment) as register:
        register.wait_ready(60)
        apply = [sys.executable, "-m", "agents.cli", "apply", str(journey)]
        subprocess.run(apply, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    preload(kafka.bootstrap, EVENTS, count, USERS)
    with Supervisor({"evaluate": 1}, environment=environment) as evaluate:
        worker = evaluate.names[0]
        pid = None
        while pid is None:
            pid = evaluate.pid(worker)
        pin(psutil.Process(pid), 1)
        evaluate.wait_ready(60)
        first: tuple[float, int] | None = None
        while True:
            page = evaluate.pages()[worker] or {"partitions": []}
            applied, now = sum(one["applied"] for one in page["partitions"]), time.monotonic()
            if applied and first is None:
                first = (now, applied)
            if applied >= count:
                break
            time.sleep(0.05)
        memory = psutil.Process(pid).memory_info().rss / 1e6
    shutil.rmtree(state, ignore_errors=True)
    assert first is not None
    return (applied - first[1]) / (now - first[0]), memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--peer-events", type=int, default=20_000)
    arguments = parser.parse_args()
    rates: list[float] = []
    peers: list[float] = []
    for number in range(arguments.rounds):
        with EmbeddedKafka() as kafka:
            pin(psutil.Process(kafka.pid), 0)
            peers.append(peer(kafka, arguments.peer_events, number))
            rate, memory = ours(kafka, arguments.events)
            rates.append(rate)
        print(
            f"round {number + 1}: idiomatic Faust {peers[-1]:8,.0f}/s   journeys {rate:8,.0f}/s   "
            f"ratio {rate / peers[-1]:4.1f}   memory {memory:.0f} MB ({USERS:,} users)",
            flush=True,
        )
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, peers, strict=True))
    print(f"median ratio: {ratio:.1f}")


if __name__ == "__main__":
    main()
