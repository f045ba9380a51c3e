"""Graphs as gateways get them: those that can be served, and for the others a reason."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tidemill_contracts import layout
from tidemill_contracts.graph_spec import GraphStatus, parse_graph
from tidemill_contracts.pb.routes_pb2 import Graph, Route
from tidemill_runtime.folder import FolderStore
from tidemill_serving.graphs import Graphs
from tidemill_serving.routes import RouteBoard

ROUTE = Route(model="m", stable_version=3, loaded_versions=[2, 3], labels={"stable": 3})


class World:
    """A bucket, and the board that gateways watch."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.restart()

    def restart(self) -> None:
        self.graphs = Graphs(self.store)
        self.board = RouteBoard(self.graphs.published)

    def put(self, name: str, node: str = "{kind: model, model: m}", *, called: str = "") -> None:
        text = f"""
kind: InferenceGraph
metadata: {{name: {called or name}}}
spec: {{nodes: {{a: {node}}}, outputs: {{y: a.y}}}}
"""
        self.store.write(layout.graph_spec(name), text.encode())

    def look(self) -> None:
        self.graphs.refresh()
        self.graphs.tell(self.board.look_again() or ())

    def shown(self, routes: Iterable[Route] | None = None) -> list[Graph]:
        if routes is not None:
            self.board.show(routes)
        table = self.board.next_after(-1, timeout_seconds=0)
        assert table is not None
        return list(table.graphs)

    def names(self) -> list[str]:
        return [graph.name for graph in self.shown()]

    def problem(self, name: str) -> str:
        return GraphStatus.model_validate_json(self.store.read(layout.graph_status(name))).problem


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.board.show([ROUTE])
    return world


def test_a_graph_whose_models_are_served_is_given_to_gateways(world: World) -> None:
    world.put("g")
    world.look()

    (graph,) = world.shown()
    assert (graph.name, graph.version > 0) == ("g", True)
    assert parse_graph(graph.spec).name == "g"
    assert world.problem("g") == ""


def test_a_change_is_a_later_version_and_what_did_not_change_is_no_new_table(world: World) -> None:
    world.put("g")
    world.look()
    table = world.board.next_after(-1, timeout_seconds=0)
    assert table is not None

    world.look()
    assert world.board.next_after(table.revision, timeout_seconds=0) is None

    world.put("g", "{kind: model, model: m, version: 2}")
    world.look()
    assert world.shown()[0].version > table.graphs[0].version


def test_a_new_process_shows_graphs_with_its_first_table(world: World) -> None:
    world.put("g")
    world.restart()

    assert [graph.name for graph in world.shown([ROUTE])] == ["g"]


def test_a_graph_comes_and_goes_with_its_models(world: World) -> None:
    world.put("g")
    assert world.shown([]) == []
    world.look()
    assert world.problem("g") == "node a: nothing serves the model 'm'"

    world.board.show([ROUTE])
    world.look()

    assert (world.names(), world.problem("g")) == (["g"], "")


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (
            "{kind: model, model: m, version: 1}",
            "node a: expected a loaded version of 'm', of [2, 3], received 1",
        ),
        (
            "{kind: model, model: m, label: canary}",
            "node a: expected a label of 'm', of ['stable'], received 'canary'",
        ),
        ("{kind: modle}", "modle"),
    ],
)
def test_a_graph_that_cannot_be_served_says_why_and_harms_no_other(
    world: World, node: str, problem: str
) -> None:
    world.put("g", node)
    world.put("other")
    world.look()

    assert world.names() == ["other"]
    assert problem in world.problem("g")


def test_a_pipeline_keeps_its_name(world: World) -> None:
    world.put("m")
    world.put("n")
    world.store.write(layout.pipeline_spec("n"), b"metadata: {name: n}\nspec: {label: y}")
    world.look()

    assert world.names() == []
    assert world.problem("m") == "expected a name that no pipeline has, received 'm'"
    assert world.problem("n") == "expected a name that no pipeline has, received 'n'"


def test_a_file_has_the_name_of_its_graph(world: World) -> None:
    world.put("g", called="h")
    world.look()

    assert world.names() == []
    assert world.problem("g") == "expected the name 'g' in metadata, received 'h'"


def test_what_is_deleted_is_gone_with_its_status(world: World) -> None:
    world.put("g")
    world.look()
    world.store.delete(layout.graph_spec("g"))
    world.look()

    assert world.names() == []
    assert world.store.list("graph-status/") == []
