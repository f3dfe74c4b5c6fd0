"""A cluster of the torture: who leads and who controls is known, and its network can be cut."""

from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.kafka.creating import create_topics
from agents.kafka.topics import EVENTS
from tests.torture.cluster import Cluster
from tests.torture.network import Network


def test_workers_are_cut_off_while_the_account_is_not(tmp_path: Path) -> None:
    with Network() as network, Cluster(network, tmp_path, 1) as cluster:
        create_topics(cluster.bootstrap, 2)
        (node,) = cluster.nodes
        assert cluster.controller() is node
        assert cluster.leader(EVENTS, 1) is node
        assert cluster.followers(EVENTS, 1) == []
        workers = AdminClient({"bootstrap.servers": cluster.for_workers, "log_level": 0})
        assert {one.port for one in workers.list_topics(timeout=10).brokers.values()} == {
            node.workers.port
        }
        with node.workers.cut():
            with pytest.raises(KafkaException):
                workers.list_topics(timeout=0.5)
            cluster.wait_whole()
        assert EVENTS in workers.list_topics(timeout=10).topics
