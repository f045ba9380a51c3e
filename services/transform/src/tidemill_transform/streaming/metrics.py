"""Every metric of `tidemill-stream`, for Prometheus and for Beam's runners.

On Dataflow the records are counted on its workers, where only Beam's counters are seen.
"""

from apache_beam.metrics.metric import Metrics
from prometheus_client import Counter

# Outcome: landed, rejected, duplicate. A rising share of rejected says that senders and the columns disagree:
# the reasons are in the rejects. A rising share of duplicates says that windows outlast their leases.
RECORDS = Counter("tidemill_stream_records_total", "Records of landed windows by outcome", ["outcome"])


def count(outcome: str, records: int) -> None:
    """Count records of one outcome."""
    RECORDS.labels(outcome).inc(records)
    Metrics.counter("tidemill_stream", f"records_{outcome}").inc(records)
