"""Every metric of the broker."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

MAX_SUBSCRIPTION_LABELS = 100
_COMMIT_BUCKETS = (0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)


class Metrics:
    """Counters are totals over all topics and subscriptions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        # Messages stored or dropped for want of a subscriber; compare with acknowledged for the trend.
        self.published = self._counter("published", "Messages accepted from publishers.")
        self.delivered = self._counter("delivered", "Messages sent to consumers, redeliveries included.")
        self.acknowledged = self._counter("acknowledged", "Messages settled by an acknowledgement.")
        # Rising against delivered: consumers nack, crash or miss their deadline.
        self.failed = self._counter("failed", "Deliveries that ended without an acknowledgement.")
        # Anything above zero deserves a look at the dead-letter subscription.
        self.dead_lettered = self._counter("dead_lettered", "Messages forwarded to a dead-letter topic.")
        # The floor of publish latency; a slow disk shows here first.
        self.commit_seconds = Histogram(
            "tidemill_broker_commit_seconds",
            "Time of one group commit.",
            registry=self._registry,
            buckets=_COMMIT_BUCKETS,
        )

    def watch_backlog(self, backlog: Callable[[], Iterable[tuple[str, int]]]) -> None:
        """Export the unsettled messages per subscription, read at every scrape."""
        self._registry.register(_Backlog(backlog))

    def _counter(self, name: str, help_text: str) -> Counter:
        return Counter(f"tidemill_broker_messages_{name}_total", help_text, registry=self._registry)


class _Backlog(Collector):
    def __init__(self, backlog: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self._backlog = backlog

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One gauge per subscription; those past the label limit fold into `other`."""
        gauge = GaugeMetricFamily(
            "tidemill_broker_backlog_messages", "Messages not settled yet.", labels=["subscription"]
        )
        folded = 0
        for position, (name, size) in enumerate(self._backlog()):
            if position < MAX_SUBSCRIPTION_LABELS:
                gauge.add_metric([name], size)
            else:
                folded += size
        if folded:
            gauge.add_metric(["other"], folded)
        yield gauge
