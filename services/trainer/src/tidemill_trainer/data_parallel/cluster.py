"""Processes that train together: sums over all of them, and what the chief tells the others.

All of them take part in everything, in the same order: a sum waits for every process. TensorFlow watches the
processes: where one ends or falls silent (10 s), the sums of the others fail, and so does their attempt.
"""

import faulthandler
import pickle
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tidemill_runtime.logs import get_logger
from tidemill_trainer.kubernetes_job import PEER_LOST

# Bytes travel as numbers that every device adds up exactly: two of them in a float32.
BYTES_PER_NUMBER = 2
# Every length is a graph of its own, so there are two.
SMALL_PIECE, LARGE_PIECE = 1 << 12, 1 << 20
LARGE_BYTES = 1 << 18
LENGTH_BYTES = 8
ABORTED = "Collective ops is aborted"


class PeerLost(SystemExit):
    """Another process is gone, and with it this attempt. No trial's failure, so nothing takes it for one."""

    def __init__(self) -> None:
        """Have this process end with the code that says so."""
        super().__init__(PEER_LOST)


class OutOfStep(SystemExit):
    """Something went wrong in this process alone. It has to end, so that the others learn of it."""


class Cluster:
    """One of the processes; alone, it sums and tells nothing."""

    def __init__(self, index: int = 0, size: int = 1, strategy: Any = None) -> None:
        """Take a place among `size` processes that `strategy`, MultiWorkerMirrored, connects."""
        self.index, self.size = index, size
        self._strategy = strategy
        self._sums: dict[int, Any] = {}

    @property
    def is_chief(self) -> bool:
        """Whether this process decides, and keeps the result."""
        return self.index == 0

    def sum(self, numbers: Any) -> Any:
        """Add up a float32 tensor `[n]` over all processes; inside a `tf.function`, `n` fixed."""
        if self._strategy is None:
            return numbers
        return self._strategy.run(_all_reduce, args=(numbers,))

    def total(self, numbers: Sequence[float] | NDArray[Any]) -> NDArray[np.float32]:
        """Add up numbers `[n]` over all processes, right now."""
        values = np.asarray(numbers, np.float32)
        if len(values) not in self._sums:
            signature = [tf.TensorSpec([len(values)], tf.float32)]
            self._sums[len(values)] = tf.function(self.sum, input_signature=signature)
        with in_step():
            total: NDArray[np.float32] = self._sums[len(values)](values).numpy()
        return total

    def agree(self, verdict: bool) -> bool:  # noqa: FBT001 - the verdict is what it is about
        """Return the chief's verdict."""
        return bool(self.total([verdict and self.is_chief])[0])

    def tell(self, message: Any = None) -> Any:
        """Return the chief's message, which may hold large arrays; that of others is not read."""
        if self._strategy is None:
            return message
        large: list[memoryview] = []
        head = pickle.dumps(message, protocol=5, buffer_callback=partial(_in_band, large))
        contents = [memoryview(head), *large] if self.is_chief else []
        count = int.from_bytes(self._pass(len(contents).to_bytes(LENGTH_BYTES), LENGTH_BYTES))
        told = np.array([len(content) for content in contents], np.int64).tobytes()
        sizes = np.frombuffer(self._pass(told, count * LENGTH_BYTES), np.int64).tolist()
        if self.is_chief:
            for content, size in zip(contents, sizes, strict=True):
                self._pass(content, size)
            return message
        parts = [self._pass(b"", size) for size in sizes]
        # Whoever reaches the ports of these processes can have TensorFlow do anything: a pickle adds nothing.
        return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301

    def _pass(self, content: bytes | memoryview, size: int) -> bytearray:
        """Return the chief's content of `size` bytes; the chief itself gets it back."""
        numbers = SMALL_PIECE if size < LARGE_BYTES else LARGE_PIECE
        received = bytearray()
        for start in range(0, size, numbers * BYTES_PER_NUMBER):
            piece = np.zeros(numbers, np.uint16)
            if self.is_chief:
                here = content[start : start + numbers * BYTES_PER_NUMBER]
                piece.view(np.uint8)[: len(here)] = np.frombuffer(here, np.uint8)
            received += self.total(piece).astype(np.uint16).tobytes()
        del received[size:]
        return received


def join(peers: Sequence[str], index: int, *, seconds: float) -> Cluster:
    """Connect with all processes, at `host:port` each, before TensorFlow does anything else; return a place.

    A process, at `peers[index]`, that is not joined by all others in time ends, with its stack in the log:
    TensorFlow waits for them beyond the reach of Python.
    """
    get_logger().info("peers-awaited", peers=peers, worker_index=index)
    faulthandler.dump_traceback_later(seconds, exit=True)
    # A process trains on one device: more GPUs are for more workers.
    tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
    ended_by = signal.getsignal(signal.SIGTERM)
    with in_step():
        strategy = tf.distribute.MultiWorkerMirroredStrategy(
            tf.distribute.cluster_resolver.SimpleClusterResolver(
                tf.train.ClusterSpec({"worker": list(peers)}),
                task_type="worker",
                task_id=index,
                rpc_layer="grpc",
            )
        )
    faulthandler.cancel_dump_traceback_later()
    # TensorFlow would only note it, and the process would live on.
    signal.signal(signal.SIGTERM, ended_by)
    get_logger().info("peers-joined", worker_index=index)
    return Cluster(index, len(peers), strategy)


@contextmanager
def in_step() -> Iterator[None]:
    """End this process where something goes wrong: the others do not know of it, and would wait for ever."""
    try:
        yield
    except Exception as error:
        get_logger().exception("out-of-step")
        if isinstance(error, tf.errors.OpError) and ABORTED in str(error):
            raise PeerLost from error
        raise OutOfStep(f"{type(error).__name__}: {error}") from error


def _in_band(large: list[memoryview], buffer: pickle.PickleBuffer) -> bool:
    """Leave only large arrays out of the pickle, which copies the others."""
    content = buffer.raw()
    if content.nbytes < LARGE_BYTES:
        return True
    large.append(content)
    return False


def _all_reduce(numbers: Any) -> Any:
    # The identity is on the device of this process; where an input of a graph is, nobody knows.
    here = tf.identity(numbers)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)
