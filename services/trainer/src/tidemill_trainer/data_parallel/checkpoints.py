"""Progress in the bucket, from which the next attempt goes on."""

import hashlib
import io
import json
import time

import numpy as np
from numpy.typing import NDArray

from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_trainer.data_parallel.learner import Part
from tidemill_trainer.data_parallel.loop import Checkpoints, Progress
from tidemill_trainer.families import Params

INTERVAL_SECONDS = 20.0


class StoredCheckpoints(Checkpoints):
    """One object, with the progress of the fit that `key` stands for; that of another fit is replaced."""

    def __init__(
        self, store: ObjectStore, name: str, key: str, interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        """Take where to keep it, and how long to wait before it is written again."""
        self._store, self._name, self._key = store, name, key
        self._interval_seconds = interval_seconds
        self._save_from = time.monotonic() + interval_seconds

    def load(self) -> Progress | None:
        try:
            content = self._store.read(self._name)
        except ObjectNotFound:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if str(arrays["key"]) != self._key:
                return None
            losses = (tuple(arrays[name].tolist()) for name in ("train_losses", "check_losses"))
            return Progress(_listed(arrays, "variable"), _listed(arrays, "best"), *losses)

    def save(self, progress: Progress) -> None:
        if time.monotonic() < self._save_from:
            return
        content = io.BytesIO()
        np.savez(
            content,
            allow_pickle=False,
            key=np.array(self._key),
            train_losses=np.array(progress.train_losses),
            check_losses=np.array(progress.check_losses),
            **{f"variable-{place}": values for place, values in enumerate(progress.variables)},
            **{f"best-{place}": values for place, values in enumerate(progress.best)},
        )
        self._store.write(self._name, content.getvalue())
        self._save_from = time.monotonic() + self._interval_seconds


def fit_key(part: Part, params: Params, seed: int) -> str:
    """Return what tells a fit from all others: a digest of its rows, hyper-parameters and seed."""
    digest = hashlib.sha256(json.dumps([dict(params), seed], sort_keys=True).encode())
    for rows in (part.learn, part.check):
        digest.update(repr((rows.plan, rows.objective)).encode())
        weights = np.zeros(0) if rows.weights is None else rows.weights
        for values in (*rows.encoded, rows.labels, weights):
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _listed(arrays: "np.lib.npyio.NpzFile", kind: str) -> list[NDArray[np.generic]]:
    count = sum(name.startswith(f"{kind}-") for name in arrays)
    return [arrays[f"{kind}-{place}"] for place in range(count)]
