"""Every metric of the serving service."""

from prometheus_client import Counter, Gauge

# Outcome of a blessed model: deployed, withdrawn. Withdrawn says that a model which passed evaluation could
# not be served as it was trained; the event and the log carry the reason. Outcome of a release that took its
# time, and of what people decide: promoted, taken-back, rolled-back.
RELEASES = Counter("tidemill_serving_releases_total", "Blessed models by outcome", ["outcome"])

# State: served, refused. Refused is a graph that is broken, or names what nothing serves; its status in the
# bucket and the log say what.
GRAPHS = Gauge("tidemill_serving_graphs", "Inference graphs by state", ["state"])
