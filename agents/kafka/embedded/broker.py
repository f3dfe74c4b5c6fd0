"""A real Apache Kafka as a child process: one KRaft node on loopback, from Python packages alone.

Law: it never outlives the process that started it (agents/processes/guard.py) and listens on
127.0.0.1 only. Its data is deleted on stop, unless a folder was named.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.errors import UserError
from agents.kafka.embedded.class_archive import ClassArchive, listing, using
from agents.kafka.embedded.jars import classpath
from agents.kafka.embedded.java import find_java
from agents.processes import guard

HOST = "127.0.0.1"
START_SECONDS = 60.0
LOG_LINES_SHOWN = 25
# Below Linux's and macOS's ephemeral ports: while the broker is down, a client that connects to an
# ephemeral port may get the same port as its own and connect to itself; then the broker can't
# return.
PORTS = range(20_000, 30_000)
CHOICES = 3  # attempts to choose ports, as another program may take one first
JVM_FLAGS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.apache.logging.log4j.level=WARN",
)


class EmbeddedKafkaError(UserError):
    """The embedded broker did not start or ended by itself."""


class ClusterNode(NamedTuple):
    """Makes a broker a node of a cluster in which every node is a controller, too.

    id: of the node, from 1 on
    cluster: the cluster's id: a UUID as Kafka writes it, the same for all nodes
    controller_ports: of all nodes, by id
    """

    id: int
    cluster: str
    controller_ports: Mapping[int, int]

    @property
    def settings(self) -> dict[str, str]:
        """The broker properties for this."""
        voters = (f"{id}@{HOST}:{port}" for id, port in self.controller_ports.items())
        return {"node.id": str(self.id), "controller.quorum.voters": ",".join(voters)}


class EmbeddedKafka:
    """An embedded Kafka broker; a context manager that starts and stops it.

    Args:
        data_dir: folder of the broker's data, kept on stop and reused by the next start; without
            it, a temporary folder that is removed on stop.
        port: TCP port on 127.0.0.1; without it a free one.
        report: called with a line of progress when the start takes longer than usual (download).
        listeners: more listeners on 127.0.0.1, such as `{"SASL_SSL": 20001}`.
        settings: additional properties of the broker, which override the defaults.
        node: the broker's place in a cluster; `start` returns once most of the cluster's nodes run.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        port: int | None = None,
        report: Callable[[str], None] | None = None,
        listeners: Mapping[str, int] | None = None,
        settings: Mapping[str, str] | None = None,
        node: ClusterNode | None = None,
    ) -> None:
        self._named_dir = data_dir
        self._named_port = port
        self._report = report
        self._listeners = dict(listeners or {})
        self._settings = {**(node.settings if node else {}), **(settings or {})}
        self._node = node
        self._dir: Path | None = None
        self._ports: tuple[int, int] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._new_archive: ClassArchive | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients, `127.0.0.1:PORT`; unchanged by `restart`."""
        if self._ports is None:
            raise EmbeddedKafkaError("The embedded Kafka has not been started.")
        return f"{HOST}:{self._ports[0]}"

    @property
    def pid(self) -> int:
        """The process id of the broker's JVM."""
        if self._pid is None or not self.is_running():
            raise EmbeddedKafkaError("The embedded Kafka is not running.")
        return self._pid

    @property
    def log_path(self) -> Path:
        """The file with the broker's output (warnings and errors)."""
        return self._folder() / "broker.log"

    def is_running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> Self:
        """Starts the broker and returns when it answers; does nothing when it already runs.

        Raises:
            EmbeddedKafkaError: the port is taken, or the broker ended or did not answer within
                60 s; the message has the last lines of its log.
            JarError: the broker could not be downloaded.
            ExtraMissing: there is no Java, or nothing to download the broker with.
        """
        if self.is_running():
            return self
        java, jars = find_java(), classpath(self._report)
        if self._dir is None:
            self._dir = self._named_dir or Path(tempfile.mkdtemp(prefix="journeys-kafka-"))
            self._dir = self._dir.absolute()
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        atexit.register(self.stop)
        command = [str(java), *JVM_FLAGS, "-cp", os.pathsep.join(map(str, jars))]
        archive = ClassArchive(java, jars, JVM_FLAGS)
        if (found := archive.find()) is not None:
            command += using(found)
        elif self._new_archive is None:
            self._new_archive = archive
        try:
            if self._ports is None:
                self._start_on_free_ports(command)
            else:
                self._launch(command)
        except BaseException:
            self.stop()
            self._ports = None
            raise
        return self

    def _start_on_free_ports(self, java: list[str]) -> None:
        """Starts on free ports; chooses others if another program has taken one in the meantime."""
        for _ in range(CHOICES):
            own = self._node and self._node.controller_ports[self._node.id]
            self._ports = _choose_ports(self._named_port, own)
            try:
                return self._launch(java)
            except EmbeddedKafkaError as error:
                self._command(b"K")
                if all(map(_is_free, self._ports)):
                    raise
                failed = error
        raise failed

    def stop(self) -> None:
        """Ends the broker (SIGTERM, after 15 s SIGKILL); removes the data unless it was named."""
        if self._new_archive:
            self._new_archive.stop()
            self._new_archive = None
        self._command(b"T")
        if self._named_dir is None and self._dir is not None:
            shutil.rmtree(self._dir, ignore_errors=True)
            self._dir = None
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """Ends the broker with SIGKILL and keeps its data; `restart` brings it back."""
        self._command(b"K")

    def restart(self) -> Self:
        """Starts the broker again on the same port with the same data; kills it first if it
        runs."""
        self._folder()
        self.kill()
        return self.start()

    def wait(self) -> None:
        """Blocks while the broker runs.

        Raises:
            EmbeddedKafkaError: it ended by itself.
        """
        if self._guard is not None:
            code = self._guard.wait()
            raise EmbeddedKafkaError(f"The embedded Kafka ended (code {code}).{self._log_end()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _folder(self) -> Path:
        if self._dir is None:
            raise EmbeddedKafkaError("The embedded Kafka has not been started.")
        return self._dir

    def _command(self, command: bytes) -> None:
        """Sends the guard a command and waits until the broker has ended."""
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(command)
            self._guard.stdin.close()
        except BrokenPipeError:
            pass  # the broker had ended by itself, and the guard with it
        self._guard.wait(guard.STOP_SECONDS + 15)
        self._guard = self._pid = None

    def _launch(self, java: list[str]) -> None:
        folder, config = self._folder(), self._folder() / "kafka.properties"
        assert self._ports is not None
        with (folder / "in-use").open("w") as claim:
            _claim(claim, folder)
            text = broker_properties(folder / "data", *self._ports, self._listeners, self._settings)
            config.write_text(text, encoding="utf-8")
            if not (folder / "data" / "meta.properties").exists():
                _format(java, config, self._node)
            self.log_path.touch()
            throwaway = "" if self._named_dir else str(folder)
            guarded = [sys.executable, "-I", "-S", guard.__file__, str(self.log_path), throwaway]
            classes = folder / "classes"
            options = listing(classes) if self._new_archive else []
            self._guard = subprocess.Popen(
                [*guarded, *java, *options, "kafka.Kafka", str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C in the terminal reaches only us; we then stop it
                pass_fds=[claim.fileno()],  # so the claim lasts as long as the guard
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as pid:
            self._pid = int(pid.readline() or 0)
        self._wait_until_it_answers()
        if self._new_archive:
            self._new_archive.write(classes)
            classes.unlink(missing_ok=True)

    def _wait_until_it_answers(self) -> None:
        # Here the broker is often not up yet: no log lines, and quick attempts.
        client = AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "log_level": 0,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 100,
            }
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.is_running():
                raise EmbeddedKafkaError(f"The embedded Kafka ended at its start.{self._log_end()}")
            try:
                found = client.list_topics(timeout=0.5)
            except KafkaException:
                continue
            # If another broker took the port first, that one answers, and ours ends.
            if found.brokers and found.cluster_id == self._cluster_id():
                return
        raise EmbeddedKafkaError(
            f"The embedded Kafka did not answer within {START_SECONDS:.0f} s.{self._log_end()}"
        )

    def _cluster_id(self) -> str:
        properties = self._folder() / "data" / "meta.properties"
        found = re.search(r"^cluster\.id=(.*)$", properties.read_text("utf-8"), re.MULTILINE)
        return found[1] if found else ""

    def _log_end(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n  ".join(lines[-LOG_LINES_SHOWN:]) or "(nothing)"
        return f" The last lines of its log:\n  {shown}"


def broker_properties(
    data: Path,
    port: int,
    controller_port: int,
    listeners: Mapping[str, int],
    more: Mapping[str, str],
) -> str:
    """The text of the broker's configuration file: one node that is broker and controller."""
    ports = {"PLAINTEXT": port, "CONTROLLER": controller_port, **listeners}
    addresses = ",".join(f"{name}://{HOST}:{number}" for name, number in ports.items())
    protocols = ",".join(f"{name}:{name}" for name in ("PLAINTEXT", *listeners))
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": addresses,
        "advertised.listeners": addresses,
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{protocols}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
        "log.dirs": data,
        # Topics are created explicitly and checked; a misspelt name must not create one.
        "auto.create.topics.enable": "false",
        "message.max.bytes": 16 * 1024 * 1024,
        # One node: every internal topic has one replica. Few partitions, as each costs files.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # After a kill the controller waits for the end of the dead broker's session (9 s by
        # default) before it admits the same node again.
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        # Only topics with their own retention lose old data.
        "log.retention.ms": -1,
        # The default of 128 MB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.cleaner.threads": 1,
        "num.network.threads": 2,
        "num.io.threads": 4,
        **more,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _claim(claim: IO[str], folder: Path) -> None:
    """Locks the folder for one broker: despite Kafka's own lock, a second broker would make the
    first hang."""
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmbeddedKafkaError(f"Another embedded Kafka runs on the folder {folder}.") from None


def new_cluster_id() -> str:
    """A random id of a cluster."""
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _format(java: list[str], config: Path, node: ClusterNode | None) -> None:
    """Creates the data folder that a KRaft node needs before its first start."""
    tool = [*java, "kafka.tools.StorageTool", "format", "--config", str(config)]
    # "=" since a random id may begin with a dash
    one = [f"--cluster-id={new_cluster_id()}", "--standalone"]
    done = subprocess.run(
        [*tool, *(one if node is None else [f"--cluster-id={node.cluster}"])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().replace("\n", "\n  ")
        raise EmbeddedKafkaError(f"The embedded Kafka's data folder can't be made:\n  {said}")


def _choose_ports(named: int | None, controller: int | None) -> tuple[int, int]:
    """Ports for clients and for the controller; the caller's own port must be free."""
    if named is not None and not _is_free(named):
        raise EmbeddedKafkaError(
            f"Port {named} on {HOST} is in use by another program. Give another one with --port."
        )
    free = (port for port in random.sample(PORTS, len(PORTS)) if _is_free(port))
    return named or next(free), controller or next(free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Like the broker's own socket: connections of an older broker in TIME_WAIT don't block the
        # port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
