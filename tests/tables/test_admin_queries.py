"""After an error a new client asks, so a change of leaders costs one question at most."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tables.admin_queries import AdminQueries


class Brokers:
    """Makes clients, each with a number that the question can read."""

    def __init__(self) -> None:
        self.made: list[AdminClient] = []

    def __call__(self) -> AdminClient:
        self.made.append(AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}))
        return self.made[-1]


EPOCH = KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH))
REFUSED = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


@pytest.mark.parametrize("error", [EPOCH, REFUSED, TimeoutError(), ValueError()])
def test_who_answered_with_an_error_is_not_asked_again(error: Exception) -> None:
    brokers = Brokers()
    queries = AdminQueries(brokers)
    assert queries.run(lambda client: client) is queries.run(lambda client: client)

    def fail(client: AdminClient) -> None:
        raise error

    with pytest.raises(type(error)):
        queries.run(fail)
    queries.run(lambda client: client)
    assert len(brokers.made) == 2


def test_an_error_of_the_client_that_was_kept_is_over_with_the_next() -> None:
    """As librdkafka does it: what a client has learnt of a leader it never forgets."""
    brokers = Brokers()
    queries = AdminQueries(brokers)
    queries.run(lambda client: client)

    def answer(client: AdminClient) -> int:
        if client is brokers.made[0]:
            raise EPOCH
        return 7

    assert queries.run_with_retry(10, answer) == 7


def test_a_right_that_is_missing_is_reported_at_once() -> None:
    asked = 0

    def refuse(client: AdminClient) -> None:
        nonlocal asked
        asked += 1
        raise REFUSED

    with pytest.raises(KafkaException):
        AdminQueries(Brokers()).run_with_retry(60, refuse)
    assert asked == 1
