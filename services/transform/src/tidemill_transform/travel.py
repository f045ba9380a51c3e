"""How rows and sketches travel between Apache Beam's workers."""

import pickle
from typing import Any

from apache_beam.coders import Coder


class SizedCoder(Coder):
    """Pickles what must travel, and tells the size of all else without doing so.

    Beam asks for the size of what it hands from step to step; its own coder pickles whole batches to tell.
    """

    def encode(self, value: Any) -> bytes:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        return pickle.loads(encoded)  # noqa: S301 - our own, from a worker

    def estimate_size(self, value: Any) -> int:
        return int(getattr(value, "nbytes", 0))

    def is_deterministic(self) -> bool:
        return False
