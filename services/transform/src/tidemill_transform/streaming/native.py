"""The stream as a Dataflow job, which reads Pub/Sub itself and acknowledges what it has stored."""

from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions

from tidemill_runtime.logs import get_logger
from tidemill_transform.dataflow import check_options, completed, is_dataflow
from tidemill_transform.dataflow_jobs import Jobs
from tidemill_transform.streaming.records import EventTime, Record
from tidemill_transform.streaming.settings import IN_PROCESS_RUNNER, StreamSettings
from tidemill_transform.streaming.stream import Stream, build_stream


def submit(settings: StreamSettings, stream: Stream) -> None:
    """Start the job of a stream, or update it with `--update`; one that runs already is left alone."""
    if not is_dataflow(settings.beam_options):
        raise ValueError(f"expected --runner={IN_PROCESS_RUNNER} or DataflowRunner: no other reads Pub/Sub")
    check_options(settings.beam_options)
    options = job_options(settings)
    cloud = options.view_as(GoogleCloudOptions)
    if not cloud.update and (job_id := Jobs(options).active(cloud.job_name)):
        get_logger().info("stream-runs-already", job_id=job_id, job_name=cloud.job_name)
        return
    pipeline = beam.Pipeline(options=options)
    path = f"projects/{settings.project}/subscriptions/{settings.subscription}"
    build_stream(pipeline, stream, NativeSource(path, settings.event_time()))
    result: Any = pipeline.run()
    get_logger().info("stream-submitted", job_id=result.job_id(), job_name=cloud.job_name)


def job_options(settings: StreamSettings) -> PipelineOptions:
    """Complete the options of a stream's job."""
    labels = {"pipeline": settings.pipeline}
    options = completed(settings.beam_options, f"stream-{settings.pipeline}", labels)
    options.view_as(StandardOptions).streaming = True
    return options


class NativeSource(beam.PTransform[Any, Any]):
    """Nothing -> Record, from a subscription that is named in full."""

    def __init__(self, subscription: str, event_time: EventTime) -> None:
        super().__init__()
        self._subscription = subscription
        self._event_time = event_time

    def expand(self, begin: beam.pvalue.PBegin) -> beam.pvalue.PCollection[Any]:
        read = ReadFromPubSub(
            subscription=self._subscription,
            with_attributes=True,
            timestamp_attribute=self._event_time.attribute,
        )
        records: beam.pvalue.PCollection[Any] = begin | read | "Record" >> beam.Map(self.record)
        return records

    def record(self, message: PubsubMessage) -> Record:
        """Make a record of a message as Beam has read it."""
        return self._event_time.record(
            message.data, message.attributes or {}, message.message_id, message.publish_time
        )
