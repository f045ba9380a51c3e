"""One process: started, probed until it is ready, started again when it ends, stopped when asked."""

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

from tidemill_local.supervisor.blueprint import Process
from tidemill_local.supervisor.home import ProcessState
from tidemill_local.supervisor.keeper import Keeper
from tidemill_local.supervisor.probe import why_not_ready

MAX_FAILED_STARTS = 5
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 5.0
# Ready for this long, and the next restart waits no longer than the first.
STEADY_SECONDS = 10
PROBE_PAUSE_SECONDS = 0.1
WAITING_PAUSE_SECONDS = 0.02


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

    `detail` says in words why the process is not ready, `ready_seconds` how long its latest start took.
    """

    def __init__(
        self,
        process: Process,
        *,
        log: Path,
        inherited: Mapping[str, str],
        keeper: Keeper,
        may_start: Callable[[], bool],
        on_change: Callable[[], None],
    ) -> None:
        self.process = process
        self.state = State.WAITING
        self.restarts = 0
        self.detail = ""
        self.ready_seconds: float | None = None
        self._log = log
        self._environment = {**inherited, **process.environment}
        self._keeper = keeper
        self._may_start = may_start
        self._on_change = on_change
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self._failed_starts = 0
        self._popen: subprocess.Popen[bytes] | None = None
        self._spawning = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"child-{process.name}", daemon=True)

    def start(self) -> None:
        """Begin, in the background."""
        self._thread.start()

    def stop(self, grace_seconds: float) -> None:
        """Ask the process to end, and kill it and its children when it has not after `grace_seconds`."""
        with self._spawning:
            self._stopping.set()
        self._signal(signal.SIGTERM)
        self._thread.join(grace_seconds)
        if self._thread.is_alive():
            self.kill()
            self._thread.join()
        self._become(State.STOPPED)

    def kill(self) -> bool:
        """Kill the process and its children, as a crash would; False when there is none to kill."""
        return self._signal(signal.SIGKILL)

    def snapshot(self) -> ProcessState:
        """Describe the process as it is now."""
        return ProcessState(
            name=self.process.name,
            state=self.state,
            pid=self._popen.pid if self._popen and self._popen.returncode is None else None,
            restarts=self.restarts,
            address=self.process.address,
            ready_url=self.process.ready_url,
            detail=self.detail,
            ready_seconds=self.ready_seconds,
            grpc_address=self.process.grpc_address,
        )

    def _run(self) -> None:
        while not self._may_start():
            if self._stopping.wait(WAITING_PAUSE_SECONDS):
                return
        while (popen := self._spawn()) is not None:
            self._become(State.STARTING)
            ready_at = self._watch(popen)
            exit_code = self._reap(popen)
            if self._stopping.is_set():
                return
            if self.process.ready_url is None and exit_code == 0:
                self._become(State.DONE)
                return
            if not self._may_restart(exit_code, ready_at):
                return

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        with self._spawning, self._log.open("ab") as log:
            if self._stopping.is_set():
                return None
            self._popen = subprocess.Popen(  # noqa: S603 - the blueprint's own commands
                [sys.executable, *self.process.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                process_group=0,
            )
            self._keeper.guard(self._popen.pid)
            return self._popen

    def _watch(self, popen: subprocess.Popen[bytes]) -> float | None:
        """Wait until the process ends; return when it became ready, None if it never did."""
        begin = time.monotonic()
        ready_at = None
        while popen.poll() is None and self.process.ready_url is not None and ready_at is None:
            reason = why_not_ready(self.process.ready_url)
            if reason is None:
                ready_at = time.monotonic()
                self.ready_seconds = ready_at - begin
                self._become(State.READY)
            else:
                self.detail = reason
                self._stopping.wait(PROBE_PAUSE_SECONDS)
        popen.wait()
        return ready_at

    def _reap(self, popen: subprocess.Popen[bytes]) -> int:
        # Children that the process left behind would hold its ports and its work.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        self._keeper.release(popen.pid)
        return popen.wait()

    def _may_restart(self, exit_code: int, ready_at: float | None) -> bool:
        """Pause before a restart; False when there is to be none."""
        self._failed_starts = 0 if ready_at else self._failed_starts + 1
        if ready_at and time.monotonic() - ready_at > STEADY_SECONDS:
            self._backoff_seconds = FIRST_BACKOFF_SECONDS
        ended = _ended(exit_code)
        if self._failed_starts == MAX_FAILED_STARTS:
            self._become(State.FAILED, f"did not start {MAX_FAILED_STARTS} times in a row, the last {ended}")
            return False
        self.restarts += 1
        self._become(State.RESTARTING, ended)
        self._stopping.wait(self._backoff_seconds)
        self._backoff_seconds = min(2 * self._backoff_seconds, LONGEST_BACKOFF_SECONDS)
        return True

    def _signal(self, number: signal.Signals) -> bool:
        popen = self._popen
        if popen is None or popen.returncode is not None:
            return False
        with suppress(ProcessLookupError):
            send = os.killpg if number == signal.SIGKILL else os.kill
            send(popen.pid, number)
        return True

    def _become(self, state: State, detail: str = "") -> None:
        self.state = state
        self.detail = detail
        self._on_change()


def _ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with {exit_code}"
    return f"was ended by {signal.Signals(-exit_code).name}"
