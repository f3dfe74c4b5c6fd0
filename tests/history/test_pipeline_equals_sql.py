"""The same journeys through Kafka, two evaluate workers and RocksDB, in stream time."""

from pathlib import Path

import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from tests.history import logs
from tests.history.compare import actual, by_any_partition, differences, expected
from tests.history.test_equals_sql import CASES, documents
from tests.pipeline.stack import stack


@pytest.mark.slow
def test_the_pipeline_says_what_sql_computes(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    history = list(logs.once(logs.bursts(4_000, ordered=True)))
    for number, event in enumerate(history, 1):  # without one it is another place than in a file
        event["messageId"] = event.get("messageId") or str(number)
    log = logs.write(history, tmp_path / "log.jsonl")
    with stack(kafka, {"register": 1, "evaluate": 2}, "--clock", "stream") as made:
        assert {one["type"] for one in made.apply(documents())} == {"config.accepted"}
        for event in history:
            made.send(event, event.get("userId") or event["anonymousId"])
        made.advance()
        made.wait_applied()
        outcomes = made.journey_outcomes()
        actions = made.actions("answers", "thanks", "watchers")
        assert made.dead() == []
    assert len(actions) > 100
    wanted = by_any_partition(expected(log, CASES).rows)
    assert differences(wanted, by_any_partition(actual(outcomes, actions))) == []
