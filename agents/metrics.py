"""The catalogue of metrics: the name, labels and meaning of everything that a worker counts.

Law: everything that is counted reaches `/metrics`, and nothing is counted per event: a loop adds
its numbers once per batch, and agents/host/metrics_page.py reads them on request. Everything here
is used only on the event loop.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

Labels = tuple[str, ...]
"""The values of a metric's labels, in their order."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. name: as in Prometheus; the last word, before `_total`, is the unit."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: Labels
    help: str


_PARTITION = ("topic", "partition")

INPUTS = Metric(
    "journeys_inputs_applied_total",
    "counter",
    _PARTITION,
    "Records of the source that were applied.",
)
BATCH_SECONDS = Metric(
    "journeys_batch_seconds",
    "histogram",
    _PARTITION,
    "Time from taking a batch until it was applied, including its transaction if it had its own.",
)
TRANSACTION_SECONDS = Metric(
    "journeys_transaction_seconds",
    "histogram",
    _PARTITION,
    "One Kafka transaction and the write to the local store that follows it.",
)
RECORDS_CHANGED = Metric(
    "journeys_records_changed_total",
    "counter",
    _PARTITION,
    "Records committed to the partition's changelog, except its position record.",
)
RECORDS_RESTORED = Metric(
    "journeys_records_restored_total",
    "counter",
    _PARTITION,
    "Changelog records that were read when the partition was taken over.",
)
SENT_RECORDS = Metric(
    "journeys_sent_records_total",
    "counter",
    ("topic",),
    "Records committed to a topic, changelogs included.",
)
SENT_BYTES = Metric(
    "journeys_sent_bytes_total",
    "counter",
    ("topic",),
    "Bytes of the values of the records committed to a topic.",
)
LAG = Metric(
    "journeys_lag_records",
    "gauge",
    _PARTITION,
    "Records known to be in the source that are not committed as applied.",
)
SOURCE_OFFSET = Metric(
    "journeys_source_offset", "gauge", _PARTITION, "The next source offset after what is committed."
)
PARTITION_TIME = Metric(
    "journeys_partition_timestamp_seconds",
    "gauge",
    _PARTITION,
    "The largest event time seen on the partition; absent before the first event.",
)
WATERMARK = Metric(
    "journeys_watermark_timestamp_seconds",
    "gauge",
    _PARTITION,
    "Every record that reached the source before this time is applied; absent until that is known.",
)
NEXT_DUE = Metric(
    "journeys_next_due_timestamp_seconds",
    "gauge",
    _PARTITION,
    "When the partition's earliest timer or retry is due; absent where there is none.",
)
PARTITIONS_OWNED = Metric(
    "journeys_partitions_owned", "gauge", ("topic",), "Partitions that this worker owns."
)
REBALANCES = Metric(
    "journeys_rebalances_total", "counter", (), "Rebalances of the group since the worker started."
)
READY = Metric(
    "journeys_ready", "gauge", ("role",), "1 while the worker processes what it owns, else 0."
)
CATALOG_OFFSET = Metric(
    "journeys_catalog_offset",
    "gauge",
    (),
    "Every push before this offset of journeys.config is in the worker's catalog.",
)
DEAD_LETTERS = Metric(
    "journeys_dead_letters_total",
    "counter",
    ("role", "reason"),
    "Inputs and actions that were written to journeys.dead.",
)
UNREPORTED = Metric(
    "journeys_unreported_total",
    "counter",
    ("type",),
    "What the engine counts instead of writing an outcome for each: event.repeated, an event whose "
    "messageId is known; entry.failed, an entry condition that failed; event.rerouted, an event on "
    "the wrong partition.",
)
UNSIGNED = Metric(
    "journeys_unsigned_records_total",
    "counter",
    ("kind",),
    "Records of the engine's own kinds that were applied although they have no signature "
    "(JOURNEYS_RECORD_MODE=accept).",
)
CALL_RESULTS = Metric(
    "journeys_call_results_total",
    "counter",
    ("destination", "meaning"),
    "Calls that ended, by what they mean for the delivery: delivered, retriable or final.",
)
CALL_SECONDS = Metric(
    "journeys_call_seconds_total",
    "counter",
    ("destination",),
    "Total duration of the calls that ended.",
)
CALLS_IN_FLIGHT = Metric("journeys_calls_in_flight", "gauge", ("destination",), "Calls in flight.")
DELIVERIES_OUTSTANDING = Metric(
    "journeys_deliveries_outstanding",
    "gauge",
    ("destination",),
    "Deliveries that are in flight, are queued or wait for a retry.",
)
CIRCUIT_OPEN = Metric(
    "journeys_circuit_open",
    "gauge",
    ("destination",),
    "1 while the destination is only probed because its deliveries failed, else 0.",
)

CATALOGUE: tuple[Metric, ...] = (
    READY,
    PARTITIONS_OWNED,
    REBALANCES,
    RECORDS_RESTORED,
    LAG,
    SOURCE_OFFSET,
    INPUTS,
    BATCH_SECONDS,
    TRANSACTION_SECONDS,
    RECORDS_CHANGED,
    SENT_RECORDS,
    SENT_BYTES,
    PARTITION_TIME,
    WATERMARK,
    NEXT_DUE,
    DEAD_LETTERS,
    CATALOG_OFFSET,
    UNREPORTED,
    UNSIGNED,
    DELIVERIES_OUTSTANDING,
    CALLS_IN_FLIGHT,
    CALL_RESULTS,
    CALL_SECONDS,
    CIRCUIT_OPEN,
)

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
"""Upper bounds of the histograms' buckets, s; one more bucket is unbounded."""


@dataclass(slots=True)
class Durations:
    """A histogram. counts: by bucket, not cumulative."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


@dataclass(slots=True)
class PartitionCounts:
    """The counts of one partition since the process started, over all periods of ownership.

    sent: records and bytes by topic. by_role: what the role counts, by metric and labels.
    """

    inputs: int = 0
    changed: int = 0
    restored: int = 0
    batches: Durations = field(default_factory=Durations)
    transactions: Durations = field(default_factory=Durations)
    sent: dict[str, list[int]] = field(default_factory=dict)
    by_role: dict[tuple[Metric, Labels], float] = field(default_factory=dict)

    def add_sent(self, topic: str, records: int, size: int) -> None:
        """size: bytes of the records' values."""
        sent = self.sent.setdefault(topic, [0, 0])
        sent[0] += records
        sent[1] += size

    def add_by_role(self, metric: Metric, labels: Labels, by: float) -> None:
        self.by_role[metric, labels] = self.by_role.get((metric, labels), 0) + by


Gauge = tuple[Metric, Labels, float]
ReadGauges = Callable[[], Iterable[Gauge]]
"""Returns the present values of some gauges; called on the event loop for each scrape."""
