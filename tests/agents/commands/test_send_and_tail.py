"""`journeys send` and `journeys tail`: what is sent, at which offsets, and what is printed."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.kafka.broker import committed_ends
from agents.kafka.client import admin_queries
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.partitioner import partition_for
from tests.agents.commands.conftest import COMMAND, Journeys

JOURNEY = """\
kind: Destination
name: mailer
type: http
url: http://mail.example.com/
---
kind: Journey
name: welcome
entry: {event: Signed Up}
nodes:
  answered: {type: wait_for_event, event: Bought, within: 2d, on_timeout: mail, next: done}
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
  done: {type: exit}
"""


def event(name: str, user: str, day: int, **more: str) -> str:
    fields = {"event": name, "userId": user, "timestamp": f"2026-01-{day:02}T12:00:00.000Z"}
    return json.dumps({"messageId": f"{name}-{user}-{day}", **fields, **more}) + "\n"


@pytest.fixture
def log(journeys: Journeys) -> Iterator[Log]:
    """What is added to the events during the test."""
    log = Log(journeys.environment["JOURNEYS_BROKER"], 3)
    yield log
    log.close()


class Log:
    """Reads what is added to `journeys.events` after this."""

    def __init__(self, broker: str, partitions: int) -> None:
        self._consumer = Consumer({"bootstrap.servers": broker, "group.id": "test", "log_level": 0})
        places = [TopicPartition("journeys.events", number) for number in range(partitions)]
        ends = committed_ends(admin_queries(broker), places)
        self._consumer.assign(
            [TopicPartition("journeys.events", number, end) for number, end in ends.items()]
        )

    def read(self, count: int) -> list[tuple[int, bytes]]:
        """The next records: partition and value; each partition's in order."""
        found = []
        while len(found) < count:
            message = self._consumer.poll(30)
            assert message is not None, f"only {len(found)} of {count} records came"
            if message.error() is None:
                found.append((message.partition(), message.value()))
        return found

    def close(self) -> None:
        self._consumer.close()


def test_events_stand_in_their_users_partition_in_the_order_of_the_file(
    journeys: Journeys, log: Log
) -> None:
    lines = [event("Seen", f"user-{n % 17}", 1, number=str(n)) for n in range(1_000)]
    anonymous = '{"event": "Seen", "anonymousId": "a-1"}\n'
    (journeys.folder / "events.jsonl.gz").write_bytes(
        gzip.compress(("".join(lines) + "\n" + anonymous).encode())
    )
    done = journeys.run("send", "events.jsonl.gz", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["sent"], counts["failed"], counts["without_user"]) == (1_001, 0, 0)
    by_user = defaultdict(list)
    for partition, value in log.read(1_001):
        user = (found := json.loads(value)).get("userId") or found["anonymousId"]
        assert partition == partition_for(user.encode(), 3)
        by_user[user].append(value.decode() + "\n")
    assert len(by_user) == 18
    for n in range(17):
        assert by_user[f"user-{n}"] == lines[n::17]


def test_lines_that_are_not_events_are_sent_and_reported(journeys: Journeys, log: Log) -> None:
    lines = ["not json", '{"event": "Seen"}', '{"event": "Seen", "userId": 5.5}', "[]"]
    done = journeys.run("send", "-", stdin="\n".join([*lines, event("Seen", "u", 1)]))
    assert done.returncode == 0
    assert done.stdout.startswith("5 events sent in ")
    assert done.stderr == (
        "4 lines (1, 2, 3, ...) are not JSON with a userId or anonymousId: sent without a key; "
        "the engine reports event.rejected\n"
    )
    values = [value.decode() for _, value in log.read(5)]
    assert set(lines) < set(values)


