"""A prediction from the bytes of its request to the bytes of its answer, whatever carried them."""

import asyncio
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON of an answer, and the model version that gave it."""

    body: bytes
    version: int


@dataclass(frozen=True, slots=True)
class _Request:
    document: Mapping[str, Any]
    signature: str
    deadline: float
    labels: Labels
    metadata: Metadata


class Predictions:
    """Answers predict requests by the route book, with the model servers."""

    def __init__(self, book: RouteBook, servers: ModelServers, *, timeout_seconds: float) -> None:
        self._book = book
        self._servers = servers
        self._timeout_seconds = timeout_seconds

    async def predict(self, ref: ModelRef, body: bytes, labels: Labels, metadata: Metadata) -> Answer:
        """Answer a predict request in TensorFlow Serving's JSON; raises Refused.

        `labels` are filled in on the way. A request whose version is switched under it goes to the next one.
        """
        document = parse(body)
        request = _Request(
            document, signature_name(document), _now() + self._timeout_seconds, labels, metadata
        )
        target = self._book.resolve(ref)
        try:
            return await self._predict_on(target, request)
        except Refused as refusal:
            if ref.version is not None or not _is_gone(refusal):
                raise
            patience_seconds = min(SWITCH_SECONDS, request.deadline - _now())
            successor = await self._book.wait_for_other(ref, target, patience_seconds)
            if successor is None:
                raise
        return await self._predict_on(successor, request)

    async def _predict_on(self, target: Target, request: _Request) -> Answer:
        request.labels.model, request.labels.version = target.model, str(target.version)
        info = await self._servers.describe(target)
        signature = info.signature(request.signature)
        request.labels.signature = signature.name
        inputs = read_inputs(request.document, signature)
        outputs = await self._servers.predict(
            target,
            signature.name,
            inputs.tensors,
            timeout_seconds=request.deadline - _now(),
            metadata=request.metadata,
        )
        return Answer(write_outputs(outputs, by_row=inputs.by_row), target.version)


def _is_gone(refusal: Refused) -> bool:
    return refusal.code is Code.NOT_FOUND and refusal.message.startswith("Servable not found")


def _now() -> float:
    return asyncio.get_running_loop().time()
