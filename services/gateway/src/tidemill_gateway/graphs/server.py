"""Graphs, asked as a model server is: by target, with tensors, until a deadline."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tidemill_contracts.graph_nodes import ModelNode
from tidemill_gateway.calls import NO_HEADERS, Arrays, Call, Headers, Metadata
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.graphs.description import Description, chosen_inputs, describe
from tidemill_gateway.graphs.plan import Plan
from tidemill_gateway.graphs.run import execute
from tidemill_gateway.metrics import NODE_SECONDS
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, ModelInfo, Signature
from tidemill_gateway.tracing import traced
from tidemill_runtime.tracing import Kind, Tracing

MAX_DESCRIBED = 256

# The versions that a graph's models answer with unasked, by node.
Targets = Mapping[str, Target]

# What goes on to models from where the work is: below the span of a node, where there are spans.
_ONWARD: ContextVar[Metadata] = ContextVar("onward", default=())


class GraphServer:
    """Executes the graphs of the route book. Their models are asked as any caller asks them.

    So releases, fallbacks and joined calls of a model are the same inside a graph as outside.
    """

    def __init__(
        self,
        book: RouteBook,
        servers: ModelServers,
        predictions: Predictions,
        tracing: Tracing | None = None,
    ) -> None:
        self._book = book
        self._tracing = tracing
        self._servers = servers
        self._predictions = predictions
        self._described: dict[Target, tuple[Targets, Description]] = {}

    async def predict(
        self,
        target: Target,
        signature: str,
        inputs: Arrays,
        *,
        timeout_seconds: float,
        metadata: Metadata = (),
        headers: Headers = NO_HEADERS,
    ) -> Arrays:
        """Return the outputs by alias. Raises Refused, naming the node where one is at fault."""
        plan = self._plan(target)
        (await self.describe(target)).signature(signature or DEFAULT_SIGNATURE)
        _, description = self._described[target]
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        identity = uuid.uuid4().hex
        watch = _Watch(plan.name, self._tracing)

        async def ask(name: str, node: ModelNode, given: Arrays, request: Arrays) -> Arrays:
            until = _earlier(deadline, node)
            call = Call(_reference(node), "graph", name, identity, until, _ONWARD.get(), headers)
            return await self._predictions.predict_tensors(
                call, node.signature, lambda signature: chosen_inputs(signature, given, request)
            )

        onward = _ONWARD.set(metadata)
        try:
            async with asyncio.timeout_at(deadline):
                return await execute(plan, inputs, ask, watch.observe, description.output_names)
        except TimeoutError:
            message = f"Graph {plan.name} did not answer in time: waited for {watch.waiting()}"
            raise Refused(Code.DEADLINE_EXCEEDED, message) from None
        finally:
            _ONWARD.reset(onward)

    async def infer(
        self,
        target: Target,
        request: Any,  # noqa: ARG002 - the form of model servers
        *,
        timeout_seconds: float,  # noqa: ARG002
        metadata: Metadata = (),  # noqa: ARG002
    ) -> Any:
        """Refuse: a graph has no signature for Classify or Regress."""
        raise Refused(Code.INVALID_ARGUMENT, f"Graph {target.model} answers Predict only")

    async def describe(self, target: Target) -> ModelInfo:
        """Return what a graph takes and gives, with the models it has now. Raises Refused."""
        plan = self._plan(target)
        targets = {name: self._model(name, node) for name, node in plan.graph.spec.models()}
        known = self._described.get(target)
        if known is not None and known[0] == targets:
            return known[1].info
        signatures = {
            name: await self._signature(name, node, targets[name]) for name, node in plan.graph.spec.models()
        }
        description = await describe(plan, signatures)
        if len(self._described) >= MAX_DESCRIBED:
            del self._described[next(iter(self._described))]
        self._described[target] = targets, description
        return description.info

    async def statuses(self, address: str, model: str, version: int | None) -> list[Mapping[str, Any]]:  # noqa: ARG002
        """Return the state of a graph in the form of a model's: it has one version."""
        present = self._book.route(model).stable_version
        if version is not None and version != present:
            raise Refused(Code.NOT_FOUND, f"Could not find version {version} of model {model}")
        fine = {"error_code": "OK", "error_message": ""}
        return [{"version": str(present), "state": "AVAILABLE", "status": fine}]

    def _plan(self, target: Target) -> Plan:
        route = self._book.route(target.model) if target.model in self._book else None
        if route is None or route.graph is None or route.stable_version != target.version:
            message = f"Servable not found for request: Specific({target.model}, {target.version})"
            raise Refused(Code.NOT_FOUND, message)
        return route.graph

    def _model(self, name: str, node: ModelNode) -> Target:
        try:
            return self._book.resolve(_reference(node))
        except Refused as refusal:
            raise Refused(refusal.code, f"Node {name}: {refusal.message}") from refusal

    async def _signature(self, name: str, node: ModelNode, target: Target) -> Signature:
        try:
            return (await self._servers.describe(target)).signature(node.signature)
        except Refused as refusal:
            raise Refused(refusal.code, f"Node {name}: {refusal.message}") from refusal


@dataclass
class _Watch:
    """Measures the nodes of one request, and knows which are at work."""

    graph: str
    tracing: Tracing | None

    def __post_init__(self) -> None:
        self._working: dict[str, int] = {}

    async def observe(self, name: str, work: Callable[[], Awaitable[Arrays]]) -> Arrays:
        if self.tracing is None:
            return await self._measured(name, work)

        async def below(onward: Metadata) -> Arrays:
            # Each node has a task, and so a context, of its own; those that a router begins inherit it.
            _ONWARD.set(onward)
            return await self._measured(name, work)

        return await traced(self.tracing, f"node {name}", Kind.INTERNAL, _ONWARD.get(), below)

    async def _measured(self, name: str, work: Callable[[], Awaitable[Arrays]]) -> Arrays:
        begin, code = time.perf_counter(), Code.OK
        self._working[name] = self._working.get(name, 0) + 1
        try:
            return await work()
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except Exception as error:
            code = error.code if isinstance(error, Refused) else Code.INTERNAL
            raise
        finally:
            # What is cancelled stays among those that were waited for.
            self._working[name] -= code is not Code.CANCELLED
            NODE_SECONDS.labels(self.graph, name, code.value).observe(time.perf_counter() - begin)

    def waiting(self) -> str:
        return ", ".join(name for name, count in self._working.items() if count) or "nothing"


def _earlier(deadline: float, node: ModelNode) -> float:
    if node.timeout_seconds is None:
        return deadline
    return min(deadline, asyncio.get_running_loop().time() + node.timeout_seconds)


def _reference(node: ModelNode) -> ModelRef:
    return ModelRef(node.model, node.version, node.label)
