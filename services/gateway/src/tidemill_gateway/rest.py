"""TensorFlow Serving's REST API: every request below /v1/, as a plain ASGI endpoint.

No framework stands between the socket and the prediction here: it would cost more than the rest.
"""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from tidemill_gateway import metrics
from tidemill_gateway.bodies import BodyTooLarge, read_body
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.models import Models
from tidemill_gateway.paths import ModelRef, Verb, read_path
from tidemill_gateway.predictions import Predictions
from tidemill_runtime.logs import get_logger

STATUS_BY_CODE: Mapping[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
}
