"""One version in memory: a model, and the lane in which its requests run."""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tidemill_local.modelserver.metrics import RUNTIME_MICROSECONDS
from tidemill_local.modelserver.saved_model import Arrays, SavedModel, Signature

Answer = TypeVar("Answer")

# To hand a request to a thread and back takes a tenth of this; a loop that is held up longer delays others.
QUICK_SECONDS = 0.002
# How a version's usual time begins, and forgets: it takes dozens of quick answers to be trusted.
UNKNOWN_SECONDS = 0.1
FORGETTING = 0.95


class Servable:
    """A version that can answer.

    Requests run in threads of the version's own, in the order they came. So a slow model delays nobody else,
    and closing waits for what was already accepted: the queue is the reference count. One that has been quick
    for a while answers at once, in the loop, if nothing waits in its lane.
    """

    def __init__(
        self, name: str, number: int, model: SavedModel, threads: int, *, may_block_loop: bool = True
    ) -> None:
        """Take a model; one that waits for other requests may not block the loop, however quick it is."""
        self.name = name
        self.number = number
        self.model = model
        self._waiting = 0
        self._usual_seconds = UNKNOWN_SECONDS if may_block_loop else math.inf
        self._lane = ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-{number}")

    async def answer(self, respond: Callable[["Servable", Any], Answer], request: Any) -> Answer:
        """Run `respond` in this version's lane; a request cancelled while it waits is never run."""
        began, worked = time.perf_counter(), time.process_time()
        if self._waiting or self._usual_seconds > QUICK_SECONDS:
            answer = await self._in_lane(respond, request)
        else:
            answer = respond(self, request)
        # Where others use the core, too, quick answers take long: what counts is what this process did.
        seconds = min(time.perf_counter() - began, time.process_time() - worked)
        self._usual_seconds = max(seconds, self._usual_seconds * FORGETTING)
        return answer

    async def _in_lane(self, respond: Callable[["Servable", Any], Answer], request: Any) -> Answer:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._lane, respond, self, request)
        finally:
            self._waiting -= 1

    def run(self, signature: Signature, inputs: Arrays, api: str) -> Arrays:
        """Run the model in the calling thread, on the clock of the API asked for. Raises StatusError."""
        started = time.perf_counter()
        outputs = signature.run(inputs)
        RUNTIME_MICROSECONDS.labels(self.name, api, "TF1").observe((time.perf_counter() - started) * 1e6)
        return outputs

    def model_spec(self, signature_name: str = "") -> dict[str, Any]:
        """Return what a response says of who answered."""
        return {"name": self.name, "version": {"value": self.number}, "signature_name": signature_name}

    def close(self) -> None:
        """Finish what was accepted, then free the model. Blocks."""
        self._lane.shutdown(wait=True)
        self.model.close()
