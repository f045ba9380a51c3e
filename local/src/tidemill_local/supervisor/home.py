"""What a running platform keeps in its home folder: logs, a lock, and a file that says where things are."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from pydantic import TypeAdapter

# Long enough for a killed supervisor's keeper to finish, and for someone who only looks to let go.
LOCK_SECONDS = 2
SECRET_BYTES = 32


class AlreadyRunning(RuntimeError):
    """Another supervisor, or what is left of one, uses the home folder."""


class NotRunning(RuntimeError):
    """No platform runs in the home folder."""


@dataclass(frozen=True)
class ProcessState:
    """One process as the supervisor sees it. `pid` is None while there is none."""

    name: str
    state: str
    pid: int | None
    restarts: int
    address: str
    ready_url: str | None
    detail: str
    ready_seconds: float | None
    grpc_address: str = ""


@dataclass(frozen=True)
class PlatformState:
    """All that is needed to find a running platform. `pid` is the supervisor's."""

    pid: int
    processes: tuple[ProcessState, ...]

    def process(self, name: str) -> ProcessState:
        """Return one process; raise KeyError when there is no such process."""
        return {process.name: process for process in self.processes}[name]


@dataclass(frozen=True)
class Home:
    """The folders and files of one platform."""

    path: Path

    @property
    def bucket(self) -> Path:
        return self.path / "bucket" / "tidemill"

    @property
    def scratch(self) -> Path:
        """Where files are worked on: on the bucket's file system, so that moving them there is a rename."""
        return self.path / "scratch"

    @property
    def state_file(self) -> Path:
        return self.path / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "run" / "lock"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def secret(self, name: str) -> str:
        """Return a secret of this home, made on first use, that its owner alone may read."""
        path = self.path / "secrets" / name
        if not path.exists():
            staged = path.with_suffix(".new")
            staged.touch(0o600)
            staged.write_text(token_hex(SECRET_BYTES))
            staged.replace(path)
        return path.read_text()

    def create(self) -> None:
        """Make the folders; raise OSError, in words, where they cannot be made."""
        try:
            for folder in (self.bucket, self.scratch, self.path / "run", self.path / "logs"):
                folder.mkdir(parents=True, exist_ok=True)
            (self.path / "secrets").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise OSError(f"expected a folder that can be written at {self.path}: {error}") from error

    def lock(self) -> int:
        """Take the home for this supervisor; return the lock's file descriptor.

        Raises AlreadyRunning while a supervisor lives, or the keeper that cleans up after one.
        """
        deadline = time.monotonic() + LOCK_SECONDS
        while (descriptor := self._try_lock(fcntl.LOCK_EX)) is None:
            if time.monotonic() > deadline:
                raise AlreadyRunning(
                    f"expected no platform in {self.path}, one runs there; "
                    f"stop it with: tidemill down --home {self.path}"
                )
            time.sleep(0.05)
        return descriptor

    def write_state(self, state: PlatformState) -> None:
        """Replace the state file, at once."""
        staged = self.state_file.with_suffix(".json.new")
        staged.write_text(json.dumps(asdict(state), indent=1))
        staged.replace(self.state_file)

    def running(self) -> PlatformState:
        """Describe the platform that runs here; raise NotRunning when none does."""
        missing = NotRunning(f"expected a platform running in {self.path}, found none")
        try:
            descriptor = self._try_lock(fcntl.LOCK_SH)
            document = self.state_file.read_bytes()
        except FileNotFoundError:
            raise missing from None
        if descriptor is not None:
            os.close(descriptor)
            raise missing
        return TypeAdapter(PlatformState).validate_json(document)

    def _try_lock(self, kind: int) -> int | None:
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor
