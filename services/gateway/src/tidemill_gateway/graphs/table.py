"""The graphs of a route table, as routes."""

from collections.abc import Iterable, Iterator

from tidemill_contracts.pb.routes_pb2 import Graph
from tidemill_gateway.graphs.plan import plan_of
from tidemill_gateway.routes import Route
from tidemill_runtime.logs import get_logger

# No host has such a name.
SCHEME = "graph!"


def graph_routes(graphs: Iterable[Graph]) -> Iterator[tuple[str, Route]]:
    """Yield a route for every graph; one that this gateway cannot read is left out, and told in the log."""
    for graph in graphs:
        try:
            plan = plan_of(graph.spec)
        except ValueError as error:
            get_logger().error("graph-unreadable", graph=graph.name, error=str(error))
            continue
        yield (
            graph.name,
            Route(
                address=f"{SCHEME}:{graph.name}",
                stable_version=graph.version,
                loaded_versions=frozenset({graph.version}),
                labels={},
                graph=plan,
            ),
        )
