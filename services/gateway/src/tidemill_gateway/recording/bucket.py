"""The bucket, off the event loop: opened when it is first needed, and a call that hangs holds up no exit."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from tidemill_runtime.objects import ObjectStore

Result = TypeVar("Result")


class Bucket:
    """Opens on first use: the client of Cloud Storage takes a quarter of a second and 18 MiB to import."""

    def __init__(self, open_bucket: Callable[[], ObjectStore]) -> None:
        self._open = open_bucket
        self._lock = threading.Lock()
        self._store: ObjectStore | None = None

    def create(self, name: str, data: bytes) -> bool:
        """Write an object unless it is there already; whether it was not. Raises what the bucket raises."""
        with self._lock:
            if self._store is None:
                self._store = self._open()
        return self._store.create(name, data)


class Threads:
    """Threads that end with the process, whatever they wait for; an executor's would have to be joined."""

    def __init__(self, name: str, count: int) -> None:
        """Prepare; they start when there is something to do."""
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]

    def submit(self, function: Callable[[], Result]) -> "Future[Result]":
        """Call a function as soon as a thread is free."""
        future: Future[Result] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function())
            except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                future.set_exception(error)

        while self._idle:
            self._idle.pop().start()
        self._work.put(work)
        return future

    def _run(self) -> None:
        while True:
            self._work.get()()
