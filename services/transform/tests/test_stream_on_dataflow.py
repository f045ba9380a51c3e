"""Rules of the stream as a Dataflow job: one for each pipeline, of steps that workers can load."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.testing.util import assert_that, equal_to
from dataflow_stand_in import DataflowStandIn, running_dataflow
from worker_image import run_in_worker

from tidemill_runtime.folder import FolderStore
from tidemill_transform.settings import IN_MEMORY
from tidemill_transform.streaming.app import stream_of
from tidemill_transform.streaming.native import NativeSource, submit
from tidemill_transform.streaming.records import EventTime, Record
from tidemill_transform.streaming.settings import StreamSettings

SUBSCRIPTION = "projects/a-project/subscriptions/records"
LOAD_FUNCTIONS = """
from apache_beam.internal import pickler
from apache_beam.portability.api import beam_runner_api_pb2
with open(sys.argv[1], "rb") as file:
    pipeline = beam_runner_api_pb2.Pipeline.FromString(file.read())
for transform in pipeline.components.transforms.values():
    if transform.spec.urn == "beam:transform:pardo:v1":
        payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
        print(type(pickler.loads(payload.do_fn.payload)[0]).__name__)
"""


@pytest.fixture
def dataflow(tmp_path: Path) -> Iterator[DataflowStandIn]:
    with running_dataflow(tmp_path / "dataflow") as dataflow:
        dataflow.gate.clear()
        yield dataflow


def settings_of(dataflow: DataflowStandIn, **changes: str) -> StreamSettings:
    facts = {"pipeline": "flights", "subscription": "records", "project": "a-project", **changes}
    options = {"bucket_url": "gs://bucket", "beam_options": dataflow.options()}
    return StreamSettings.model_validate({**facts, **options})


def start(settings: StreamSettings, bucket: Path) -> None:
    submit(settings, stream_of(settings, FolderStore(bucket)))


def staged(dataflow: DataflowStandIn) -> beam_runner_api_pb2.Pipeline:
    return beam_runner_api_pb2.Pipeline.FromString((dataflow.folder / "pipeline.pb").read_bytes())


def test_a_pipeline_has_one_job(dataflow: DataflowStandIn, tmp_path: Path) -> None:
    for pipeline in ("flights", "flights", "trains"):
        start(settings_of(dataflow, pipeline=pipeline), tmp_path / "bucket")

    assert [job["name"] for job in dataflow.jobs] == ["stream-flights", "stream-trains"]
    assert {job["environment"]["version"]["job_type"] for job in dataflow.jobs} == {"FNAPI_STREAMING"}
    assert dataflow.jobs[0]["labels"] == {"tidemill-pipeline": "flights"}


def test_a_job_reads_the_subscription_and_event_times_of_an_attribute(
    dataflow: DataflowStandIn, tmp_path: Path
) -> None:
    start(settings_of(dataflow, event_time_attribute="happened"), tmp_path / "bucket")

    transforms = staged(dataflow).components.transforms.values()
    [read] = [each for each in transforms if each.spec.urn == "beam:transform:pubsub_read:v1"]
    payload = beam_runner_api_pb2.PubSubReadPayload.FromString(read.spec.payload)
    assert payload.subscription == SUBSCRIPTION
    assert payload.timestamp_attribute == "happened"


def test_workers_can_load_every_function(dataflow: DataflowStandIn, tmp_path: Path) -> None:
    start(settings_of(dataflow), tmp_path / "bucket")

    ended = run_in_worker(tmp_path, LOAD_FUNCTIONS, str(dataflow.folder / "pipeline.pb"))

    assert ended.returncode == 0, ended.stderr
    assert {"Gather", "Land"} <= set(ended.stdout.split())


def test_a_runner_that_cannot_read_pubsub_is_refused(dataflow: DataflowStandIn, tmp_path: Path) -> None:
    settings = settings_of(dataflow).model_copy(update={"beam_options": ("--runner=FlinkRunner",)})

    with pytest.raises(ValueError, match="no other reads Pub/Sub"):
        start(settings, tmp_path / "bucket")


def test_a_message_that_beam_read_is_a_record() -> None:
    published = datetime(2026, 1, 2, tzinfo=UTC)
    message = PubsubMessage(b"{}", {"at": "2026-01-01T00:00:00Z"}, "m1", published)
    source = NativeSource(SUBSCRIPTION, EventTime(attribute="at"))
    expected = Record(b"{}", "m1", published.timestamp(), published.timestamp() - 86_400)

    with beam.Pipeline(options=PipelineOptions([*IN_MEMORY])) as pipeline:
        records = pipeline | beam.Create([message]) | beam.Map(source.record)
        assert_that(records, equal_to([expected]))
