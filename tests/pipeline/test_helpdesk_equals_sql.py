"""Four years of real tickets through Kafka, two evaluate workers and RocksDB, in stream time: every
outcome and every action is the one that SQL alone computes, to the millisecond."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from tests.helpdesk.compare import EVENTS, ROOT, differences
from tests.pipeline.stack import Stack, stack

JOURNEY = (ROOT / "examples" / "helpdesk" / "journey.yaml").read_text()
DESTINATIONS = ("reminders", "escalations")


@contextmanager
def helpdesk(kafka: EmbeddedKafka) -> Iterator[Stack]:
    with stack(kafka, {"register": 1, "evaluate": 2}, "--clock", "stream") as made:
        assert {one["type"] for one in made.apply(JOURNEY)} == {"config.accepted"}
        yield made


def assert_equals_sql(installation: Stack) -> None:
    installation.wait_applied()
    outcomes = installation.journey_outcomes()
    actions = installation.actions(*DESTINATIONS)
    assert differences(actions, outcomes) == []
    assert installation.dead() == []
    # The comparison is of what happened; the ids must be unique as well.
    assert len({one["outcome_id"] for one in outcomes}) == len(outcomes)
    assert len({one["action_id"] for one in actions}) == len(actions)


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.fault
def test_kill_9_of_workers_and_of_the_broker_in_the_middle_changes_nothing(
    own_kafka: EmbeddedKafka,
) -> None:
    with helpdesk(own_kafka) as installation:
        traffic = installation.send_file_beside(EVENTS, rate=1_500)
        pause = threading.Event()
        for worker in ("evaluate-0", "evaluate-1"):
            pause.wait(3)
            installation.workers.kill(worker)
        pause.wait(3)
        own_kafka.restart()  # kills it first
        traffic.join()
        installation.flush()
        installation.advance()
        assert_equals_sql(installation)
