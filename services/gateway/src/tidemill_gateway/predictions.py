"""Inferences in every form that a protocol needs: JSON to JSON, tensors to tensors, messages to messages."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from tidemill_contracts import tfserving
from tidemill_gateway.answering import Answering
from tidemill_gateway.caching import Cache, question_key
from tidemill_gateway.calls import UNKNOWN, Arrays, Call, Part
from tidemill_gateway.coalescing import Coalescer
from tidemill_gateway.documents import parse
from tidemill_gateway.errors import late
from tidemill_gateway.examples import read_examples, write_classifications, write_regressions
from tidemill_gateway.joining import RowForm, TensorForm
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predict_request import joinable_rows, read_inputs, signature_name
from tidemill_gateway.predict_response import write_outputs
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, Signature
from tidemill_gateway.tensor_checks import check_wanted

ROWS = RowForm()
TENSORS = TensorForm()


class Predictions:
    """Answers inference requests by the route book, with the model servers."""

    def __init__(
        self,
        book: RouteBook,
        servers: ModelServers,
        coalescer: Coalescer,
        cache: Cache,
        answering: Answering,
    ) -> None:
        self._book = book
        self._servers = servers
        self._coalescer = coalescer
        self._cache = cache
        self._answering = answering

    def model_label(self, ref: ModelRef) -> str:
        """Return what to call the model in metrics: its name, if there is a route for it."""
        return ref.name if ref.name in self._book else UNKNOWN

    async def predict(self, call: Call, body: bytes) -> bytes:
        """Answer a predict request in TensorFlow Serving's JSON; raises Refused."""
        document = parse(body)
        name = signature_name(document)
        rows = joinable_rows(document)

        async def ask(target: Target) -> tuple[bytes, Part | None]:
            signature = await self._signature(call, target, name)
            joins = not self._book.is_keyed(target.model, call.headers)
            if rows is None or not joins or self._cache_seconds(target):
                inputs = read_inputs(document, signature)
                outputs, part = await self._outputs(
                    call, target, signature, inputs.tensors, joins=joins and inputs.by_row
                )
                return write_outputs(outputs, by_row=inputs.by_row), part

            async def ask_alone() -> tuple[bytes, Part]:
                part = await self._ask(call, target, name, read_inputs(document, signature).tensors)
                return write_outputs(part.outputs, by_row=True), part

            return await self._coalescer.predict(call, target, signature, ROWS, rows, alone=ask_alone)

        return await self._answering.answer(call, ask)

    async def predict_tensors(
        self, call: Call, signature: str, read: Callable[[Signature], Arrays], wanted: Collection[str] = ()
    ) -> Arrays:
        """Return the wanted outputs, or all; raises Refused.

        Args:
            call: What is asked.
            signature: The name of one.
            read: Returns the inputs by alias, for the signature of the version that answers; raises Refused.
            wanted: Aliases of outputs.
        """

        async def ask(target: Target) -> tuple[Arrays, Part | None]:
            described = await self._signature(call, target, signature)
            check_wanted(wanted, described)
            joins = not self._book.is_keyed(target.model, call.headers)
            return await self._outputs(call, target, described, read(described), joins=joins)

        outputs = await self._answering.answer(call, ask)
        return {name: outputs[name] for name in wanted or sorted(outputs)}

    async def classify(self, call: Call, body: bytes) -> bytes:
        """Answer a classify request in TensorFlow Serving's JSON; raises Refused."""
        return await self._infer_json(call, body, tfserving.ClassificationRequest, write_classifications)

    async def regress(self, call: Call, body: bytes) -> bytes:
        """Answer a regress request in TensorFlow Serving's JSON; raises Refused."""
        return await self._infer_json(call, body, tfserving.RegressionRequest, write_regressions)

    async def infer(self, call: Call, request: Any) -> Any:
        """Return the result of a ClassificationRequest or RegressionRequest; raises Refused."""
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE

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

    async def _outputs(
        self, call: Call, target: Target, signature: Signature, inputs: Arrays, *, joins: bool
    ) -> tuple[Arrays, Part | None]:
        """Return the outputs: kept ones where the route allows it, others' company where the caller does."""

        async def ask_alone() -> tuple[Arrays, Part]:
            part = await self._ask(call, target, signature.name, inputs)
            return part.outputs, part

        async def ask() -> tuple[Arrays, Part]:
            if not joins:
                return await ask_alone()
            return await self._coalescer.predict(call, target, signature, TENSORS, inputs, alone=ask_alone)

        seconds = self._cache_seconds(target)
        if not seconds:
            return await ask()
        key = question_key(target, signature.name, inputs)
        return await self._cache.outputs(call, key, seconds, ask)

    def _cache_seconds(self, target: Target) -> float:
        route = self._book.find(target.model)
        return 0.0 if route is None else route.cache_seconds

    async def _ask(self, call: Call, target: Target, signature: str, inputs: Arrays) -> Part:
        begin = _now()
        outputs = await self._servers.predict(
            target,
            signature,
            inputs,
            timeout_seconds=call.deadline - begin,
            metadata=call.metadata,
            headers=call.headers,
        )
        return Part(inputs, outputs, seconds=_now() - begin)

    async def _signature(self, call: Call, target: Target, name: str) -> Signature:
        info = self._servers.described(target)
        if info is None:
            try:
                async with asyncio.timeout_at(call.deadline):
                    info = await self._servers.describe(target)
            except TimeoutError:
                raise late(target.model) from None
        signature = info.signature(name)
        call.signature = name
        return signature


def _now() -> float:
    return asyncio.get_running_loop().time()
