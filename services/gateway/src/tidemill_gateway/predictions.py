"""Inferences in every form that a protocol needs: JSON to JSON, tensors to tensors, messages to messages."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from tidemill_contracts import tfserving
from tidemill_gateway.answering import Answering
from tidemill_gateway.calls import UNKNOWN, Arrays, Call, Part
from tidemill_gateway.coalescing import Coalescer
from tidemill_gateway.documents import parse
from tidemill_gateway.errors import invalid
from tidemill_gateway.examples import read_examples, write_classifications, write_regressions
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predict_request import joinable_rows, read_inputs, signature_name
from tidemill_gateway.predict_response import write_outputs
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.signatures import Signature


class Predictions:
    """Answers inference requests by the route book, with the model servers."""

    def __init__(
        self, book: RouteBook, servers: ModelServers, coalescer: Coalescer, answering: Answering
    ) -> None:
        self._book = book
        self._servers = servers
        self._coalescer = coalescer
        self._answering = answering

    def model_label(self, ref: ModelRef) -> str:
        """Return what to call the model in metrics: its name, if there is a route for it."""
        return ref.name if ref.name in self._book else UNKNOWN

    async def predict(self, call: Call, body: bytes) -> bytes:
        """Answer a predict request in TensorFlow Serving's JSON; raises Refused."""
        document = parse(body)
        name = signature_name(document)
        rows = joinable_rows(document)

        async def ask(target: Target) -> tuple[bytes, Part]:
            signature = await self._signature(call, target, name)

            async def ask_alone() -> tuple[bytes, Part]:
                inputs = read_inputs(document, signature)
                part = await self._ask(call, target, name, inputs.tensors)
                return write_outputs(part.outputs, by_row=inputs.by_row), part

            if rows is None:
                return await ask_alone()
            return await self._coalescer.predict(
                target, signature, rows, deadline=call.deadline, metadata=call.metadata, alone=ask_alone
            )

        return await self._answering.answer(call, ask)

    async def predict_tensors(
        self, call: Call, signature: str, inputs: Arrays, wanted: Collection[str] = ()
    ) -> Arrays:
        """Return the wanted outputs, or all, of tensors by alias; raises Refused."""

        async def ask(target: Target) -> tuple[Arrays, Part]:
            await self._signature(call, target, signature)
            part = await self._ask(call, target, signature, inputs)
            return part.rows_of(part.outputs), part

        outputs = await self._answering.answer(call, ask)
        for name in wanted:
            if name not in outputs:
                raise invalid(f"output tensor alias not found in signature: {name}")
        return {name: outputs[name] for name in wanted or outputs}

    async def classify(self, call: Call, body: bytes) -> bytes:
        """Answer a classify request in TensorFlow Serving's JSON; raises Refused."""
        return await self._infer_json(call, body, tfserving.ClassificationRequest, write_classifications)

    async def regress(self, call: Call, body: bytes) -> bytes:
        """Answer a regress request in TensorFlow Serving's JSON; raises Refused."""
        return await self._infer_json(call, body, tfserving.RegressionRequest, write_regressions)

    async def infer(self, call: Call, request: Any) -> Any:
        """Return the result of a ClassificationRequest or RegressionRequest; raises Refused."""
        name = request.model_spec.signature_name or "serving_default"

        async def ask(target: Target) -> tuple[Any, None]:
            await self._signature(call, target, name)
            result = await self._servers.infer(
                target, request, timeout_seconds=call.deadline - _now(), metadata=call.metadata
            )
            return result, None

        return await self._answering.answer(call, ask)

    async def _infer_json(
        self, call: Call, body: bytes, message: Any, write: Callable[[Any], bytes]
    ) -> bytes:
        document = parse(body)
        name = signature_name(document)
        examples = read_examples(document)
        return write(await self.infer(call, message(model_spec={"signature_name": name}, input=examples)))

    async def _ask(self, call: Call, target: Target, signature: str, inputs: Arrays) -> Part:
        outputs = await self._servers.predict(
            target, signature, inputs, timeout_seconds=call.deadline - _now(), metadata=call.metadata
        )
        return Part(inputs, outputs)

    async def _signature(self, call: Call, target: Target, name: str) -> Signature:
        signature = (await self._servers.describe(target)).signature(name)
        call.signature = name
        return signature


def _now() -> float:
    return asyncio.get_running_loop().time()
