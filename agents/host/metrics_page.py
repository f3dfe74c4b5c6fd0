"""The metrics of a worker in Prometheus' text format.

Law: every metric of the catalogue is on the page, and only scraping it costs anything: the loops
keep plain numbers, which are collected here on request, on the event loop.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from agents import metrics
from agents.host.app import App
from agents.metrics import BUCKETS, CATALOGUE, Durations, Labels

_BOUNDS = [*map(str, BUCKETS), "+Inf"]
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}

Values = dict[metrics.Metric, dict[Labels, float]]


class WorkerCollector(Collector):
    """The numbers of the app, its loops and its role as metric families of the catalogue."""

    def __init__(self, app: App, role: str) -> None:
        self._app = app
        self._role = role

    def collect(self) -> Iterator[Metric]:
        values: Values = defaultdict(lambda: defaultdict(float))
        self._counted(values)
        self._present(values)
        for metric in CATALOGUE:
            if metric.type == "histogram":
                yield self._histogram(metric)
            else:
                family = _FAMILIES[metric.type](metric.name, metric.help, labels=metric.labels)
                for labels, value in values[metric].items():
                    family.add_metric(labels, value)
                yield family

    def _counted(self, values: Values) -> None:
        """Counters since the process started."""
        values[metrics.REBALANCES][()] = self._app.rebalancing_count
        for (topic, partition), counts in self._app.counts.items():
            where = topic, str(partition)
            values[metrics.INPUTS][where] = counts.inputs
            values[metrics.RECORDS_CHANGED][where] = counts.changed
            values[metrics.RECORDS_RESTORED][where] = counts.restored
            for to, (records, size) in counts.sent.items():
                values[metrics.SENT_RECORDS][to,] += records
                values[metrics.SENT_BYTES][to,] += size
            for (metric, labels), value in counts.by_role.items():
                values[metric][labels] += value

    def _present(self, values: Values) -> None:
        """Present values."""
        app = self._app
        values[metrics.READY][self._role,] = app.ready()
        for topic in app.sources:
            values[metrics.PARTITIONS_OWNED][topic,] = 0
        lag = app.lag()
        for (topic, partition), loop in app.ownership.loops.items():
            where = topic, str(partition)
            values[metrics.PARTITIONS_OWNED][topic,] += 1
            values[metrics.LAG][where] = lag.get((topic, partition), 0)
            values[metrics.SOURCE_OFFSET][where] = loop.position
            due = loop.view.next_due()
            times = {
                metrics.PARTITION_TIME: loop.partition_time,
                metrics.WATERMARK: loop.watermark,
                metrics.NEXT_DUE: -1 if due is None else due[0],
            }
            for metric, ms in times.items():
                if ms >= 0:
                    values[metric][where] = ms / 1_000
        for read in app.gauges:
            for metric, labels, value in read():
                values[metric][labels] = value

    def _histogram(self, metric: metrics.Metric) -> Metric:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for (topic, partition), counts in self._app.counts.items():
            durations: Durations = {
                metrics.BATCH_SECONDS: counts.batches,
                metrics.TRANSACTION_SECONDS: counts.transactions,
            }[metric]
            buckets = list(zip(_BOUNDS, accumulate(durations.counts), strict=True))
            family.add_metric((topic, str(partition)), buckets, durations.sum)
        return family


class MetricsPage:
    """Renders the page, including the usual metrics of the process (memory, processor time)."""

    def __init__(self, app: App, role: str) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(WorkerCollector(app, role))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type. accept: the request's header of that name."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
