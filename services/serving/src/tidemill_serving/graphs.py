"""Inference graphs: read from the bucket, held against the models that are served, and given to gateways."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tidemill_contracts import layout
from tidemill_contracts.graph_nodes import ModelNode
from tidemill_contracts.graph_spec import GraphStatus, InferenceGraph, parse_graph
from tidemill_contracts.pb.routes_pb2 import Graph, Route
from tidemill_contracts.pipeline import InvalidSpec
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_serving import metrics
from tidemill_serving.routes import RouteBoard


@dataclass(frozen=True)
class Found:
    """A graph as it lies in the bucket; where it cannot be read, `problem` says why."""

    version: int
    graph: InferenceGraph | None = None
    problem: str = ""


class Graphs:
    """Every graph of the bucket. One that is broken, or not satisfied, harms no other."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._found: Mapping[str, Found] | None = None
        self._pipelines: frozenset[str] = frozenset()
        self._told: dict[str, GraphStatus] = {}

    def refresh(self) -> None:
        """Read what is new or changed."""
        self._pipelines = frozenset(_names(self._store.list(layout.pipeline_spec("").removesuffix(".yaml"))))
        names = _names(self._store.list(layout.GRAPHS))
        self._found = {name: found for name in names if (found := self._read(name)) is not None}

    def published(self, routes: Sequence[Route]) -> Iterator[Graph]:
        """Yield the graphs that gateways can serve with these routes."""
        for name, found in self._all().items():
            if found.graph is not None and not self._problem(name, found, routes):
                yield Graph(name=name, spec=found.graph.to_json(), version=found.version)

    def tell(self, routes: Sequence[Route]) -> None:
        """Write down what became of each graph, where that has changed."""
        statuses = {
            name: GraphStatus(version=found.version, problem=self._problem(name, found, routes))
            for name, found in self._all().items()
        }
        for name, status in statuses.items():
            if status != self._told.get(name):
                self._store.write(layout.graph_status(name), status.model_dump_json(by_alias=True).encode())
                self._told[name] = status
                tell = get_logger().warning if status.problem else get_logger().info
                tell("graph-refused" if status.problem else "graph-served", graph=name, why=status.problem)
        for name in self._told.keys() - statuses.keys():
            self._store.delete(layout.graph_status(name))
            del self._told[name]
        refused = sum(bool(status.problem) for status in statuses.values())
        metrics.GRAPHS.labels("refused").set(refused)
        metrics.GRAPHS.labels("served").set(len(statuses) - refused)

    def _all(self) -> Mapping[str, Found]:
        # The first table of a new process must not be without the graphs that gateways serve already.
        if self._found is None:
            self.refresh()
        return self._found or {}

    def _read(self, name: str) -> Found | None:
        try:
            version = self._store.stat(layout.graph_spec(name)).generation
            before = (self._found or {}).get(name)
            if before is not None and before.version == version:
                return before
            graph = parse_graph(self._store.read(layout.graph_spec(name)))
        except ObjectNotFound:
            return None
        except InvalidSpec as error:
            return Found(version, problem=str(error))
        if graph.name != name:
            return Found(version, problem=f"expected the name {name!r} in metadata, received {graph.name!r}")
        return Found(version, graph)

    def _problem(self, name: str, found: Found, routes: Sequence[Route]) -> str:
        if found.graph is None:
            return found.problem
        if name in self._pipelines or any(route.model == name for route in routes):
            return f"expected a name that no pipeline has, received {name!r}"
        by_model = {route.model: route for route in routes}
        lacks = (
            f"node {node}: {lack}"
            for node, asks in found.graph.spec.models()
            if (lack := _lack(asks, by_model.get(asks.model)))
        )
        return "; ".join(lacks)


def keep_graphs(graphs: Graphs, board: RouteBoard, stop: threading.Event, every_seconds: float) -> None:
    """Look after graphs until `stop` is set."""
    while not stop.is_set():
        try:
            graphs.refresh()
            if (routes := board.look_again()) is not None:
                graphs.tell(routes)
        except Exception:  # noqa: BLE001 - the thread's boundary: whatever it was, the next turn may do better
            get_logger().exception("graphs-failed")
        stop.wait(every_seconds)


def _lack(node: ModelNode, route: Route | None) -> str:
    if route is None:
        return f"nothing serves the model {node.model!r}"
    if node.version is not None and node.version not in route.loaded_versions:
        loaded = sorted(route.loaded_versions)
        return f"expected a loaded version of {node.model!r}, of {loaded}, received {node.version}"
    if node.label is not None and node.label not in route.labels:
        return f"expected a label of {node.model!r}, of {sorted(route.labels)}, received {node.label!r}"
    return ""


def _names(objects: Iterable[str]) -> list[str]:
    return [path.stem for path in map(PurePosixPath, objects) if path.suffix == ".yaml"]
