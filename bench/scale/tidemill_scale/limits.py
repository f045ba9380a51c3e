"""Limits of the platform that the plan is held against, and where each comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """`most` of a `unit`; `firm` ones cannot be raised by asking Google.

    `seen` says whether the figure was read at the source, or is only told of elsewhere.
    """

    most: float
    unit: str
    source: str
    firm: bool = False
    seen: bool = True


OBJECTS = "https://docs.cloud.google.com/storage/quotas"
REQUESTS = "https://docs.cloud.google.com/storage/docs/request-rate"
BIGQUERY = "https://docs.cloud.google.com/bigquery/quotas"
PUBSUB = "https://cloud.google.com/pubsub/quotas"
DATAFLOW = "https://cloud.google.com/dataflow/docs/request-quotas"
CLUSTERS = "https://cloud.google.com/kubernetes-engine/quotas"

OBJECT_WRITES = Limit(1, "writes a second to one object name", OBJECTS, firm=True)
BUCKET_WRITES = Limit(1_000, "writes a second at first; double every 20 minutes at most", REQUESTS)
BUCKET_READS = Limit(5_000, "reads and listings a second at first", REQUESTS)
LOAD_JOBS = Limit(100_000, "load jobs a day in a project", BIGQUERY, firm=True, seen=False)
TABLE_LOADS = Limit(1_500, "load jobs a day into one table", BIGQUERY, firm=True, seen=False)
STREAMED_BYTES = Limit(300e6, "bytes streamed a second in a project", BIGQUERY, seen=False)
PUBLISHED_BYTES = Limit(200e6, "bytes published a second in a large region", PUBSUB)
DATAFLOW_JOBS = Limit(25, "Dataflow jobs at once in a project", DATAFLOW)
PODS = Limit(256, "pods on a node of GKE Standard", CLUSTERS)

ALL = (
    OBJECT_WRITES, BUCKET_WRITES, BUCKET_READS, LOAD_JOBS, TABLE_LOADS, STREAMED_BYTES,
    PUBLISHED_BYTES, DATAFLOW_JOBS, PODS,
)  # fmt: skip
