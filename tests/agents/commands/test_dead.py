"""`journeys dead`: letters are found, put back once, and lost by nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from agents.client.dead_letters import Filter
from agents.client.dead_topic import read
from agents.delivery.outcomes import dead_letter
from agents.kafka.broker import committed_ends
from agents.kafka.client import admin_queries
from agents.kafka.creating import create_destination_topics
from agents.kafka.partitioner import partition_for
from journeys.records.dead_letter import DeadLetter, dead_input
from journeys.records.input import Input
from journeys.records.outcome import Cause
from tests.agents.commands.conftest import COMMAND, Journeys, Process
from tests.agents.delivery.receiver import Receiver, Reply
from tests.terminal import Terminal

ROOT = Path(__file__).parents[3]
DOCUMENTS = """\
kind: Destination
name: mailer
type: http
url: {url}
---
kind: Journey
name: welcome
entry: {{event: Signed Up}}
nodes:
  mail: {{type: destination, destination: mailer, payload: {{to: '${{user.id}}'}}}}
"""


def set_aside(journeys: Journeys, *letters: DeadLetter) -> None:
    """Writes dead letters, each into the partition of its input, as the workers do."""
    producer = Producer({"bootstrap.servers": broker_of(journeys)})
    for letter in letters:
        assert letter.cause.partition is not None
        value = msgspec.json.encode(letter)
        producer.produce("journeys.dead", value, partition=letter.cause.partition)
    assert producer.flush(30) == 0


def poison(user: str, offset: int = 0, event: str = "Signed Up") -> DeadLetter:
    """An event without a messageId on which evaluate failed."""
    value = json.dumps({"event": event, "userId": user}).encode()
    partition = partition_for(user.encode(), 3)
    one = Input("journeys.events", partition, 1_000 + offset, user.encode(), value)
    return dead_input(one, ZeroDivisionError("a defect"), 0, "evaluate")


def broker_of(journeys: Journeys) -> str:
    return journeys.environment["JOURNEYS_BROKER"]


def committed(journeys: Journeys, topic: str) -> list[Message]:
    """All of a topic's records that a reader can see."""
    broker = broker_of(journeys)
    places = [TopicPartition(topic, number, 0) for number in range(3)]
    ends = committed_ends(admin_queries(broker), places)
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "test",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign(places)
    found: list[Message] = []
    reached = dict.fromkeys(ends, 0)
    while any(reached[number] < end for number, end in ends.items()):
        message = consumer.poll(30)
        assert message is not None, f"{topic}: {reached}, not {ends}"
        reached[message.partition()] = message.offset()
        if message.error() is None:
            reached[message.partition()] += 1
            found.append(message)
    consumer.close()
    return found


