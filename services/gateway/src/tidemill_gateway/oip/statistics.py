"""What each version has answered since this process began."""

import time
from dataclasses import dataclass
from typing import Any

from tidemill_gateway.calls import Call, Part
from tidemill_gateway.errors import Code
from tidemill_gateway.releasing.choices import ANSWER
from tidemill_gateway.routes import Target

MAX_VERSIONS = 1024


@dataclass(slots=True)
class Counted:
    """Counts of one version: of requests, of rows and of calls of the model; times in nanoseconds."""

    succeeded: int = 0
    succeeded_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    rows: int = 0
    calls: int = 0
    last_ms: int = 0


class Statistics:
    """A Watcher that counts; beyond `MAX_VERSIONS` those that were asked first are forgotten."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, int], Counted] = {}

    def finished(self, call: Call, target: Target, code: Code, seconds: float, part: Part | None) -> None:
        """Count one answer or failure of a version."""
        if call.fallback == ANSWER:
            return
        key = target.model, target.version
        counted = self._counted.get(key)
        if counted is None:
            if len(self._counted) >= MAX_VERSIONS:
                del self._counted[next(iter(self._counted))]
            counted = self._counted[key] = Counted()
        counted.last_ms = int(time.time() * 1000)
        if code is not Code.OK:
            counted.failed += 1
            counted.failed_ns += int(seconds * 1e9)
            return
        counted.succeeded += 1
        counted.succeeded_ns += int(seconds * 1e9)
        counted.rows += 1 if part is None else _rows(part)
        # The parts of a joined call begin one after another: just one of them at 0.
        counted.calls += not call.cache and (part is None or part.begin == 0)

    def of(self, model: str, version: int) -> dict[str, Any]:
        """Return a version's statistics as Triton's extension has them; what is not measured apart is 0."""
        counted = self._counted.get((model, version)) or Counted()
        nothing = {"count": 0, "ns": 0}
        return {
            "name": model,
            "version": str(version),
            "last_inference": counted.last_ms,
            "inference_count": counted.rows,
            "execution_count": counted.calls,
            "inference_stats": {
                "success": {"count": counted.succeeded, "ns": counted.succeeded_ns},
                "fail": {"count": counted.failed, "ns": counted.failed_ns},
                "queue": nothing,
                "compute_input": nothing,
                "compute_infer": nothing,
                "compute_output": nothing,
            },
            "batch_stats": [],
        }


def _rows(part: Part) -> int:
    if part.end is not None:
        return part.end - part.begin
    first = next(iter(part.inputs.values()), None)
    return 1 if first is None or first.ndim == 0 else len(first)
