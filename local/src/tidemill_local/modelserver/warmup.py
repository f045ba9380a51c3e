"""Requests recorded with a model, replayed before it is offered: the first client meets a warm model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError

from tidemill_contracts import tfserving
from tidemill_local.modelserver.errors import StatusError, from_tensorflow, invalid
from tidemill_local.modelserver.examples import classify, multi_inference, regress
from tidemill_local.modelserver.prediction import predict
from tidemill_local.modelserver.servable import Servable

REQUESTS_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000
RESPONDERS: dict[str, Callable[[Servable, Any], Any]] = {
    "predict_log": predict,
    "classify_log": classify,
    "regress_log": regress,
    "multi_inference_log": multi_inference,
}


def warm_up(servable: Servable, folder: Path) -> int:
    """Replay the requests of the model in `folder`, if it brings any, and return how many there were.

    Raises StatusError when a request cannot be read or answered: such a model is not fit to serve.
    """
    path = folder / REQUESTS_FILE
    if not path.is_file():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
            if count > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
            _replay(servable, tfserving.PredictionLog.FromString(record))
    except tf.errors.OpError as error:
        raise from_tensorflow(error) from error
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record {count} from {path}: {error}") from error
    return count


def _replay(servable: Servable, log: tfserving.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind not in RESPONDERS:
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    RESPONDERS[kind](servable, getattr(log, kind).request)