def listed(journeys: Journeys, *options: str) -> list[dict[str, Any]]:
    done = journeys.run("dead", "list", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def outcome(outcomes: Process, type: str, user: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = json.loads(outcomes.until(f'"type":"{type}"'))
        if told["user_id"] == user:
            return told


def test_an_action_that_was_refused_is_delivered_after_a_replay(journeys: Journeys) -> None:
    with Receiver(Reply(400)) as receiver:
        journeys.environment["JOURNEYS_ALLOW_HOSTS"] = "127.0.0.1"
        journeys.worker("register")
        file = journeys.write("welcome.yaml", DOCUMENTS.format(url=receiver.url))
        assert journeys.run("apply", file).returncode == 0
        journeys.worker("evaluate")
        journeys.worker("deliver")
        outcomes = journeys.start("tail", "outcomes", "--from-start")
        letters = journeys.start("tail", "dead", "--from-start")
        event = '{"event": "Signed Up", "userId": "ann"}\n'
        assert journeys.run("send", "-", stdin=event).returncode == 0
        failed = outcome(outcomes, "action.failed", "ann")
        (letter,) = listed(journeys)
        assert (letter["role"], letter["reason"], letter["status"]) == (
            "deliver",
            "refused",
            "open",
        )
        assert (letter["destination"], letter["journey"], letter["user"]) == (
            "mailer",
            "welcome",
            "ann",
        )
        shown = json.loads(journeys.run("dead", "show", letter["dead_id"][:8], "--json").stdout)
        assert shown["value"]["action_id"] == failed["detail"]["action_id"]
        assert "answered 400" in shown["detail"]

        receiver.rule = Reply(200)
        done = journeys.run("dead", "replay", letter["dead_id"][:8])
        assert (done.returncode, done.stdout) == (0, "1 dead letter replayed\n"), done.stderr
        delivered = outcome(outcomes, "action.delivered", "ann")
        assert delivered["detail"]["action_id"] == failed["detail"]["action_id"]
        assert delivered["detail"]["attempts"] == 1
        assert letters.until(letter["dead_id"])
        mark = json.loads(letters.until(letter["dead_id"]))
        assert (mark["mark"], mark["dead_id"]) == ("replayed", letter["dead_id"])

        assert listed(journeys) == []
        (closed,) = listed(journeys, "--all")
        assert closed == letter | {"status": "replayed"}
        done = journeys.run("dead", "replay", letter["dead_id"])
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{letter['dead_id']} was replayed before. --again replays it again." in done.stderr
        done = journeys.run("dead", "replay", letter["dead_id"], "--again", "--json")
        assert json.loads(done.stdout)["replayed"] == 1
        outcome(outcomes, "action.delivered", "ann")
        assert len({request.key for request in receiver.wait_for(3)}) == 1
        first, *again = committed(journeys, "journeys.actions.mailer")
        assert [(one.key(), one.value(), one.partition()) for one in again] == [
            (first.key(), first.value(), first.partition())
        ] * 2


def test_a_poison_event_takes_effect_when_it_is_replayed_and_only_once(
    journeys: Journeys,
) -> None:
    journeys.worker("register")
    file = journeys.write("welcome.yaml", DOCUMENTS.format(url="http://127.0.0.1:9/"))
    assert journeys.run("apply", file).returncode == 0
    journeys.worker("evaluate")
    outcomes = journeys.start("tail", "outcomes", "--from-start")
    set_aside(journeys, letter := poison("ann"))
    assert journeys.run("dead", "replay", "--all").returncode == 0
    entered = outcome(outcomes, "journey.entered", "ann")
    assert entered["detail"]["message_id"] == f"journeys.events-{letter.cause.partition}-1000"
    assert journeys.run("dead", "replay", letter.dead_id, "--again").returncode == 0
    bell = '{"event": "Rang", "userId": "ann", "traits": {"bell": 1}}\n'
    assert journeys.run("send", "-", stdin=bell).returncode == 0
    while True:
        told = json.loads(outcomes.until('"user_id":"ann"'))
        assert told["type"] != "journey.entered", "the same event was applied twice"
        if told["type"] == "profile.changed":
            break
    sent = [one for one in committed(journeys, "journeys.events") if b"Signed Up" in one.value()]
    assert [one.partition() for one in sent] == [letter.cause.partition] * 2


def test_letters_are_listed_by_filters_and_discarded(journeys: Journeys) -> None:
    create_destination_topics(broker_of(journeys), "mailer")
    cause = Cause("journeys.actions.mailer", 0, 0)
    value = b'{"user_id": "ben", "journey": "welcome"}'
    refused = dead_letter("refused", "no\x1b[31m", cause, b"ben", value, 0)
    set_aside(journeys, *(poison(f"u-{number}", number) for number in range(5)))
    set_aside(journeys, refused)
    assert [one["dead_id"] for one in listed(journeys)][-1] == refused.dead_id
    assert len(listed(journeys, "--role", "evaluate")) == 5
    assert [one["user"] for one in listed(journeys, "--user", "u-3")] == ["u-3"]
    for options in (
        ("--reason", "refused"),
        ("--destination", "mailer"),
        ("--journey", "welcome"),
        ("--limit", "1"),
    ):
        assert [one["dead_id"] for one in listed(journeys, *options)] == [refused.dead_id]
    assert len(listed(journeys, "--since", "1h")) == 6
    assert listed(journeys, "--until", "1h") == []
    assert listed(journeys, "--since", "2099-01-01T00:00:00Z") == []

    code, shown = journeys.on_terminal("dead", "list")
    assert code == 0
    assert refused.dead_id[:8] in shown
    assert "→ mailer" in shown
    assert "\x1b[31m" not in shown
    shown = journeys.run("dead", "show", refused.dead_id).stdout
    assert '"journey": "welcome"' in shown
    assert "\x1b" not in shown

    done = journeys.run("dead", "discard", "--role", "evaluate", "--limit", "2", "--dry-run")
    assert done.stdout.endswith("2 dead letters would be discarded\n")
    assert len(listed(journeys)) == 6
    done = journeys.run("dead", "discard", "--role", "evaluate", "--json")
    assert json.loads(done.stdout)["discarded"] == 5
    assert [one["dead_id"] for one in listed(journeys)] == [refused.dead_id]
    discarded = poison("u-1", 1).dead_id
    done = journeys.run("dead", "replay", discarded)
    assert (done.returncode, "was discarded before" in done.stderr) == (1, True)
    assert committed(journeys, "journeys.events") == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["replay"], 2, "IDs, a filter, or --all"),
        (["replay", "abcd", "--all"], 2, "either IDs or a filter"),
        (["replay", "--all", "--again"], 2, "name the IDs"),
        (["list", "--since", "yesterday"], 2, "'yesterday' is neither"),
        (["show", "{id}"], 1, "did you mean"),
        (["replay", "{id}"], 1, "did you mean"),
        (["discard", "nobody"], 1, "There is no dead letter 'nobody'"),
        (["replay", "--user", "gone"], 1, "has no partition 7 any more. Nothing was done."),
        (["replay", "--user", "nobody"], 0, ""),
    ],
)
def test_an_invalid_request_changes_nothing(
    journeys: Journeys, arguments: list[str], code: int, said: str
) -> None:
    letter = poison("ann")
    gone = dead_letter("refused", "", Cause("journeys.actions.old", 1, 0), b"gone", b"{}", 0)
    producer = Producer({"bootstrap.servers": broker_of(journeys)})
    moved = msgspec.structs.replace(gone, cause=Cause("journeys.actions.old", 7, 0))
    producer.produce("journeys.dead", msgspec.json.encode(moved), partition=1)
    assert producer.flush(30) == 0
    set_aside(journeys, letter)
    wrong = letter.dead_id[:-1] + "?"
    done = journeys.run("dead", *(one.format(id=wrong) for one in arguments))
    assert done.returncode == code, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert len(listed(journeys)) == 2
    assert committed(journeys, "journeys.events") == []


