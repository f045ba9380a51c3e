"""The model in a peer's process, by the fastest route there is: ops run in the caller's thread."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from census import NUMBERS, TEXTS, VERSION
from tensorflow.core.protobuf import config_pb2


class Model:
    """A loaded model; what the embedded model server does, without a server."""

    def __init__(self, folder: Path) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, use_per_session_threads=True
        )
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
        graph = tf.Graph()
        session = tf.compat.v1.Session(graph=graph, config=config)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(folder / VERSION))
        signature = loaded.signature_def["serving_default"]
        options = config_pb2.CallableOptions()
        options.feed.extend(signature.inputs[name].name for name in (*NUMBERS, *TEXTS))
        options.fetch.append(signature.outputs["probability"].name)
        options.run_options.inter_op_thread_pool = -1
        self._call = session._make_callable_from_options(options)  # noqa: SLF001 - no public way is as fast

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the probability for each row."""
        numbers = [np.array([row[name] for row in rows], np.float32) for name in NUMBERS]
        texts = [np.array([row[name] for row in rows], object) for name in TEXTS]
        probabilities: list[float] = self._call(*numbers, *texts)[0].tolist()
        return probabilities
