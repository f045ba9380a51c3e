"""One version in memory: a model, and the lane in which its requests run."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tidemill_local.modelserver.metrics import RUNTIME_MICROSECONDS
from tidemill_local.modelserver.saved_model import Arrays, SavedModel, Signature

Answer = TypeVar("Answer")


class Servable:
    """A version that can answer.

    Requests run in threads of the version's own, in the order they came. So a slow model delays nobody else,
    and closing waits for what was already accepted: the queue is the reference count.
    """

    def __init__(self, name: str, number: int, model: SavedModel, threads: int) -> None:
        self.name = name
        self.number = number
        self.model = model
        self._lane = ThreadPoolExecutor(threads, thread_name_prefix=f"{name}-{number}")

    async def answer(self, respond: Callable[["Servable", Any], Answer], request: Any) -> Answer:
        """Run `respond` in this version's lane; a request cancelled while it waits is never run."""
        return await asyncio.get_running_loop().run_in_executor(self._lane, respond, self, request)

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
