"""A prediction from the bytes of its request to the bytes of its answer, whatever carried them."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tidemill_gateway.documents import parse
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.metrics import Labels
from tidemill_gateway.model_servers import Metadata, ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predict_request import read_inputs, signature_name
from tidemill_gateway.predict_response import write_outputs
from tidemill_gateway.routes import RouteBook, Target

# A version may be unloaded a moment before the table that replaces it arrives here.
SWITCH_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """The JSON of an answer, and the model version that gave it."""

    body: bytes
    version: int


class Predictions:
    """Answers predict requests by the route book, with the model servers."""

    def __init__(self, book: RouteBook, servers: ModelServers, *, timeout_seconds: float) -> None:
        self._book = book
        self._servers = servers
        self._timeout_seconds = timeout_seconds

    async def predict(self, ref: ModelRef, body: bytes, labels: Labels, metadata: Metadata) -> Answer:
        """Answer a predict request in TensorFlow Serving's JSON; raises Refused.

        `labels` are filled in on the way. A version that is switched under the request is replaced once.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        document = parse(body)
        signature = signature_name(document)
        target = self._book.resolve(ref)
        try:
            return await self._predict_on(target, document, signature, deadline, labels, metadata)
        except Refused as refusal:
            if ref.version is not None or not _is_gone(refusal):
                raise
            patience_seconds = min(SWITCH_SECONDS, deadline - asyncio.get_running_loop().time())
            successor = await self._book.wait_for_other(ref, target, patience_seconds)
            if successor is None:
                raise
        return await self._predict_on(successor, document, signature, deadline, labels, metadata)

    async def _predict_on(
        self,
        target: Target,
        document: dict[str, Any],
        signature: str,
        deadline: float,
        labels: Labels,
        metadata: Metadata,
    ) -> Answer:
        labels.model, labels.version = target.model, str(target.version)
        info = await self._servers.describe(target)
        known = info.signature(signature)
        labels.signature = signature
        inputs = read_inputs(document, known)
        outputs = await self._servers.predict(
            target,
            signature,
            inputs.tensors,
            timeout_seconds=deadline - asyncio.get_running_loop().time(),
            metadata=metadata,
        )
        return Answer(write_outputs(outputs, by_row=inputs.by_row), target.version)


def _is_gone(refusal: Refused) -> bool:
    return refusal.code is Code.NOT_FOUND and refusal.message.startswith("Servable not found")
