"""Figures of Google Cloud that nobody measured for Tidemill: put in your own before you rely on them."""

READ_SECONDS = 0.04
WRITE_SECONDS = 0.08
LIST_PAGE_SECONDS = 0.10
PUBLISH_SECONDS = 0.03
STREAMED_INSERT_SECONDS = 0.12
LOAD_AND_INSERT_SECONDS = 20.0
DATAFLOW_START_SECONDS = 150.0
KUBERNETES_POLL_SECONDS = 0.02
# So often a training ends a trial, of which the trainer learns by listing.
NEWS_SECONDS = 40.0

NOTIFICATION_BYTES = 1_500
EVENT_BYTES = 1_500
LOG_LINE_BYTES = 450
SERIES_PER_POD = 300
SCRAPE_SECONDS = 30
# Nodes are never full, and Kubernetes' own pods need room.
NODE_SHARE_USED = 0.8
CROSSING_ZONES = 2 / 3
