"""One process: started, watched until it is ready, started again when it ends, stopped when asked."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tidemill_local.supervisor.blueprint import Process

FAILED_STARTS_LIMIT = 5
STEADY_SECONDS = 10
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 5.0
PROBE_PAUSE_SECONDS = 0.1
PROBE_TIMEOUT_SECONDS = 2


class State(StrEnum):
    """Where a process stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_ready(self) -> bool:
        return self in {State.READY, State.DONE}


class Child:
    """Keeps one process running, in a thread of its own.

    `detail` says why the process is not ready, in words; `ready_seconds` how long its latest start took.
    """

    def __init__(
        self,
        process: Process,
        log: Path,
        *,
        inherited: Mapping[str, str],
        may_start: Callable[[], bool],
        on_change: Callable[["Child", int | None], None],
    ) -> None:
        self.process = process
        self.log = log
        self.state = State.WAITING
        self.restarts = 0
        self.detail = ""
        self.ready_seconds: float | None = None
        self._environment = {**inherited, **process.environment}
        self._may_start = may_start
        self._on_change = on_change
        self._popen: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"child-{process.name}", daemon=True)
