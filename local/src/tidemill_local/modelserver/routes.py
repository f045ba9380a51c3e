"""Three ways to run a SavedModel, fastest first; the first that takes a model is used.

Measured on one core, one row through a small tabular model: 50 us in the calling thread, 765 us by
`Session.make_callable`, 1,050 us by `tf.saved_model.load(...).signatures`.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2, saved_model_pb2

from tidemill_contracts import tfserving
from tidemill_local.modelserver.errors import StatusError, from_tensorflow
from tidemill_local.modelserver.saved_model import (
    Arrays,
    Run,
    SavedModel,
    runnable,
    signature,
    with_registered_ops,
)

TAG = "serve"


def load_saved_model(folder: Path, threads: int) -> tuple[str, SavedModel]:
    """Load the model of one version folder, variables and lookup tables restored; name the route taken.

    Blocks. Raises StatusError with every route's reason when none can load the model.
    """
    if not (folder / "saved_model.pb").is_file():
        raise StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find SavedModel .pb at {folder}")
    reasons = []
    for route, load in ROUTES.items():
        try:
            return route, with_registered_ops(load, folder, threads)
        except (OSError, DecodeError) as error:
            raise StatusError(grpc.StatusCode.DATA_LOSS, f"Could not read SavedModel: {error}") from error
        except StatusError:
            raise
        except Exception as error:  # noqa: BLE001 -- a model is foreign code: loaders raise whatever it makes them
            reasons.append(f"{route}: {error}")
    raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(reasons))


def load_session(folder: Path, threads: int, *, in_calling_thread: bool) -> SavedModel:
    """Restore into a Session of its own, as TensorFlow Serving does."""
    graph = tf.Graph()
    with ExitStack() as on_failure:
        session = tf.compat.v1.Session(
            graph=graph, config=_session_config(threads, in_calling_thread=in_calling_thread)
        )
        on_failure.callback(session.close)
        with graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(session, [TAG], str(folder))
        definitions = _definitions(meta_graph)
        signatures = {
            name: signature(
                definition, _session_run(session, definition, in_calling_thread=in_calling_thread)
            )
            for name, definition in definitions.items()
            if runnable(definition)
        }
        on_failure.pop_all()
    return SavedModel(definitions, signatures, session.close)


def load_functions(folder: Path, _threads: int) -> SavedModel:
    """Restore with `tf.saved_model.load`, for models that a Session cannot take."""
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    meta_graph = next(graph for graph in content.meta_graphs if TAG in graph.meta_info_def.tags)
    definitions = _definitions(meta_graph)
    functions = tf.saved_model.load(str(folder), tags=[TAG]).signatures
    signatures = {
        name: signature(definitions[name], partial(_run_function, function))
        for name, function in functions.items()
    }
    return SavedModel(definitions, signatures, close=lambda: None)


ROUTES: dict[str, Callable[[Path, int], SavedModel]] = {
    "calling-thread": partial(load_session, in_calling_thread=True),
    "session": partial(load_session, in_calling_thread=False),
    "functions": load_functions,
}


def _session_config(threads: int, *, in_calling_thread: bool) -> Any:
    config = config_pb2.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
        use_per_session_threads=True,
    )
    # Folding rearranges float arithmetic: without it answers equal those of tf.saved_model.load to the last
    # bit, at the same speed.
    config.graph_options.rewrite_options.constant_folding = rewriter_config_pb2.RewriterConfig.OFF
    if in_calling_thread:
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    return config


def _definitions(meta_graph: Any) -> dict[str, tfserving.SignatureDef]:
    return {
        name: tfserving.SignatureDef.FromString(definition.SerializeToString())
        for name, definition in meta_graph.signature_def.items()
    }


def _session_run(session: Any, definition: tfserving.SignatureDef, *, in_calling_thread: bool) -> Run:
    feeds = {alias: info.name for alias, info in definition.inputs.items()}
    fetches = {alias: info.name for alias, info in definition.outputs.items()}
    fetched = sorted(set(fetches.values()))
    call = _session_callable(session, list(feeds.values()), fetched, in_calling_thread=in_calling_thread)

    def run(inputs: Arrays) -> Arrays:
        try:
            values = call(*(inputs[alias] for alias in feeds))
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error
        return {alias: values[fetched.index(name)] for alias, name in fetches.items()}

    return run


def _session_callable(
    session: Any, feeds: list[str], fetches: list[str], *, in_calling_thread: bool
) -> Callable[..., Any]:
    make = getattr(session, "_make_callable_from_options", None)
    if make is None or not in_calling_thread:
        tensor = session.graph.get_tensor_by_name
        call: Callable[..., Any] = session.make_callable(
            [tensor(name) for name in fetches], feed_list=[tensor(name) for name in feeds]
        )
        return call
    options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
    # -1 asks for the calling thread; only this private way of making a callable passes the request on.
    options.run_options.inter_op_thread_pool = -1
    made: Callable[..., Any] = make(options)
    return made


def _run_function(function: Any, inputs: Arrays) -> Arrays:
    try:
        outputs = function(**{alias: tf.constant(array) for alias, array in inputs.items()})
    except tf.errors.OpError as error:
        raise from_tensorflow(error) from error
    return {alias: tensor.numpy() for alias, tensor in outputs.items()}
