"""Google's list prices in one table: US dollars, us-central1, without discounts, free tiers or taxes.

They change: look them up again at the source before you decide by them.
"""

from dataclasses import dataclass

REGION = "us-central1"
LOOKED_UP = "2026-11-21"
MONTH_HOURS = 730
MONTH_DAYS = MONTH_HOURS / 24
TIB = 2**40
GIB = 2**30


@dataclass(frozen=True)
class Price:
    """`dollars` for a `unit`, which is so many `of` what the plan counts: bytes, hours, requests.

    `seen` says whether the figure was read at the source, or is only told of elsewhere.
    """

    dollars: float
    unit: str
    source: str
    of: float = 1
    seen: bool = True

    @property
    def each(self) -> float:
        """Dollars for one of what the plan counts."""
        return self.dollars / self.of


COMPUTE = "https://cloud.google.com/compute/vm-instance-pricing"
CLUSTERS = "https://cloud.google.com/kubernetes-engine/pricing"
STORAGE = "https://cloud.google.com/storage/pricing-examples"
BIGQUERY = "https://cloud.google.com/bigquery/pricing"
DATAFLOW = "https://cloud.google.com/dataflow/pricing"
PUBSUB = "https://cloud.google.com/pubsub/pricing"
WATCHING = "https://cloud.google.com/stackdriver/pricing"
NETWORK = "https://cloud.google.com/vpc/pricing"

CORE = Price(0.134012 / 4, "vCPU hour with 4 GiB (e2-standard-4)", COMPUTE, seen=False)
CLUSTER = Price(0.10, "hour of a GKE cluster", CLUSTERS)
DATAFLOW_CORE = Price(0.056, "vCPU hour of a batch worker", DATAFLOW, seen=False)
DATAFLOW_MEMORY = Price(0.003557, "GiB hour of a batch worker", DATAFLOW, seen=False)
MESSAGES = Price(40, "TiB published or delivered, at least 1,000 bytes a request", PUBSUB, of=TIB)
STORED = Price(0.020, "GiB and month of Standard storage", STORAGE, of=GIB)
CLASS_A = Price(0.005, "thousand writes or pages of listings (class A)", STORAGE, of=1000)
CLASS_B = Price(0.0004, "thousand reads (class B) or notifications", STORAGE, of=1000)
QUERY = Price(6.25, "TiB read by queries", BIGQUERY, of=TIB, seen=False)
STREAMED = Price(0.01, "200 MiB streamed, at least 1 KiB a row", BIGQUERY, of=200 * 2**20)
TABLES = Price(0.02, "GiB and month of tables", BIGQUERY, of=GIB)
SAMPLES = Price(0.06, "million Prometheus samples", WATCHING, of=1e6, seen=False)
LOGS = Price(0.50, "GiB of log lines", WATCHING, of=GIB)
BALANCED = Price(0.008, "GiB through the load balancer", NETWORK, of=GIB, seen=False)
ZONES = Price(0.01, "GiB between two zones", NETWORK, of=GIB, seen=False)

ALL = (
    CORE, CLUSTER, DATAFLOW_CORE, DATAFLOW_MEMORY, MESSAGES, STORED, CLASS_A, CLASS_B, QUERY, STREAMED,
    TABLES, SAMPLES, LOGS, BALANCED, ZONES,
)  # fmt: skip
