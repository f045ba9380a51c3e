"""One request on its way through a graph: every node runs as soon as what it takes is there."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.graph_nodes import (
    REQUEST,
    CombinerNode,
    Constant,
    ModelNode,
    RouterNode,
    TransformerNode,
)
from tidemill_contracts.graph_spec import split_reference
from tidemill_gateway.calls import Arrays
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.graphs import operations, routing
from tidemill_gateway.graphs.plan import Plan

Rows = NDArray[np.intp]


class Skipped(Refused):
    """A node that may fail has failed; who takes its value has none."""


# Asks the model of a node, with what it is given and, for the rest, the request's inputs.
Ask = Callable[[str, ModelNode, Arrays, Arrays], Awaitable[Arrays]]
# Runs the work of a node, and takes note of it.
Observe = Callable[[str, Callable[[], Awaitable[Arrays]]], Awaitable[Arrays]]
# Names of the outputs of routers, which are those that all their ways have.
OutputNames = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Run:
    """What all nodes of one request share."""

    plan: Plan
    ask: Ask
    observe: Observe
    output_names: OutputNames
    group: asyncio.TaskGroup


async def execute(plan: Plan, request: Arrays, ask: Ask, observe: Observe, names: OutputNames) -> Arrays:
    """Return the graph's outputs for the rows of a request; raises Refused, with the node's name.

    When one node fails, or the caller gives up, every other node's work is cancelled.
    """
    rows = _row_count(request)
    try:
        async with asyncio.TaskGroup() as group:
            scope = Scope(Run(plan, ask, observe, names, group), request, np.arange(rows), plan.roots)
            return {
                alias: await scope.value(reference) for alias, reference in plan.graph.spec.outputs.items()
            }
    except ExceptionGroup as failures:
        raise _first(failures) from failures


class Scope:
    """Some rows of a request, and the nodes that are asked for all of them.

    Nodes that an outer scope asks anyway, for more rows, are not asked again.
    """

    def __init__(
        self,
        run: Run,
        request: Arrays,
        rows: Rows,
        nodes: Iterable[str],
        outer: "Scope | None" = None,
    ) -> None:
        self.rows = rows
        self._run = run
        self._request = request
        self._outer = outer
        self._tasks = {
            name: run.group.create_task(self._settle(name))
            for name in nodes
            if outer is None or outer.holder(name) is None
        }

    async def value(self, reference: str) -> NDArray[Any]:
        """Return what a reference means, for the rows of this scope; raises Refused."""
        name, output = split_reference(reference)
        if name == REQUEST:
            if output is None or output not in self._request:
                raise invalid(f"expected the input {output!r}, received {sorted(self._request)}")
            return operations.as_bytes(self._request[output])
        outputs = await self.outputs(name)
        if output is None and len(outputs) == 1:
            return next(iter(outputs.values()))
        if output is None or output not in outputs:
            what = f"expected an output of {sorted(outputs)} of node {name}"
            raise Refused(Code.FAILED_PRECONDITION, f"{what}, received {reference!r}")
        return outputs[output]

    async def outputs(self, name: str) -> Arrays:
        """Return the outputs of a node, for the rows of this scope; raises Refused."""
        holder = self.holder(name)
        if holder is None:
            raise LookupError(f"expected a node that is asked, received {name!r}")
        outcome = await holder.outcome(name)
        if isinstance(outcome, Skipped):
            raise outcome
        if holder is self:
            return outcome
        mine = np.searchsorted(holder.rows, self.rows)
        return {output: values[mine] for output, values in outcome.items()}

    def holder(self, name: str) -> "Scope | None":
        """Return the outermost scope that asks a node; None when none does."""
        above = self._outer.holder(name) if self._outer else None
        return above or (self if name in self._tasks else None)

    async def outcome(self, name: str) -> "Arrays | Skipped":
        """Return what became of a node of this very scope."""
        return await self._tasks[name]

    async def _settle(self, name: str) -> "Arrays | Skipped":
        node = self._run.plan.node(name)
        try:
            match node:
                case ModelNode():
                    return await self._ask(name, node)
                case RouterNode():
                    return await self._route(name, node)
                case CombinerNode():
                    return await self._combine(name, node)
                case TransformerNode():
                    return await self._transform(name, node)
        except Skipped as skipped:
            return skipped
        except Refused as refusal:
            message = f"Node {name}: {refusal.message}"
            raise Refused(refusal.code, message, refusal.retry_after_seconds) from refusal

    async def _ask(self, name: str, node: ModelNode) -> Arrays:
        try:
            given = {alias: await self.value(reference) for alias, reference in node.inputs.items()}
            return await self._run.observe(name, lambda: self._run.ask(name, node, given, self._request))
        except Refused as refusal:
            if node.on_failure is None or refusal.code is Code.INVALID_ARGUMENT:
                raise
            if isinstance(node.on_failure, Constant):
                return self._constants(node.on_failure)
            raise Skipped(refusal.code, f"Node {name}: {refusal.message}") from refusal

    def _constants(self, constant: Constant) -> Arrays:
        return {
            output: operations.constant(value, len(self.rows)) for output, value in constant.constant.items()
        }

    async def _transform(self, name: str, node: TransformerNode) -> Arrays:
        values = {}
        for output, made in node.outputs.items():
            if made.input is not None:
                values[output] = await self.value(made.input)
            elif made.constant is not None:
                values[output] = operations.constant(made.constant, len(self.rows))

        async def transform() -> Arrays:
            return {output: operations.made(made, values[output]) for output, made in node.outputs.items()}

        return await self._run.observe(name, transform)

    async def _combine(self, name: str, node: CombinerNode) -> Arrays:
        values = [await self._value_or_none(reference) for reference in node.of]
        if all(value is None for value in values):
            # Says why: what it takes was skipped.
            await self.value(node.of[0])

        async def combine() -> Arrays:
            return {node.output or name: operations.combined(node, values)}

        return await self._run.observe(name, combine)

    async def _route(self, name: str, node: RouterNode) -> Arrays:
        taken = {reference: await self._value_or_none(reference) for reference in node.references()}

        async def route() -> Arrays:
            ways = routing.divided(node, taken, self.rows)
            scopes = {way: self._inner(way, positions) for way, positions in ways.items()}
            answers = [(ways[way], await scope.outputs(way)) for way, scope in scopes.items()]
            return routing.merged(answers, self._run.output_names.get(name))

        return await self._run.observe(name, route)

    def _inner(self, way: str, positions: Rows) -> "Scope":
        request = {name: values[positions] for name, values in self._request.items()}
        return Scope(self._run, request, self.rows[positions], self._run.plan.ways[way], self)

    async def _value_or_none(self, reference: str) -> NDArray[Any] | None:
        try:
            return await self.value(reference)
        except Skipped:
            return None


def _row_count(request: Arrays) -> int:
    counts = {name: len(values) if values.ndim else None for name, values in request.items()}
    found = set(counts.values())
    if len(found) != 1 or None in found:
        raise invalid(f"expected inputs with the same number of rows, received {counts}")
    return int(found.pop() or 0)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
