"""A whole platform on one machine: started together, watched together, stopped in order."""

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tidemill_local.supervisor.blueprint import Blueprint, Process
from tidemill_local.supervisor.child import Child, State
from tidemill_local.supervisor.home import AlreadyRunning, Home, PlatformState
from tidemill_local.supervisor.keeper import Keeper
from tidemill_local.supervisor.ports import HOST, Ports
from tidemill_local.supervisor.settings import inherited_environment
from tidemill_local.supervisor.tidemill import TIDEMILL

GRACE_SECONDS = 10
LOG_TAIL_LINES = 20


class StartFailed(RuntimeError):
    """A process gave up starting, or was not ready in time; the message carries the end of its log."""


class Platform:
    """The processes of a blueprint, in a home folder, as a context manager.

    with Platform(Path(".tidemill")) as platform:
        platform.wait_ready(timeout_seconds=60)
        platform.addresses["gateway"]
    """

    def __init__(self, home: Path, blueprint: Blueprint = TIDEMILL) -> None:
        """Choose ports for `blueprint`; nothing is started yet, nothing is written."""
        self.home = Home(home.resolve())
        self._ports = Ports(blueprint.ports)
        self.ports = self._ports.numbers
        places = {
            "host": HOST,
            "home": self.home.path,
            "bucket_url": self.home.bucket.as_uri(),
            "port": self.ports,
        }
        self._processes = [process.resolved(blueprint.environment, places) for process in blueprint.processes]
        self.environment = {name: value.format(**places) for name, value in blueprint.environment.items()}
        self._children: dict[str, Child] = {}
        self._changed = threading.Condition()
        self._keeper: Keeper | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where people and clients find each process that has an address."""
        return {process.name: process.address for process in self._processes if process.address}

    def start(self) -> None:
        """Start every process, and return at once; raise AlreadyRunning when the home is taken.

        Raises OSError when the home cannot be made.
        """
        try:
            self.home.create()
            self._lock = self.home.lock()
        except (AlreadyRunning, OSError):
            self._ports.close()
            raise
        self._keeper = Keeper(self._lock)
        self._children = {process.name: self._child(process, self._keeper) for process in self._processes}
        self._record()
        for child in self._children.values():
            child.start()

    def stop(self) -> None:
        """Stop every process, users before what they use; return when none is left."""
        self._ports.close()
        if self._keeper is None or self._lock is None:
            return
        remaining = dict(self._children)
        while remaining:
            used = {name for child in remaining.values() for name in child.process.uses}
            wave = [name for name in remaining if name not in used]
            stopping = [remaining.pop(name) for name in wave]
            with ThreadPoolExecutor(max_workers=len(stopping)) as pool:
                list(pool.map(lambda child: child.stop(GRACE_SECONDS), stopping))
        self._keeper.close()
        os.close(self._lock)
        self._keeper = self._lock = None

    def wait_ready(self, timeout_seconds: float, names: Iterable[str] = ()) -> None:
        """Wait until the named processes are ready, all of them when none is named.

        Raises StartFailed as soon as one gives up, or when the time is over.
        """
        wanted = [self._children[name] for name in names or self._children]
        with self._changed:
            self._changed.wait_for(
                lambda: all(child.state.is_ready for child in wanted) or self._failed() is not None,
                timeout_seconds,
            )
        self.check_failures()
        for child in wanted:
            if not child.state.is_ready:
                raise StartFailed(self._explain(child, f"is not ready after {timeout_seconds:g} s"))

    def unready(self) -> list[str]:
        """Name the processes that are not ready."""
        return [name for name, child in self._children.items() if not child.state.is_ready]

    def check_failures(self) -> None:
        """Raise StartFailed when a process has given up starting."""
        child = self._failed()
        if child is not None:
            raise StartFailed(self._explain(child, child.detail))

    def kill(self, name: str) -> None:
        """Kill a process and its children as a crash would; return when it is gone, before it is back."""
        child = self._children[name]
        restarts = child.restarts
        if child.kill():
            with self._changed:
                self._changed.wait_for(lambda: child.restarts > restarts or child.state is State.FAILED)

    def state(self) -> PlatformState:
        """Describe the platform as it is now."""
        return PlatformState(
            pid=os.getpid(),
            processes=tuple(child.snapshot() for child in self._children.values()),
        )

    def log_tail(self, name: str) -> str:
        """Return the last lines that a process wrote."""
        with self.home.log(name).open(errors="replace") as lines:
            return "".join(deque(lines, LOG_TAIL_LINES)).rstrip()

    def _child(self, process: Process, keeper: Keeper) -> Child:
        log = self.home.log(process.name)
        log.write_bytes(b"")
        secrets = {name: self.home.secret(secret) for name, secret in process.secrets.items()}
        return Child(
            process,
            log=log,
            inherited={**inherited_environment(), **secrets},
            keeper=keeper,
            may_start=lambda: all(self._children[name].state.is_ready for name in process.after),
            on_change=self._record,
        )

    def _record(self) -> None:
        with self._changed:
            self.home.write_state(self.state())
            self._changed.notify_all()

    def _failed(self) -> Child | None:
        return next((child for child in self._children.values() if child.state is State.FAILED), None)

    def _explain(self, child: Child, what: str) -> str:
        reason = f" ({child.detail})" if child.detail and child.detail != what else ""
        log = self.home.log(child.process.name)
        tail = self.log_tail(child.process.name) or "(empty)"
        return f"{child.process.name} {what}{reason}; the end of {log}:\n{tail}"
