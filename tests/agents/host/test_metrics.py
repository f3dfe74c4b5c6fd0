"""Every metric of the catalogue is on the page, with the number that the worker knows."""

import math
from collections.abc import Iterable

from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from agents import metrics
from agents.metrics import CATALOGUE, Metric
from agents.runtime.partition import Batch
from tests.agents.host.asked import Asked
from tests.agents.runtime.counting import State
from tests.scraped import Values, values_of


def named(names: Iterable[str]) -> set[str]:
    return {name.removesuffix("_total") for name in names}


def test_the_names_follow_the_rules_of_prometheus() -> None:
    declared = [one for one in vars(metrics).values() if isinstance(one, Metric)]
    assert sorted(map(repr, declared)) == sorted(map(repr, CATALOGUE)), "none is left out"
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE)
    for one in CATALOGUE:
        assert one.name.startswith("journeys_")
        assert one.name.endswith("_total") == (one.type == "counter")
        assert one.type != "histogram" or one.name.endswith("_seconds")
        assert one.help.endswith(".")


async def test_an_idle_worker_declares_every_metric(asked: Asked) -> None:
    answer = await asked.metrics()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    for one in CATALOGUE:
        family = families[one.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (one.type, one.help)
    assert {name for name in families if name.startswith("journeys_")} == named(
        one.name for one in CATALOGUE
    )
    assert "process_resident_memory_bytes" in families


async def test_the_page_is_openmetrics_when_a_client_accepts_it(asked: Asked) -> None:
    answer = await asked.metrics("application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def first_batches(asked: Asked) -> dict[int, Batch]:
    """A batch of each partition; the one with inputs where it has some."""
    batches: dict[int, Batch] = {}
    while len(batches) < 2 or not batches[0].inputs:
        batch = await asked.batches.get()
        batches[batch.partition] = batch
        if batch.partition == 1 or not batch.inputs:
            async with batch:
                pass
    return batches


async def test_every_metric_has_the_value_that_the_loop_knows(asked: Asked) -> None:
    app = asked.app
    producer = Producer({"bootstrap.servers": app.client["bootstrap.servers"]})
    for _ in range(3):
        producer.produce(asked.source, b"w:60000", b"anna", partition=0)
    assert producer.flush(30) == 0
    await app.own({(asked.source, 0), (asked.source, 1)}, 1)
    app.start_reading()
    batch = (await first_batches(asked))[0]
    async with batch:
        due = 4_102_444_800_000
        batch.view.put(b"anna", State(3, waits=((due, 0),)))
        batch.partition_time = 1_700_000_000_500
        batch.send(asked.out, b"anna", b"12345", 1)
        batch.send(asked.out, b"anna", b"123", 1, [("journeys-record", b"clock")])
        batch.count(metrics.UNREPORTED, "event.repeated", by=2)
        batch.count(metrics.UNREPORTED, "event.repeated")
        batch.count(metrics.DEAD_LETTERS, "evaluate", "ValueError")
        batch.count(metrics.UNSIGNED, "timer")
        batch.count(metrics.CALL_RESULTS, "mailer", "final")
        batch.count(metrics.CALL_SECONDS, "mailer", by=0.25)
    app.gauges.append(lambda: [(metrics.CATALOG_OFFSET, (), 7)])
    app.gauges.append(
        lambda: [
            (metrics.DELIVERIES_OUTSTANDING, ("mailer",), 5),
            (metrics.CALLS_IN_FLIGHT, ("mailer",), 4),
            (metrics.CIRCUIT_OPEN, ("mailer",), True),
        ]
    )
    page = (await asked.metrics()).text
    values = values_of(page)
    here = (asked.source, "0")
    length = batch.loop.store.get(b"anna")
    assert length is not None
    expected: Values = {
        ("journeys_inputs_applied_total", here): 3,
        ("journeys_records_changed_total", here): 1,
        ("journeys_records_restored_total", here): 0,
        ("journeys_sent_records_total", (asked.out,)): 2,
        ("journeys_sent_bytes_total", (asked.out,)): 8,
        ("journeys_sent_records_total", (asked.changelog,)): 1,
        ("journeys_sent_bytes_total", (asked.changelog,)): len(length),
        ("journeys_source_offset", here): 3,
        ("journeys_lag_records", here): 0,
        ("journeys_partition_timestamp_seconds", here): 1_700_000_000.5,
        ("journeys_next_due_timestamp_seconds", here): due / 1_000,
        ("journeys_partitions_owned", (asked.source,)): 2,
        ("journeys_rebalances_total", ()): 0,
        ("journeys_ready", ("asked",)): 1,
        ("journeys_catalog_offset", ()): 7,
        ("journeys_unreported_total", ("event.repeated",)): 3,
        ("journeys_dead_letters_total", ("evaluate", "ValueError")): 1,
        ("journeys_call_results_total", ("mailer", "final")): 1,
        ("journeys_call_seconds_total", ("mailer",)): 0.25,
        ("journeys_deliveries_outstanding", ("mailer",)): 5,
        ("journeys_calls_in_flight", ("mailer",)): 4,
        ("journeys_circuit_open", ("mailer",)): 1,
    }
    assert {key: values.get(key) for key in expected} == expected
    for name in ("journeys_batch_seconds", "journeys_transaction_seconds"):
        assert values[f"{name}_count", here] >= 1
        assert values[f"{name}_bucket", (*here, "+Inf")] == values[f"{name}_count", here]
        assert 0 < values[f"{name}_sum", here] < 60
    shown = {family.name for family in text_string_to_metric_families(page) if family.samples}
    assert named(one.name for one in CATALOGUE) - shown <= {
        "journeys_unsigned_records",
        "journeys_watermark_timestamp_seconds",
    }
    app.on_rebalance_start()
    assert values_of((await asked.metrics()).text)["journeys_rebalances_total", ()] == 1
    await app.quiesce()
    await app.own(set(), 2)
    after = values_of((await asked.metrics()).text)
    assert after["journeys_inputs_applied_total", here] == 3, "counted is counted"
    assert after["journeys_partitions_owned", (asked.source,)] == 0
    assert ("journeys_lag_records", here) not in after
    await app.ownership.release()


def test_a_duration_is_counted_in_the_first_bucket_that_holds_it() -> None:
    durations = metrics.Durations()
    for seconds in (0.001, metrics.BUCKETS[0], 0.0021, 1_000.0):
        durations.add(seconds)
    assert durations.counts[:2] == [2, 1]
    assert durations.counts[-1] == 1
    assert math.isclose(durations.sum, 1_000.0051)
