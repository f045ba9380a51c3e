"""Every metric of the ingest service."""

from prometheus_client import Counter, Gauge

# Outcome: ingested, deduplicated, quarantined. A rising share of quarantined says that a source changed its
# format; `tidemill status` shows the reasons.
DROPS = Counter("tidemill_ingest_drops_total", "Dropped files by outcome", ["outcome"])
# Fate: kept, rejected. Rejected rows lie beside the span in rejects.parquet, each with its reason.
ROWS = Counter("tidemill_ingest_rows_total", "Rows of ingested files by fate", ["fate"])
# Fate: accepted (durable, the sender was told), landed (part of a drop; after a kill some are counted twice).
RECORDS = Counter("tidemill_ingest_records_total", "Records sent over HTTP by fate", ["fate"])
# Rising without end means that landing fails (the log says why) or that more comes than can be landed.
PENDING = Gauge("tidemill_ingest_pending_record_bytes", "Records that are stored and in no drop yet")
# Parts of multi-file drops whose folder has no _SUCCESS: a writer is at work, or has failed.
WAITING_PARTS = Gauge("tidemill_ingest_waiting_parts", "Parts that wait for the _SUCCESS of their folder")
