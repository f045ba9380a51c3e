"""How a service process lives: probes first, then work, until SIGTERM or Ctrl-C; then the reverse."""

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from tidemill_runtime.consumer import Consumer
from tidemill_runtime.ops import Check, OpsServer
from tidemill_runtime.settings import ServiceSettings


@contextmanager
def running(
    consumers: Sequence[Consumer],
    settings: ServiceSettings,
    *,
    live: Mapping[str, Check] | None = None,
    ready: Mapping[str, Check] | None = None,
) -> Iterator[threading.Event]:
    """Answer probes and handle messages while the block runs; yield the event that SIGTERM and Ctrl-C set.

    Args:
        consumers: What the service listens to; each is part of liveness and readiness.
        live: Further checks that raise when only a restart helps.
        ready: Further checks that raise when something the service needs does not answer.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    alive = {consumer.name: consumer.check_alive for consumer in consumers}
    answer = {consumer.name: consumer.check_ready for consumer in consumers}
    with ExitStack() as stack:
        ops = OpsServer(
            settings.host,
            settings.metrics_port,
            live={**alive, **(live or {})},
            ready={**answer, **(ready or {})},
        )
        ops.start()
        stack.callback(ops.stop)
        for consumer in consumers:
            consumer.start()
            stack.callback(consumer.stop, settings.shutdown_seconds)
        yield stop


def run_consumers(
    consumers: Sequence[Consumer], settings: ServiceSettings, *, ready: Mapping[str, Check] | None = None
) -> None:
    """Run a service whose work is messages, until the process is asked to stop."""
    with running(consumers, settings, ready=ready) as stop:
        # A bare wait() cannot be interrupted by signals on every platform; a timed one can.
        while not stop.wait(timeout=1):
            pass
