"""Gauges of live quality, read off when they are asked for."""

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidemill_serving.quality import Quality

LABELS = ("model", "version", "variant")


class QualityCollector(Collector):
    """What feedback says of each version and variant that answered a kept prediction.

    A mean reward that falls says that answers get worse, whatever their latency; accuracy is missing where
    answers are numbers. Labels that wait for long have lost their log, or it was dropped.
    """

    def __init__(self, quality: Quality) -> None:
        self._quality = quality

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Sum up."""
        rewarded = _gauge("tidemill_serving_rewarded_rows", "Rows of predictions with a reward that is kept")
        reward = _gauge("tidemill_serving_mean_reward", "Mean reward of answers, from 0 to 1")
        accuracy = _gauge("tidemill_serving_accuracy", "Share of right answers among those that have a label")
        waiting = GaugeMetricFamily(
            "tidemill_serving_waiting_labels",
            "Predictions whose label waits for its answer",
            labels=["model"],
        )
        for pipeline in self._quality.pipelines():
            waiting.add_metric([pipeline], self._quality.waiting(pipeline))
            for (version, variant), sums in self._quality.rewards(pipeline).items():
                labels = [pipeline, str(version), variant]
                rewarded.add_metric(labels, sums.count)
                if sums.mean is not None:
                    reward.add_metric(labels, sums.mean)
                if sums.accuracy is not None:
                    accuracy.add_metric(labels, sums.accuracy)
        yield from (rewarded, reward, accuracy, waiting)


def _gauge(name: str, help_text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=list(LABELS))