def test_a_file_that_is_not_there_is_one_line(journeys: Journeys) -> None:
    done = journeys.run("send", "nowhere.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "journeys: nowhere.jsonl can't be read: no such file or directory\n"


def test_send_without_events_or_a_time_is_a_wrong_use(journeys: Journeys) -> None:
    assert journeys.run("send").returncode == 2
    assert journeys.run("send", "--advance", "tomorrow").returncode == 2


def test_a_rate_is_kept(journeys: Journeys) -> None:
    lines = "".join(event("Seen", "u", 1) for _ in range(30))
    done = journeys.run("send", "-", "--rate", "20", "--json", stdin=lines)
    assert json.loads(done.stdout)["seconds"] >= 1.5


@pytest.mark.fault
def test_what_a_lost_broker_did_not_take_is_counted(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    journeys = Journeys(own_kafka.bootstrap, tmp_path)
    journeys.environment["JOURNEYS_KAFKA_MESSAGE_TIMEOUT_MS"] = "2000"
    assert journeys.run("topics", "create").returncode == 0
    log = Log(own_kafka.bootstrap, 4)
    sender = journeys.start("send", "-")
    sender.stdin.write(event("Seen", "u", 1))
    sender.stdin.flush()
    log.read(1)
    log.close()
    own_kafka.kill()
    sender.stdin.write(event("Seen", "u", 2) + event("Seen", "u", 3))
    sender.stdin.close()
    assert sender.ended() == 1
    assert "1 event sent" in sender.output
    assert "journeys: 2 records were not delivered: " in sender.output


def test_a_history_comes_out_of_the_workers_as_out_of_a_backtest(journeys: Journeys) -> None:
    """Sent, applied under the stream clock, followed to its end: the same outcomes and actions."""
    name = journeys.write("journey.yaml", JOURNEY)
    history = journeys.write(
        "history.jsonl",
        event("Signed Up", "ann", 1)
        + event("Signed Up", "bob", 2)
        + event("Bought", "ann", 2)
        + event("Signed Up", "cid", 3),
    )
    # The topic of these actions does not exist yet; it is followed once it is created.
    actions = journeys.start("tail", "actions", "--json")
    actions.until("following actions")
    journeys.worker("register")
    journeys.worker("evaluate", "--clock", "stream")
    assert journeys.run("apply", name).returncode == 0
    sent = journeys.run("send", history, "--advance", "end")
    assert sent.returncode == 0, sent.stderr
    assert "4 events sent in " in sent.stdout
    # The last timer: bob and cid wait an hour for what does not come.
    assert sent.stdout.splitlines()[-1].startswith("clock advanced to 20")
    again = journeys.run("send", "--advance", "2000-01-01T00:00:00Z")
    assert again.returncode == 1
    assert "journeys: the clock is already ahead of 2000-01-01T00:00:00Z in " in again.stderr
    later = journeys.run("send", "--advance", "2101-01-01T00:00:00Z")
    assert (later.returncode, later.stdout) == (0, "clock advanced to 2101-01-01T00:00:00Z\n")
    backtest = journeys.run(
        *("backtest", name, "--events", history, "--drain"),
        *("--outcomes", "outcomes.jsonl", "--actions", "actions.jsonl"),
    )
    assert backtest.returncode == 0, backtest.stderr
    wanted_actions = ids(journeys, "actions.jsonl", "action_id")
    wanted = ids(journeys, "outcomes.jsonl", "outcome_id")
    assert (len(wanted_actions), len(wanted)) == (2, 22)
    actions.until_all(wanted_actions)
    outcomes = journeys.start("tail", "outcomes", "--from-start")
    outcomes.until_all(wanted)
    for process in (actions, outcomes):
        process.popen.send_signal(signal.SIGINT)
        assert process.ended() == 0
    # Nothing more has come, and nothing twice.
    done = journeys.run("tail", "outcomes", "--from-start", "--exit-idle", "1")
    assert done.returncode == 0
    found = [one for line in done.stdout.splitlines() if (one := json.loads(line))["instance"]]
    assert sorted(one["outcome_id"] for one in found) == sorted(wanted)


def ids(journeys: Journeys, file: str, name: str) -> list[str]:
    lines = (journeys.folder / file).read_text().splitlines()
    return [json.loads(line)[name] for line in lines]


def test_on_a_terminal_an_outcome_is_a_line_to_read(journeys: Journeys) -> None:
    journeys.worker("register")
    name = journeys.write("again.yaml", JOURNEY.replace("welcome", "read-me"))
    assert journeys.run("apply", name).returncode == 0
    code, shown = journeys.on_terminal("tail", "outcomes", "--from-start", "--exit-idle", "1")
    assert code == 0
    (line,) = [line for line in shown.splitlines() if "Journey/read-me" in line]
    assert "config.accepted" in line
    code, shown = journeys.on_terminal(
        "tail", "outcomes", "--from-start", "--exit-idle", "1", "--json"
    )
    assert {"config.accepted"} <= {json.loads(line)["type"] for line in shown.splitlines()}


def test_tail_ends_quietly_when_its_reader_has_enough(journeys: Journeys) -> None:
    assert journeys.run("send", "-", stdin="x\n" * 3_000).returncode == 0
    journeys.worker("evaluate")  # answers each with event.rejected: more than a pipe holds
    tail = journeys.start("tail", "outcomes", "--from-start")
    for _ in range(3_000):
        tail.until('"event.rejected"')
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {COMMAND} tail outcomes --from-start | head -n 1"],
        env=journeys.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
