"""The broker's time as a worker knows it: never ahead, and untouched by the machine's own clock."""

import uuid

from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given
from hypothesis import strategies as st

from agents.kafka.client import base_config
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.transaction import Outputs, TransactionalProducer
from tables.changelog import Position

AHEAD = 1_700_000_000_000


class Times:
    """A machine whose clock is far from the broker's."""

    def __init__(self) -> None:
        self.steady = 1_000
        self.clock = BrokerClock(lambda: self.steady, lambda: 5)

    @property
    def broker(self) -> int:
        return self.steady + AHEAD

    def ask(self, there: int, back: int) -> None:
        sent = self.steady
        self.steady += there
        stamp = self.broker
        self.steady += back
        self.clock.observe(stamp, sent, self.steady)


delays = st.integers(0, 10_000)


@given(asked=st.lists(st.tuples(delays, delays, delays), min_size=1))
def test_it_is_never_ahead_and_no_further_behind_than_the_quickest_answer(
    asked: list[tuple[int, int, int]],
) -> None:
    times = Times()
    for there, back, pause in asked:
        times.ask(there, back)
        behind = times.broker - times.clock.now()
        assert 0 <= behind <= back
        times.steady += pause
        assert times.broker - times.clock.now() == behind
    times.ask(0, 0)
    assert times.clock.now() == times.broker


def test_a_late_answer_does_not_set_it_back() -> None:
    times = Times()
    times.ask(0, 1)
    times.ask(0, 60_000)  # the process was paused in between
    assert times.broker - times.clock.now() == 1


def test_a_broker_whose_clock_is_set_back_is_followed() -> None:
    times = Times()
    times.ask(0, 0)
    sent = times.steady
    times.clock.observe(times.broker - 3_600_000, sent, times.steady + 5)
    assert times.broker - times.clock.now() == 3_600_005


def test_until_the_first_stamp_the_time_is_the_machines() -> None:
    clock = Times().clock
    assert (clock.known, clock.now()) == (False, 5)


def test_a_commit_reveals_the_brokers_time(broker: str) -> None:
    name, clock = uuid.uuid4().hex[:8], BrokerClock(wall=lambda: 5)
    topic = NewTopic(f"log-{name}", 1, 1, config={"message.timestamp.type": "LogAppendTime"})
    admin = AdminClient(base_config(broker))
    admin.create_topics([topic])[topic.topic].result()
    producer = TransactionalProducer(base_config(broker), name, topic.topic, 0, clock)
    producer.fence()
    producer.commit(Outputs.none(), [], Position(0, -1))
    assert clock.known
    assert 0 <= BrokerClock().now() - clock.now() < 60_000  # the broker runs on this machine
