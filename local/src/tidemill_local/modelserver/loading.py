"""From a version folder to a servable that has been warmed up."""

import time
from pathlib import Path

from tidemill_local.modelserver.batching import Batching
from tidemill_local.modelserver.errors import StatusError
from tidemill_local.modelserver.metrics import LOADS
from tidemill_local.modelserver.routes import load_saved_model
from tidemill_local.modelserver.servable import Servable
from tidemill_local.modelserver.warmup import warm_up
from tidemill_runtime.logs import get_logger


def load_servable(
    name: str, number: int, folder: Path, threads: int, batching: Batching | None = None
) -> Servable:
    """Load one version and replay its warm-up requests. Blocks; raises StatusError with the reason."""
    started = time.monotonic()
    try:
        route, model = load_saved_model(folder, threads)
        if batching:
            model, threads = batching.batched(model), batching.request_threads
        servable = Servable(name, number, model, threads, may_block_loop=batching is None)
        try:
            warmed = warm_up(servable, folder)
        except StatusError:
            servable.close()
            raise
    except StatusError as error:
        LOADS.labels(name, "failed").inc()
        get_logger().error("version-failed", model=name, version=number, reason=error.message)
        raise
    LOADS.labels(name, "loaded").inc()
    get_logger().info(
        "version-loaded",
        model=name,
        version=number,
        route=route,
        warmup_requests=warmed,
        seconds=round(time.monotonic() - started, 3),
    )
    return servable
