"""TLS and SASL reach every client, each role needs no more than its rights, and nothing that is
said or kept has a secret in it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.agents.commands.conftest import Journeys
from tests.agents.commands.welcome import JOURNEY
from tests.agents.delivery.receiver import Receiver, Reply
from tests.agents.kafka.secured import USERS, Secured, password, secured_kafka

pytestmark = pytest.mark.world
TOKEN = "sentinel-of-the-destination"
PAGE_TOKEN = "sentinel-of-the-page"
SENTINELS = [TOKEN, PAGE_TOKEN, *map(password, USERS)]
DESTINATION = """\
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:{port}/
headers: {{Authorization: 'Bearer ${{env.TOKEN}}'}}
"""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_kafka(tmp_path_factory.mktemp("certificates")) as secured:
        yield secured


@pytest.fixture
def user(secured: Secured, tmp_path: Path) -> Iterator[Users]:
    users = Users(secured, tmp_path)
    yield users
    for one in users.values():
        one.close()


class Users(dict[str, Journeys]):
    """The command line of each user."""

    def __init__(self, secured: Secured, folder: Path) -> None:
        super().__init__()
        for name in USERS:
            self[name] = Journeys(secured.address, folder)
            self[name].environment |= secured.environment(name)


def everything_kept(bootstrap: str) -> bytes:
    """All records of all topics of the engine, keys, values and headers."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "log_level": 0})
    topics = consumer.list_topics(timeout=10).topics.values()
    places = [TopicPartition(one.topic, n, 0) for one in topics for n in one.partitions]
    ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
    consumer.assign(places)
    found = b""
    left = {(p.topic, p.partition): end for p, end in zip(places, ends, strict=True) if end}
    while left:
        for message in consumer.consume(1_000, 1.0):
            assert message.error() is None, message.error()
            parts = [message.key(), message.value(), *(v for _, v in message.headers() or ())]
            found += b"\n".join(part or b"" for part in parts)
        for place in consumer.position(places):
            if place.offset >= left.get((place.topic, place.partition), 0):
                left.pop((place.topic, place.partition), None)
    consumer.close()
    return found


def test_every_role_and_command_works_and_shows_no_secret(secured: Secured, user: Users) -> None:
    said: list[str] = []

    def run(
        who: str, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = user[who].run(*arguments, stdin=stdin)
        said.append(done.stdout + done.stderr)
        assert done.returncode == 0, said[-1]
        return done

    run("operator", "topics", "create")
    run("operator", "topics", "check")
    workers = [user[role].worker(role) for role in ("register", "evaluate")]
    with Receiver() as receiver:
        receiver.rule = lambda request, before: Reply(400, echo_headers=True)
        user["deliver"].environment |= {
            "JOURNEYS_ALLOW_HOSTS": f"127.0.0.1:{receiver.port}",
            "JOURNEYS_SECRET_TOKEN": TOKEN,
            "JOURNEYS_HEALTH_TOKEN": PAGE_TOKEN,
        }
        workers.append(user["deliver"].worker("deliver"))
        destination = user["operator"].write("to.yaml", DESTINATION.format(port=receiver.port))
        journey = user["operator"].write("journey.yaml", JOURNEY)
        run("operator", "apply", destination, journey)
        run("operator", "plan", journey)
        tail = user["operator"].start("tail", "outcomes", "--from-start")
        run("producer", "send", "-", stdin='{"event":"Signed Up","userId":"u"}\n')
        failed = json.loads(tail.until('"action.failed"'))
        (request,) = receiver.requests
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization: Bearer [secret]" in failed["detail"]["body"]
    dead = run("operator", "tail", "dead", "--from-start", "--exit-idle", "1").stdout
    assert '"refused"' in dead
    for worker in workers:
        worker.popen.terminate()
        assert worker.ended() == 0
        said.append(worker.output)
    said.append(run("deliver", "worker", "--help").stdout)
    kept = everything_kept(secured.kafka.bootstrap) + secured.kafka.log_path.read_bytes()
    state = [path.read_bytes() for path in user["deliver"].folder.rglob("*") if path.is_file()]
    shown = "".join(said) + tail.output
    for secret in SENTINELS:
        assert secret not in shown
        assert secret.encode() not in kept
        assert not any(secret.encode() in one for one in state)


WRONG = {
    "password": ("SASL_PASSWORD", "sentinel-that-is-wrong", "Authentication failed"),
    "authority": ("SSL_CA_LOCATION", "other-ca.pem", "certificate verify failed"),
    "mechanism": ("SASL_MECHANISM", "SCRAM-SHA-256", "Unsupported SASL mechanism"),
}


def test_what_is_wrong_is_one_line_within_seconds_and_an_error(
    secured: Secured, user: Users
) -> None:
    began = time.monotonic()
    for number, (option, value, _) in enumerate(WRONG.values()):
        journeys = user[USERS[number]]
        value = str(secured.folder / value) if value.endswith(".pem") else value
        journeys.environment[f"JOURNEYS_KAFKA_{option}"] = value
    started = [
        (user[USERS[number]].start(*command), what)
        for number, (_, _, what) in enumerate(WRONG.values())
        for command in (["worker", "evaluate"], ["send", "events.jsonl"])
    ]
    for process, what in started:
        assert process.ended() == 1
        (line,) = process.lines
        assert line.startswith(f"journeys: No connection to the Kafka broker at {secured.address}")
        assert what in line
        assert "sentinel" not in line
    assert time.monotonic() - began < 40  # six processes that start at once, on any machine


def test_who_sends_events_can_do_nothing_else(secured: Secured, user: Users) -> None:
    assert user["operator"].run("topics", "create").returncode == 0
    producer = user["producer"]
    name = producer.write("to.yaml", DESTINATION.format(port=1))
    assert producer.run("send", "-", stdin='{"event":"a","userId":"u"}\n').returncode == 0
    for command in (
        ["apply", name],
        ["tail", "outcomes"],
        ["worker", "register"],
        ["topics", "check"],
        ["topics", "create"],
    ):
        done = producer.run(*command)
        assert done.returncode == 1, command
        assert done.stderr.startswith(
            "journeys: The broker refuses the right Describe on journeys."
        ), done.stderr
