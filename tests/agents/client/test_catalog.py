"""At a barrier the catalog is read as far as it can ever come, and no farther is waited for."""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from agents.client.catalog import CatalogReader
from agents.errors import BrokerUnavailable
from agents.kafka.client import base_config
from agents.kafka.creating import create_topics
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.read_to_end import Partition
from agents.kafka.topics import CATALOG
from tables.changelog import POSITION_KEY, Position
from tests.loopback import no_journeys_topics


@pytest.fixture
def bootstrap(kafka: EmbeddedKafka) -> Iterator[str]:
    with no_journeys_topics(kafka.bootstrap):
        create_topics(kafka.bootstrap, 1)
        yield kafka.bootstrap


def register(bootstrap: str) -> Producer:
    """Writes as the register role does."""
    producer = Producer({**base_config(bootstrap), "transactional.id": "test-register"})
    producer.init_transactions(30)
    return producer


def begin(producer: Producer, offset: int) -> None:
    """A transaction that moves the catalog's position on, all of it in the log and left open."""
    producer.begin_transaction()
    producer.produce(CATALOG, Position(offset).pack(), POSITION_KEY, partition=0)
    assert producer.flush(30) == 0


async def test_a_push_that_is_not_there_is_not_waited_for(bootstrap: str) -> None:
    producer = register(bootstrap)
    begin(producer, 3)
    producer.commit_transaction(30)
    reader = CatalogReader(base_config(bootstrap))
    async with asyncio.timeout(60):
        await reader.read_past(3)
        assert reader.config_offset == 3
        await reader.read_past(1_000_000)
    assert reader.config_offset == 3


async def test_a_push_whose_transaction_is_still_open_is_waited_for(bootstrap: str) -> None:
    """The barrier of the same transaction may be readable before the catalog's entry is."""
    producer = register(bootstrap)
    begin(producer, 8)
    reader = CatalogReader(base_config(bootstrap))
    reading = asyncio.ensure_future(reader.read_past(8))
    done, _ = await asyncio.wait([reading], timeout=2)
    assert not done
    producer.commit_transaction(30)
    async with asyncio.timeout(60):
        await reading
    assert reader.config_offset == 8


async def test_an_aborted_push_is_not_waited_for(bootstrap: str) -> None:
    producer = register(bootstrap)
    begin(producer, 8)
    producer.abort_transaction(30)
    reader = CatalogReader(base_config(bootstrap))
    async with asyncio.timeout(60):
        await reader.read_past(8)
    assert reader.config_offset == 0


async def test_waiting_for_a_broker_that_does_not_answer_is_reported(
    bootstrap: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = CatalogReader(base_config(bootstrap))
    silent, ends = iter(range(2)), reader._reader.ends

    def answers_at_last(*, committed: bool = True) -> dict[Partition, int]:
        for _ in silent:
            raise BrokerUnavailable("time-out")
        return ends(committed=committed)

    monkeypatch.setattr(reader._reader, "ends", answers_at_last)
    async with asyncio.timeout(60):
        await reader.read_past(5)
    assert reader.config_offset == 0
    assert capfd.readouterr().err.count("waiting at a barrier") == 2
