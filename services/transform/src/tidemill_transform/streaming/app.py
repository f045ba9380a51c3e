"""The stream's composition root: what runs in this process; anything else is handed over."""

import threading

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from google.cloud.pubsub_v1 import SubscriberClient

from tidemill_contracts import layout
from tidemill_contracts.manifest import SpanManifest
from tidemill_contracts.profile import ColumnType
from tidemill_runtime.logs import configure_logging, get_logger
from tidemill_runtime.objects import ObjectStore, open_store
from tidemill_runtime.process import running
from tidemill_runtime.sequence import Sequence
from tidemill_transform.streaming.packing import Packer
from tidemill_transform.streaming.pulling import HeldMessages, Settle, held_source
from tidemill_transform.streaming.settings import IN_PROCESS_RUNNER, StreamSettings
from tidemill_transform.streaming.stream import Stream, build_stream
from tidemill_transform.streaming.windows import Windows

LEASE_MARGIN_SECONDS = 60


def main() -> None:
    """Run the stream until the process is asked to stop, or hand it to Dataflow."""
    settings = StreamSettings()
    configure_logging("stream", log_format=settings.log_format, level=settings.log_level)
    options = PipelineOptions(list(settings.beam_options))
    stream = stream_of(settings, open_store(settings.bucket_url))
    if options.view_as(StandardOptions).runner == IN_PROCESS_RUNNER:
        run_here(settings, stream, options)
    else:
        # Dataflow's clients are for those who use it.
        from tidemill_transform.streaming.native import submit  # noqa: PLC0415

        submit(settings, stream)


def stream_of(settings: StreamSettings, store: ObjectStore) -> Stream:
    """Read what is known of the pipeline's columns, and say how its records are to be windowed and packed."""
    types = known_types(store, settings.pipeline)
    get_logger().info("stream-begins", pipeline=settings.pipeline, columns=types)
    return Stream(
        windows=Windows(settings.window_seconds, settings.lateness_seconds, settings.out_of_order_seconds),
        packer=Packer(settings.pipeline, settings.window_seconds, types),
        max_rows=settings.max_rows,
        bucket_url=settings.bucket_url,
    )


def known_types(store: ObjectStore, pipeline: str) -> dict[str, ColumnType]:
    """Return the types of the columns that the newest accepted span has in clear; none without a span."""
    spans = Sequence(store, layout.SPAN_SEQUENCE, pipeline)
    accepted = Sequence(store, layout.ACCEPTED_SPANS, pipeline).newest_before(spans.newest() + 1)
    if not accepted:
        return {}
    name = layout.span(pipeline, spans.key(accepted), "manifest.json")
    manifest = SpanManifest.model_validate_json(store.read(name))
    return {column.name: column.type for column in manifest.columns if column.privacy == "keep"}


def run_here(settings: StreamSettings, stream: Stream, options: PipelineOptions) -> None:
    """Run in this process. What is not landed when it ends is not acknowledged either."""
    client = SubscriberClient()
    path = client.subscription_path(settings.project, settings.subscription)
    held = HeldMessages(path, settings.event_time(), settings.out_of_order_seconds)
    served = held.served(
        client,
        max_held=2 * settings.max_rows,
        max_held_seconds=2 * settings.window_seconds + settings.out_of_order_seconds + LEASE_MARGIN_SECONDS,
    )
    pipeline = beam.Pipeline(options=options)
    with client, served as endpoint:
        build_stream(pipeline, stream, held_source(endpoint), beam.ParDo(Settle(path)))
        result = pipeline.run()
        ended = threading.Thread(target=result.wait_until_finish, daemon=True)
        ended.start()
        with running([], settings, live={"source": held.check_alive}) as stop:
            while not stop.wait(timeout=1):
                held.check_alive()
                if not ended.is_alive():
                    raise RuntimeError("expected the pipeline to run until it is stopped, it has ended")
        result.cancel()
