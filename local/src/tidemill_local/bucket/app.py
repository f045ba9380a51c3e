"""The bucket watcher's composition root: one loop that scans, probes beside it, until asked to stop."""

import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future

from google.cloud.pubsub_v1 import PublisherClient

from tidemill_contracts import layout, topology
from tidemill_local.bucket.announced import Announced
from tidemill_local.bucket.settings import BucketSettings
from tidemill_local.bucket.watcher import Publish, Watcher
from tidemill_runtime.logs import configure_logging, get_logger
from tidemill_runtime.ops import OpsServer
from tidemill_runtime.telling import publisher_client

DEADLINE_SECONDS = 10
STALLED_SECONDS = 60
# A scan may take this share of the time at most: ten thousand files must not keep a core busy.
SCAN_SHARE = 0.1
LONGEST_PAUSE_SECONDS = 2.0


class Loop:
    """Turns the watcher until stopped, and knows when it last turned."""

    def __init__(self, watcher: Watcher, poll_seconds: float) -> None:
        self._watcher = watcher
        self._poll_seconds = poll_seconds
        self._turned_at: float | None = None
        self.stop = threading.Event()

    def run(self) -> None:
        """Scan, pause, scan; return when stopped, with what was published remembered."""
        while not self.stop.is_set():
            begin = time.monotonic()
            self._watcher.turn(begin)
            self._turned_at = time.monotonic()
            scan_seconds = self._turned_at - begin
            self.stop.wait(min(max(self._poll_seconds, scan_seconds / SCAN_SHARE), LONGEST_PAUSE_SECONDS))
        self._watcher.collect(DEADLINE_SECONDS)

    def check_turning(self) -> None:
        """Raise when no scan has ended lately."""
        if self._turned_at is None or time.monotonic() - self._turned_at > STALLED_SECONDS:
            raise RuntimeError(f"expected a scan within the last {STALLED_SECONDS} s, there was none")


def main() -> None:
    """Watch the bucket that the settings name."""
    settings = BucketSettings()
    configure_logging("bucket", log_format=settings.log_format, level=settings.log_level)
    (settings.root / layout.DROPS).mkdir(parents=True, exist_ok=True)
    publisher = publisher_client()
    topic = publisher.topic_path(settings.project, topology.OBJECTS_TOPIC)
    announced = Announced(settings.announced_path)
    watcher = Watcher(
        settings.root, announced, _to_topic(publisher, topic), settle_seconds=settings.settle_seconds
    )
    loop = Loop(watcher, settings.poll_seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop.set())
    ops = OpsServer(
        settings.host,
        settings.metrics_port,
        live={"loop": loop.check_turning},
        ready={
            "loop": loop.check_turning,
            "topic": lambda: publisher.get_topic(topic=topic, timeout=DEADLINE_SECONDS),
        },
    )
    ops.start()
    get_logger().info("watching", folder=str(settings.root), prefix=layout.DROPS, topic=topic)
    loop.run()
    ops.stop()
    announced.close()


def _to_topic(publisher: PublisherClient, topic: str) -> Publish:
    def publish(data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        sent: Future[str] = publisher.publish(topic, data, **attributes)
        return sent

    return publish
