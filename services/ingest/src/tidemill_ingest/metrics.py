"""Every metric of the ingest service."""

from prometheus_client import Counter

# Outcome: ingested, deduplicated, quarantined. A rising share of quarantined says that a source changed its
# format; `tidemill status` shows the reasons.
DROPS = Counter("tidemill_ingest_drops_total", "Dropped files by outcome", ["outcome"])
# Fate: kept, rejected. Rejected rows lie beside the span in rejects.parquet, each with its reason.
ROWS = Counter("tidemill_ingest_rows_total", "Rows of ingested files by fate", ["fate"])
