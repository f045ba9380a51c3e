"""Rules of Dataflow jobs: one at a time for each dataset version, run by workers with their image alone."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from dataflow_stand_in import DataflowStandIn, is_active, running_dataflow
from transform_world import ROWS, World, a_span

from tidemill_contracts.events import DatasetTransformed
from tidemill_runtime.consumer import RetryLater
from tidemill_transform.app import load_engine
from tidemill_transform.beam_pass import run_pass
from tidemill_transform.dataflow import check_options, run_on_dataflow
from tidemill_transform.dataflow_jobs import JobFailed, Wait
from tidemill_transform.plan import Plan, Report

WAIT = Wait(at_most_seconds=60, poll_seconds=0.05)
IMPATIENT = Wait(at_most_seconds=0, poll_seconds=0.05)


@pytest.fixture
def dataflow(tmp_path: Path) -> Iterator[DataflowStandIn]:
    with running_dataflow(tmp_path / "dataflow") as dataflow:
        yield dataflow


class Engine:
    """The engine under test, sent to the stand-in."""

    def __init__(self, dataflow: DataflowStandIn, wait: Wait = WAIT, options: Sequence[str] = ()) -> None:
        self._options = (*dataflow.options(), *options)
        self._wait = wait

    def __call__(self, plan: Plan) -> Report:
        return run_on_dataflow(replace(plan, beam_options=self._options), self._wait)


def test_a_dataset_is_made_by_workers_that_have_their_image_alone(
    dataflow: DataflowStandIn, tmp_path: Path
) -> None:
    here, there = World(tmp_path / "here"), World(tmp_path / "there")
    here.tell(a_span(here.store, row_group_rows=64))

    told = there.tell(a_span(there.store, row_group_rows=64), Engine(dataflow))

    assert isinstance(told, DatasetTransformed), dataflow.jobs[-1]["said"]
    assert told.rows_in == ROWS
    assert there.contents() == here.contents()
    assert [job["name"] for job in dataflow.jobs] == [f"flights-{told.dataset_id}"]


def test_a_job_is_found_again_and_waited_for(dataflow: DataflowStandIn, tmp_path: Path) -> None:
    world = World(tmp_path)
    event = a_span(world.store)
    dataflow.gate.clear()
    with pytest.raises(RetryLater, match="job job-1 to end soon, it is JOB_STATE_RUNNING"):
        world.tell(event, Engine(dataflow, IMPATIENT))
    with pytest.raises(RetryLater, match="job-1"):
        world.tell(event, Engine(dataflow, IMPATIENT))

    dataflow.gate.set()

    assert isinstance(world.tell(event, Engine(dataflow)), DatasetTransformed)
    assert len(dataflow.jobs) == 1


def test_what_a_job_did_while_nobody_waited_is_not_done_again(
    dataflow: DataflowStandIn, tmp_path: Path
) -> None:
    world = World(tmp_path)
    event = a_span(world.store)
    with pytest.raises(RetryLater):
        world.tell(event, Engine(dataflow, IMPATIENT))
    await_end(dataflow)

    assert isinstance(world.tell(event, Engine(dataflow)), DatasetTransformed)
    assert len(dataflow.jobs) == 1


def test_a_job_that_is_not_listed_yet_is_no_reason_for_a_second_one(
    dataflow: DataflowStandIn, tmp_path: Path
) -> None:
    world = World(tmp_path)
    event = a_span(world.store)
    dataflow.gate.clear()
    for behind in (0, 1):
        dataflow.behind = behind
        with pytest.raises(RetryLater, match="job-1"):
            world.tell(event, Engine(dataflow, IMPATIENT))

    assert len(dataflow.jobs) == 1


def test_a_job_that_failed_says_why_and_is_done_anew(dataflow: DataflowStandIn, tmp_path: Path) -> None:
    world = World(tmp_path)
    event, engine = a_span(world.store), Engine(dataflow)
    data = next(name for name in world.store.list("spans/") if name.endswith("data.parquet"))
    rows = world.store.read(data)

    def run_without_rows(plan: Plan) -> Report:
        world.store.delete(data)
        return engine(plan)

    with pytest.raises(JobFailed, match=r"job job-1 to be done, it is JOB_STATE_FAILED: .*FileNotFound"):
        world.tell(event, run_without_rows)
    world.store.write(data, rows)

    assert isinstance(world.tell(event, engine), DatasetTransformed)
    assert [job["id"] for job in dataflow.jobs] == ["job-1", "job-2"]


def test_a_job_has_the_options_it_is_given(dataflow: DataflowStandIn, tmp_path: Path) -> None:
    world = World(tmp_path)
    options = (
        "--service_account_email=workers@example.com",
        "--no_use_public_ips",
        "--subnetwork=regions/a-region/subnetworks/private",
        "--machine_type=e2-standard-4",
        "--max_num_workers=8",
        "--labels=team=data",
        "--experiments=use_network_tags=tidemill",
    )
    dataflow.gate.clear()
    with pytest.raises(RetryLater):
        world.tell(a_span(world.store), Engine(dataflow, IMPATIENT, options))

    [job] = dataflow.jobs
    environment = job["environment"]
    [pool] = environment["workerPools"]
    pipeline, dataset_id = job["name"].split("-")
    assert job["labels"] == {
        "team": "data",
        "tidemill-pipeline": pipeline,
        "tidemill-dataset": dataset_id,
    }
    assert environment["serviceAccountEmail"] == "workers@example.com"
    assert pool["ipConfiguration"] in (2, "WORKER_IP_PRIVATE")
    assert pool["subnetwork"] == "regions/a-region/subnetworks/private"
    assert pool["machineType"] == "e2-standard-4"
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 8
    assert {image["containerImage"] for image in pool["sdkHarnessContainerImages"]} == {
        "example.com/tidemill-worker:1"
    }
    assert "use_network_tags=tidemill" in environment["experiments"]
    assert "packages" not in pool


def test_options_that_a_job_needs_are_asked_for() -> None:
    with pytest.raises(ValueError, match="missing are --region, --sdk_container_image"):
        check_options(["--runner=DataflowRunner", "--project=p", "--temp_location=gs://b/tmp"])


def test_a_job_cannot_be_named(dataflow: DataflowStandIn) -> None:
    check_options(dataflow.options())
    with pytest.raises(ValueError, match="no --job_name"):
        check_options([*dataflow.options(), "--job_name=mine"])


def await_end(dataflow: DataflowStandIn) -> None:
    deadline = time.monotonic() + 60
    while any(is_active(job) for job in dataflow.jobs) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_the_engine_is_what_the_options_name(dataflow: DataflowStandIn) -> None:
    assert load_engine(dataflow.options()) is run_on_dataflow
    assert load_engine() is run_pass
    with pytest.raises(ValueError, match="missing are --project"):
        load_engine(["--runner=DataflowRunner"])