def test_of_two_commands_the_older_one_is_fenced_and_nothing_is_replayed_twice(
    journeys: Journeys,
) -> None:
    set_aside(journeys, *(poison(f"u-{number}", number) for number in range(700)))
    command = [str(COMMAND), "dead", "replay", "--all"]
    older = Terminal(command, journeys.environment, journeys.folder)
    try:
        asked = "Replay these 700 dead letters?"
        assert older.until(lambda lines: any(asked in line for line in lines), 60), older.lines
        done = journeys.run("dead", "replay", "--all", "--yes")
        assert done.stdout == "700 dead letters replayed\n", done.stderr
        older.type("y")
        assert older.ended() == 3, older.lines
        assert any("Another `journeys dead` has started" in line for line in older.lines)
    finally:
        older.close()
    assert len(committed(journeys, "journeys.events")) == 700
    assert listed(journeys) == []


def test_answering_no_changes_nothing(journeys: Journeys) -> None:
    set_aside(journeys, poison("ann"), poison("ben"))
    terminal = Terminal(
        [str(COMMAND), "dead", "replay", "--all"], journeys.environment, journeys.folder
    )
    try:
        assert terminal.until(lambda lines: any("[y/N]" in line for line in lines), 60)
        terminal.type("n")
        assert terminal.ended() == 1
    finally:
        terminal.close()
    assert len(listed(journeys)) == 2


DIES = """
import os, signal, sys
from agents.client.dead_topic import Writer, read
from agents.client.dead_letters import Filter, mark_of, original
broker = sys.argv[1]
writer = Writer(broker)
letters = read(broker).fitting(Filter())
writer._producer.begin_transaction()
for letter in letters:
    writer._produce(original(letter))
    writer._produce(mark_of(letter, "replayed", 0))
writer._producer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.fault
def test_a_command_that_is_killed_before_its_commit_has_done_nothing(journeys: Journeys) -> None:
    set_aside(journeys, *(poison(f"u-{number}", number) for number in range(20)))
    killed = subprocess.run([sys.executable, "-c", DIES, broker_of(journeys)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    done = journeys.run("dead", "replay", "--all")
    assert done.stdout == "20 dead letters replayed\n", done.stderr
    assert len(committed(journeys, "journeys.events")) == 20
    assert listed(journeys) == []


def test_who_writes_reads_on_behind_transactions_that_are_open(journeys: Journeys) -> None:
    broker = broker_of(journeys)
    first, hidden = poison("ann"), poison("ann", 1)
    set_aside(journeys, first)
    worker = Producer({"bootstrap.servers": broker, "transactional.id": "a-worker"})
    worker.init_transactions(30)
    worker.begin_transaction()
    worker.produce("journeys.dead", b"{}", partition=first.cause.partition)
    assert worker.flush(30) == 0
    set_aside(journeys, hidden)
    seen: list[int] = []
    reader = threading.Thread(
        target=lambda: seen.append(len(read(broker, wait_for_transactions=True).fitting(Filter())))
    )
    reader.start()
    assert len(read(broker).fitting(Filter())) == 1  # what can be seen, at once
    assert seen == []
    worker.commit_transaction(30)
    reader.join(60)
    assert seen == [2]
