"""A graph, as it is executed: which nodes are asked for all rows, and which only for those sent their way."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tidemill_contracts.graph_nodes import Node, RouterNode
from tidemill_contracts.graph_spec import InferenceGraph, nodes_of

MAX_PLANS = 256


@dataclass(frozen=True)
class Plan:
    """A graph that can be executed."""

    graph: InferenceGraph

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.graph.name

    @cached_property
    def roots(self) -> frozenset[str]:
        """Nodes that are asked for every row of a request."""
        return self.certain(nodes_of(self.graph.spec.outputs.values()))

    @cached_property
    def ways(self) -> dict[str, frozenset[str]]:
        """For each node that a router sends rows to: the nodes that are asked for every one of them."""
        routers = (node for node in self.graph.spec.nodes.values() if isinstance(node, RouterNode))
        return {way: self.certain([way]) for router in routers for way in router.ways()}

    def node(self, name: str) -> Node:
        """Return a node."""
        return self.graph.spec.nodes[name]

    def certain(self, wanted: Iterable[str]) -> frozenset[str]:
        """Name the nodes that the wanted ones take values from for all rows, and themselves."""
        found = set(wanted)
        waiting = list(found)
        while waiting:
            fresh = nodes_of(self.node(waiting.pop()).references()) - found
            found |= fresh
            waiting.extend(fresh)
        return frozenset(found)


@lru_cache(maxsize=MAX_PLANS)
def plan_of(spec: str) -> Plan:
    """Read a graph's document; raises ValueError when it is none. Tables repeat it: it is read once."""
    return Plan(InferenceGraph.model_validate_json(spec))
