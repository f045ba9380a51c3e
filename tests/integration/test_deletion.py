"""A pipeline from its deletion to its return, through all services."""

from blessed_models import bless
from typer.testing import CliRunner

from tidemill_contracts import layout
from tidemill_contracts.events import (
    DropQuarantined,
    ModelDeployed,
    ModelWithdrawn,
    PipelineDeleted,
    RetrainRequested,
)
from tidemill_local.cli.app import app
from tidemill_world import World, flights

NAME = "fleeting"
HALF = {"x": 0.5}


def serves(world: World) -> bool | None:
    return world.predict(NAME, HALF).status == 200 or None


def test_a_deleted_pipeline_serves_no_more_and_comes_back_with_a_new_model(world: World) -> None:
    bless(world, NAME, 1, lambda x: x)
    world.wait_for(lambda: serves(world))

    told = CliRunner().invoke(app, ["delete", NAME, "--yes", "--home", str(world.home)])

    assert told.exit_code == 0, told.output
    assert world.predict(NAME, HALF).status == 404
    world.await_event(lambda data: isinstance(data, PipelineDeleted) and data.pipeline == NAME)
    gone = world.await_event(lambda data: isinstance(data, ModelWithdrawn) and data.pipeline == NAME)
    assert isinstance(gone.data, ModelWithdrawn)
    assert gone.data.reason.code == "pipeline-deleted"
    assert world.store.list(layout.model_version(NAME, 1))

    world.drop(NAME, b"late,hour\n1,2\n")
    refused = world.await_event(lambda data: isinstance(data, DropQuarantined) and data.pipeline == NAME)
    assert isinstance(refused.data, DropQuarantined)
    assert refused.data.reason.code == "unknown-pipeline"

    bless(world, NAME, 2, lambda x: x)
    world.await_event(
        lambda data: isinstance(data, ModelDeployed) and (data.pipeline, data.version) == (NAME, 2)
    )
    world.wait_for(lambda: serves(world))


def test_a_retraining_of_the_same_data_brings_the_model_back(world: World) -> None:
    name = "returning"
    world.apply(name, "[linear]")
    world.drop(name, flights(0, 2000))
    first = world.await_event(lambda data: isinstance(data, ModelDeployed) and data.pipeline == name)
    told = CliRunner().invoke(app, ["delete", name, "--yes", "--home", str(world.home)])
    assert told.exit_code == 0, told.output

    world.apply(name, "[linear]")
    world.tell(RetrainRequested(pipeline=name, request_id="again"))
    again = world.await_event(
        lambda data: isinstance(data, ModelDeployed) and data.pipeline == name and data != first.data
    )

    assert isinstance(again.data, ModelDeployed)
    assert (again.data.version, again.data.replaces) == (1, None)
    model = world.ask("GET", f"/v1/models/{name}/metadata")
    assert (model.status, model.json()["model_spec"]["version"]) == (200, "1")
