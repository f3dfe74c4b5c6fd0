"""Three brokers that are one Kafka, or one alone, behind a network that can fail.

Each node has three listeners: PLAINTEXT, which is never disturbed, is for the users and for the
account; WORKERS and REPLICAS, for the workers and for the other nodes, lead through proxies.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.kafka.embedded.broker import (
    HOST,
    ClusterNode,
    EmbeddedKafka,
    new_cluster_id,
)
from tests.loopback import free_port
from tests.torture.network import Network, Proxy

WHOLE_SECONDS = 90.0


class Node:
    """One broker, which is a controller as well.

    Attributes:
        workers, replicas: the ways to it of the workers and of the other nodes.
    """

    def __init__(self, network: Network, port: int, node: ClusterNode, folder: Path) -> None:
        self.id = node.id
        self.port = port
        self.folder = folder
        listening = {"WORKERS": free_port(), "REPLICAS": free_port()}
        self.workers, self.replicas = (network.proxy(at) for at in listening.values())
        advertised = {
            "PLAINTEXT": port,
            "WORKERS": self.workers.port,
            "REPLICAS": self.replicas.port,
        }
        copies = str(min(3, len(node.controller_ports)))
        in_sync = str(min(2, len(node.controller_ports)))
        self.kafka = EmbeddedKafka(
            folder,
            port,
            listeners=listening,
            node=node,
            settings={
                "advertised.listeners": ",".join(
                    f"{name}://{HOST}:{at}" for name, at in advertised.items()
                ),
                "listener.security.protocol.map": ",".join(
                    f"{name}:PLAINTEXT" for name in ("CONTROLLER", *advertised)
                ),
                "inter.broker.listener.name": "REPLICAS",
                "default.replication.factor": copies,
                "min.insync.replicas": in_sync,
                "offsets.topic.replication.factor": copies,
                "transaction.state.log.replication.factor": copies,
                "transaction.state.log.min.isr": in_sync,
                "share.coordinator.state.topic.replication.factor": copies,
                "share.coordinator.state.topic.min.isr": in_sync,
                # A leader that is back leads again within seconds, not within five minutes.
                "leader.imbalance.check.interval.seconds": "5",
                # How long a suspended copy counts as in sync, and its broker as alive (30 s and
                # 9 s by default): longer than users wait, or no timer would be due meanwhile.
                "replica.lag.time.max.ms": "10000",
                "broker.session.timeout.ms": "7000",
            },
        )

    def stop_still(self) -> None:
        """SIGSTOP: the node is suspended until `go_on`."""
        os.kill(self.kafka.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.kafka.pid, signal.SIGCONT)


class Cluster:
    """A context manager that starts the nodes and stops them.

    Attributes:
        bootstrap, for_workers: addresses of all nodes: undisturbed, and through the proxies.
    """

    def __init__(self, network: Network, folder: Path, count: int = 3) -> None:
        id, controllers = new_cluster_id(), {n: free_port() for n in range(1, count + 1)}
        self.nodes = [
            Node(network, free_port(), ClusterNode(n, id, controllers), folder / f"node-{n}")
            for n in controllers
        ]
        self.bootstrap = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        self.for_workers = ",".join(f"{HOST}:{node.workers.port}" for node in self.nodes)

    def __enter__(self) -> Self:
        try:
            self._each(lambda node: node.kafka.start())
            self.wait_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._each(lambda node: node.kafka.stop())

    def _each(self, what: Callable[[Node], Any]) -> None:
        """At once: none of them answers alone."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            for done in [pool.submit(what, node) for node in self.nodes]:
                done.result()

    # ---- who does what
    def leader(self, topic: str, partition: int) -> Node:
        return self._node(self._topics()[topic].partitions[partition].leader)

    def followers(self, topic: str, partition: int) -> list[Node]:
        """Those that copy a partition and are no more behind than they may be."""
        found = self._topics()[topic].partitions[partition]
        return [self._node(id) for id in found.isrs if id != found.leader]

    def coordinator(self, group: str) -> Node:
        admin = self._admin()
        described = admin.describe_consumer_groups([group], request_timeout=10)
        return self._node(described[group].result(20).coordinator.id)

    def controller(self) -> Node:
        """The active one, from the nodes' own metadata: clients are given any broker's id."""
        books = []
        for node in self.nodes:
            book = node.folder / "data" / "__cluster_metadata-0" / "quorum-state"
            state = json.loads(book.read_text())
            books.append((state["leaderEpoch"], state["leaderId"]))
        return self._node(max(books)[1])

    def wait_whole(self) -> None:
        """Returns when all copies of all partitions are in sync."""
        limit = time.monotonic() + WHOLE_SECONDS
        while time.monotonic() < limit:
            try:
                if self._is_whole():
                    return
            except KafkaException:
                pass
            time.sleep(0.2)
        raise AssertionError(f"the cluster is not whole after {WHOLE_SECONDS:.0f} s")

    def _is_whole(self) -> bool:
        found = self._admin().list_topics(timeout=5)
        partitions = (one for topic in found.topics.values() for one in topic.partitions.values())
        return len(found.brokers) == len(self.nodes) and all(
            one.leader >= 0 and len(one.isrs) == len(one.replicas) for one in partitions
        )

    def _topics(self) -> Any:
        return self._admin().list_topics(timeout=10).topics

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def _node(self, id: int) -> Node:
        return next(node for node in self.nodes if node.id == id)

    # ---- what is done to the network
    @contextmanager
    def each_way(self, what: Callable[[Proxy], Any], *, replicas: bool = False) -> Iterator[None]:
        """`what`, a context, on the workers' ways to all nodes, or on the nodes' own."""
        with ExitStack() as contexts:
            for node in self.nodes:
                contexts.enter_context(what(node.replicas if replicas else node.workers))
            yield
