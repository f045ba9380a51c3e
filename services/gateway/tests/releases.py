"""Routes with releases, and models that are bad in the ways that releases are for."""

import threading
from typing import Any

import numpy as np
from tiny_models import Arrays, ModelServer, TinyModel

from tidemill_contracts.pb import routes_pb2
from tidemill_contracts.pb.routes_pb2 import Route, Variant

ONE_NUMBER = {"x": "DT_FLOAT"}, {"y": "DT_FLOAT"}


class Behaving:
    """Answers `version`; or raises, hangs or gives NaN while it is told to. Counts its calls."""

    def __init__(self, version: float) -> None:
        self.version = version
        self.calls = 0
        self.error: Exception | None = None
        self.answers_nan = False
        self.hangs = threading.Event()
        self.hangs.set()

    def __call__(self, inputs: Arrays) -> Arrays:
        self.calls += 1
        self.hangs.wait(10)
        if self.error is not None:
            raise self.error
        if (inputs["x"] < 0).any():
            raise ValueError("expected no negative number")
        value = np.nan if self.answers_nan else self.version
        return {"y": np.full(len(inputs["x"]), value, np.float32)}

    def model(self) -> TinyModel:
        return TinyModel(*ONE_NUMBER, self)


def released(server: ModelServer, share: float, **fields: Any) -> Route:
    """Return a route where version 2 is released beside version 1 to a share of requests."""
    return Route(
        **{
            "model": "m",
            "address": server.address,
            "stable_version": 1,
            "loaded_versions": [1, 2],
            "labels": {"stable": 1, "canary": 2},
            "variants": [
                Variant(name="canary", version=2, weight=share),
                Variant(name="stable", version=1, weight=1 - share),
            ],
            "split": routes_pb2.RANDOM,
            "fallback": routes_pb2.Fallback(version=1),
            "release": 7,
            **fields,
        }
    )
