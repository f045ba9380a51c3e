"""KServe's Python server with the model in its process; its log lines per request are off."""

import logging
import os
from pathlib import Path
from typing import Any

import kserve
from peer_model import Model


class Census(kserve.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__("census")
        self._model = Model(Path(os.environ["MODEL"]))
        self.ready = True

    def predict(self, payload: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return {"predictions": self._model.predict(payload["instances"])}


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    server = kserve.ModelServer(http_port=port, enable_grpc=False, workers=1, enable_latency_logging=False)
    for name in ("kserve", "kserve.trace", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    server.start([Census()])
