"""The model server's composition root: everything the process owns is created and closed here."""

import asyncio
import gc
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import tensorflow as tf
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tidemill_contracts import tfserving
from tidemill_local.modelserver.batching import Batching
from tidemill_local.modelserver.batching_options import BatchingOptions, read_batching_file
from tidemill_local.modelserver.catalog import Catalog, ModelsUnavailable
from tidemill_local.modelserver.errors import invalid
from tidemill_local.modelserver.loading import load_servable
from tidemill_local.modelserver.model_config import ModelConfig
from tidemill_local.modelserver.options import Options
from tidemill_local.modelserver.servable import Servable
from tidemill_local.modelserver.served_model import LoadPolicy
from tidemill_local.modelserver.services import ModelServicer, PredictionServicer
from tidemill_local.modelserver.tracing import TracedCalls
from tidemill_runtime.logs import get_logger
from tidemill_runtime.ops import OpsServer
from tidemill_runtime.rpc.server import Server
from tidemill_runtime.settings import TracingSettings
from tidemill_runtime.tracing import open_tracing

LOOP_TURN_SECONDS = 5


async def serve(options: Options, configs: list[ModelConfig]) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests in hand.

    Prints one line of JSON with the bound addresses once every model given has a version available or has
    failed. Unlike in TensorFlow Serving a model that fails does not stop the start. Raises StatusError when
    the labels of the configuration cannot be assigned.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _settle_tensorflow(options.threads)
    async with AsyncExitStack() as stack:
        catalog = Catalog(
            _load_policy(options, stack), any_new_labels=options.allow_version_labels_for_unavailable_models
        )
        stack.push_async_callback(catalog.close)
        probe = health.aio.HealthServicer()
        await probe.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        addresses = {"grpc": await _start_grpc(options, catalog, probe, stack)}
        loading = asyncio.create_task(_load_first(catalog, configs))
        stopping = asyncio.create_task(stop.wait())
        if options.monitoring_port is not None:
            address = (options.host, options.monitoring_port)
            addresses["monitoring"] = _start_monitoring(address, catalog, loading, stack)
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            await probe.set("", health_pb2.HealthCheckResponse.SERVING)
            sys.stdout.write(json.dumps(addresses) + "\n")
            sys.stdout.flush()
        await stopping
        loading.cancel()


def _settle_tensorflow(threads: int) -> None:
    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    # TensorFlow's modules are for ever: left to the collector, walking them stops every request for 200 ms.
    gc.collect()
    gc.freeze()


def _load_policy(options: Options, stack: AsyncExitStack) -> LoadPolicy:
    # One at a time, as in TensorFlow Serving: loading is where memory peaks.
    loader = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="loader"))
    batching = _batching(options)

    async def load(name: str, number: int, folder: Path) -> Servable:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            loader, load_servable, name, number, folder, options.threads, batching
        )

    return LoadPolicy(
        load=load,
        poll_seconds=options.file_system_poll_wait_seconds,
        max_retries=options.max_num_load_retries,
        retry_seconds=options.load_retry_interval_micros / 1e6,
    )


def _batching(options: Options) -> Batching | None:
    file = options.batching_parameters_file
    if not options.enable_batching:
        if file:
            raise invalid("--batching_parameters_file supplied without also turning on --enable_batching")
        return None
    return Batching(read_batching_file(file) if file else BatchingOptions())


async def _start_grpc(
    options: Options, catalog: Catalog, probe: health.aio.HealthServicer, stack: AsyncExitStack
) -> str:
    tracing = open_tracing("modelserver", TracingSettings())
    if tracing is not None:
        stack.push_async_callback(asyncio.to_thread, tracing.close)
    predictions = tfserving.prediction_service_handlers(PredictionServicer(catalog))
    server = Server()
    server.add_generic_rpc_handlers(
        (
            TracedCalls(predictions, tracing) if tracing else predictions,
            tfserving.model_service_handlers(ModelServicer(catalog)),
        )
    )
    if options.enable_grpc_healthcheck_service:
        health_pb2_grpc.add_HealthServicer_to_server(probe, server)
    stack.push_async_callback(server.stop, options.shutdown_seconds)
    port = await server.listen(options.host, options.port)
    if options.grpc_socket_path is not None:
        await server.listen_unix(options.grpc_socket_path)
    return f"{options.host}:{port}"


def _start_monitoring(
    address: tuple[str, int], catalog: Catalog, loading: asyncio.Task[None], stack: AsyncExitStack
) -> str:
    loop = asyncio.get_running_loop()

    def check_loop() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(LOOP_TURN_SECONDS)

    def check_loaded() -> None:
        if not loading.done():
            raise RuntimeError("expected the first models to be loaded, they are loading")

    ops = OpsServer(
        *address,
        live={"event loop": check_loop, "models": catalog.check_followed},
        ready={"models": check_loaded},
    )
    ops.start()
    stack.callback(ops.stop)
    return "{}:{}".format(*address)


async def _load_first(catalog: Catalog, configs: list[ModelConfig]) -> None:
    try:
        await catalog.reload(configs)
    except ModelsUnavailable as error:
        get_logger().error("models-unavailable", reason=error.message)
