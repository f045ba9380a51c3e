"""Every metric of the serving service."""

from prometheus_client import Counter

# Outcome: deployed, withdrawn. Withdrawn says that a model which passed evaluation could not be served as it
# was trained; the event and the log carry the reason.
RELEASES = Counter("tidemill_serving_releases_total", "Blessed models by outcome", ["outcome"])
