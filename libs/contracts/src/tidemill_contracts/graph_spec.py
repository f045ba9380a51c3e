"""The inference graph: several models behind one name. The same document is a file and what gateways get."""

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill_contracts.graph_nodes import (
    REQUEST,
    Alias,
    CombinerNode,
    ModelNode,
    Node,
    NodeName,
    Reference,
    RouterNode,
    TransformerNode,
    ValueType,
)
from tidemill_contracts.pipeline import Metadata, read_spec
from tidemill_contracts.spec_model import SpecModel

MAX_NODES = 64


class GraphSpec(SpecModel):
    """The `spec` of a graph."""

    inputs: dict[Alias, ValueType] = Field(
        default={}, description="Types of the request's inputs; only those that no model takes are needed."
    )
    nodes: dict[NodeName, Node] = Field(min_length=1, max_length=MAX_NODES)
    outputs: dict[Alias, Reference] = Field(min_length=1, description="What is answered.")

    @model_validator(mode="after")
    def _check_wiring(self) -> Self:
        if REQUEST in self.nodes:
            raise ValueError(f"expected another name for a node than {REQUEST!r}")
        for name, node in self.nodes.items():
            for reference in node.references():
                self._check_reference(f"nodes.{name}", reference)
            for way in node.ways() if isinstance(node, RouterNode) else ():
                self._check_node(f"nodes.{name}", way)
        for alias, reference in self.outputs.items():
            self._check_reference(f"outputs.{alias}", reference)
        self._check_order()
        return self

    def takes(self, name: str) -> set[str]:
        """Name the nodes that a node takes values from, for all rows or for some."""
        node = self.nodes[name]
        ways = node.ways() if isinstance(node, RouterNode) else ()
        return {*nodes_of(node.references()), *ways}

    def models(self) -> Iterator[tuple[str, ModelNode]]:
        """Yield the nodes that ask models, by name."""
        for name, node in self.nodes.items():
            if isinstance(node, ModelNode):
                yield name, node

    def _check_reference(self, place: str, reference: str) -> None:
        name, output = split_reference(reference)
        if name == REQUEST:
            if output is None:
                raise ValueError(f"{place}: expected {REQUEST}.INPUT, received {reference!r}")
            return
        self._check_node(place, name)
        known = self._outputs(name)
        if known and output is None and len(known) > 1:
            what = f"{name}.OUTPUT with one of {known}"
            raise ValueError(f"{place}: expected {what}, received {reference!r}")
        if known and output is not None and output not in known:
            raise ValueError(f"{place}: expected an output of {known}, received {reference!r}")

    def _outputs(self, name: str) -> list[str]:
        """Name the outputs of a node; empty where models decide."""
        match self.nodes[name]:
            case CombinerNode(output=output):
                return [output or name]
            case TransformerNode(outputs=outputs):
                return sorted(outputs)
        return []

    def _check_node(self, place: str, name: str) -> None:
        if name not in self.nodes:
            raise ValueError(f"{place}: expected a node of {sorted(self.nodes)}, received {name!r}")

    def _check_order(self) -> None:
        takes = {name: self.takes(name) for name in self.nodes}
        try:
            TopologicalSorter(takes).prepare()
        except CycleError as error:
            raise ValueError(f"expected no cycle, received {' <- '.join(error.args[1])}") from error
        needed = nodes_of(self.outputs.values())
        waiting = list(needed)
        while waiting:
            fresh = takes[waiting.pop()] - needed
            needed |= fresh
            waiting.extend(fresh)
        if idle := sorted(self.nodes.keys() - needed):
            raise ValueError(f"expected every node to be needed for an output, received {idle}")


class InferenceGraph(SpecModel):
    """The whole document."""

    api_version: Literal["tidemill.dev/v1"] = "tidemill.dev/v1"
    kind: Literal["InferenceGraph"]
    metadata: Metadata
    spec: GraphSpec

    @property
    def name(self) -> str:
        """The name that requests use, as they use a model's."""
        return self.metadata.name

    def to_json(self) -> str:
        """Serialise."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class GraphStatus(SpecModel):
    """What serving says of a graph in one version of its file; `problem` is empty while it is served."""

    version: int
    problem: str = ""


def parse_graph(text: str | bytes) -> InferenceGraph:
    """Read a graph from YAML or JSON; raise InvalidSpec naming every wrong field."""
    return read_spec(text, InferenceGraph)


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return the node (or `request`) and the output that a reference names, None for the only one."""
    name, dot, output = reference.partition(".")
    return name, output if dot else None


def nodes_of(references: Iterable[str]) -> set[str]:
    """Name the nodes that references name."""
    return {split_reference(reference)[0] for reference in references} - {REQUEST}
