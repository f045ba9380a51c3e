"""An inference from the bytes of its request to the bytes of its answer, whatever carried them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tidemill_contracts import tfserving
from tidemill_gateway.coalescing import Coalescer
from tidemill_gateway.documents import parse
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.examples import read_examples, write_classifications, write_regressions
from tidemill_gateway.metrics import UNKNOWN, Labels
from tidemill_gateway.model_servers import Metadata, ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predict_request import joinable_rows, read_inputs, signature_name
from tidemill_gateway.predict_response import write_outputs
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.signatures import Signature

# A version may be unloaded a moment before the table that replaces it arrives here.
SWITCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON of an answer, and the model version that gave it."""

    body: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Question:
    """One inference request. `labels` are filled in while it is answered."""

    ref: ModelRef
    body: bytes
    labels: Labels
    metadata: Metadata = ()


class Predictions:
    """Answers inference requests in TensorFlow Serving's JSON, by the route book, with the model servers."""

    def __init__(
        self, book: RouteBook, servers: ModelServers, coalescer: Coalescer, *, timeout_seconds: float
    ) -> None:
        self._book = book
        self._servers = servers
        self._coalescer = coalescer
        self._timeout_seconds = timeout_seconds

    def model_label(self, ref: ModelRef) -> str:
        """Return what to call the model in metrics: its name, if there is a route for it."""
        return ref.name if ref.name in self._book else UNKNOWN

    async def predict(self, question: Question) -> Answer:
        """Answer a predict request; raises Refused."""
        document = parse(question.body)
        name = signature_name(document)

        rows = joinable_rows(document)

        async def ask(target: Target, deadline: float) -> bytes:
            signature = await self._signature(target, name, question.labels)

            async def ask_alone() -> bytes:
                inputs = read_inputs(document, signature)
                outputs = await self._servers.predict(
                    target,
                    name,
                    inputs.tensors,
                    timeout_seconds=deadline - _now(),
                    metadata=question.metadata,
                )
                return write_outputs(outputs, by_row=inputs.by_row)

            if rows is None:
                return await ask_alone()
            return await self._coalescer.predict(
                target, signature, rows, deadline=deadline, metadata=question.metadata, alone=ask_alone
            )

        return await self._answer(question, ask)

    async def classify(self, question: Question) -> Answer:
        """Answer a classify request; raises Refused."""
        return await self._infer(question, tfserving.ClassificationRequest, write_classifications)

    async def regress(self, question: Question) -> Answer:
        """Answer a regress request; raises Refused."""
        return await self._infer(question, tfserving.RegressionRequest, write_regressions)

    async def _infer(self, question: Question, message: Any, write: Callable[[Any], bytes]) -> Answer:
        document = parse(question.body)
        name = signature_name(document)
        examples = read_examples(document)

        async def ask(target: Target, deadline: float) -> bytes:
            await self._signature(target, name, question.labels)
            request = message(model_spec={"signature_name": name}, input=examples)
            result = await self._servers.infer(
                target, request, timeout_seconds=deadline - _now(), metadata=question.metadata
            )
            return write(result)

        return await self._answer(question, ask)

    async def _signature(self, target: Target, name: str, labels: Labels) -> Signature:
        labels.model, labels.version = target.model, str(target.version)
        signature = (await self._servers.describe(target)).signature(name)
        labels.signature = name
        return signature

    async def _answer(self, question: Question, ask: Callable[[Target, float], Awaitable[bytes]]) -> Answer:
        """Ask the version that the question means; if it is switched meanwhile, ask the next one."""
        deadline = _now() + self._timeout_seconds
        target = self._book.resolve(question.ref)
        try:
            return Answer(await ask(target, deadline), target.version)
        except Refused as refusal:
            if question.ref.version is not None or not _is_gone(refusal):
                raise
            patience_seconds = min(SWITCH_SECONDS, deadline - _now())
            successor = await self._book.wait_for_other(question.ref, target, patience_seconds)
            if successor is None:
                # The route says that it is loaded: a model server that restarted has not got it back yet.
                message = f"Model server of {target.model} is restarting"
                raise Refused(Code.UNAVAILABLE, message) from refusal
        return Answer(await ask(successor, deadline), successor.version)


def _is_gone(refusal: Refused) -> bool:
    return refusal.code is Code.NOT_FOUND and refusal.message.startswith("Servable not found")


def _now() -> float:
    return asyncio.get_running_loop().time()
