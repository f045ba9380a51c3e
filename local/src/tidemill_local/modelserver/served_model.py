"""One model name and its versions: what the disk and the policy ask for becomes what is in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from tidemill_local.modelserver.errors import StatusError
from tidemill_local.modelserver.model_config import ModelConfig
from tidemill_local.modelserver.servable import Servable
from tidemill_local.modelserver.versions import State, aspired_versions, next_step
from tidemill_runtime.logs import get_logger

Load = Callable[[str, int, Path], Awaitable[Servable]]


@dataclass(frozen=True)
class LoadPolicy:
    """How to load, how often to look for new versions, and how often to try again."""

    load: Load
    poll_seconds: float
    max_retries: int
    retry_seconds: float


@dataclass
class Version:
    """What is known of one version number. `failure` says why it ended, None if it did what was asked."""

    number: int
    state: State = State.START
    failure: StatusError | None = None


class ServedModel:
    """The versions of one model. Used from the event loop alone; `follow` does the work, once per model."""

    def __init__(self, name: str, policy: LoadPolicy) -> None:
        self.name = name
        self.config: ModelConfig | None = None
        self.versions: dict[int, Version] = {}
        self.servables: dict[int, Servable] = {}
        self._managed: dict[int, Version] = {}
        self._policy = policy
        self._changed = asyncio.Event()
        self._first: asyncio.Future[Version] = asyncio.get_running_loop().create_future()

    def configure(self, config: ModelConfig | None) -> None:
        """Serve by this configuration from now on; None unloads everything."""
        if config is None:
            taken_out = StatusError(
                grpc.StatusCode.ABORTED, "taken out of the configuration before it loaded"
            )
            self._settle(Version(0, State.END, taken_out))
        elif self.config is None:
            self._first = asyncio.get_running_loop().create_future()
        self.config = config
        self._changed.set()

    async def first_outcome(self) -> Version:
        """Wait until some version is available or has failed since the model was last added."""
        return await asyncio.shield(self._first)

    async def follow(self) -> None:
        """Load and unload as versions come and go on disk and the configuration changes, until cancelled."""
        while True:
            self._changed.clear()
            await self._catch_up()
            try:
                await asyncio.wait_for(self._changed.wait(), self._policy.poll_seconds or None)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Unload everything, requests in hand first."""
        for number in list(self.servables):
            await self._unload(number)

    async def _catch_up(self) -> None:
        while True:
            try:
                aspired = await asyncio.to_thread(aspired_versions, self.config) if self.config else {}
            except OSError as error:
                get_logger().warning("base-path-away", model=self.name, reason=str(error))
                return
            for number in [n for n, v in self._managed.items() if v.state is State.END and n not in aspired]:
                del self._managed[number]
            step = next_step(set(aspired), {n: version.state for n, version in self._managed.items()})
            if step is None:
                return
            if step.action == "load":
                await self._load(step.number, aspired[step.number])
            else:
                await self._unload(step.number)

    async def _load(self, number: int, folder: Path) -> None:
        version = self.versions[number] = self._managed[number] = Version(number, State.LOADING)
        config = self.config
        for tries_left in reversed(range(self._policy.max_retries + 1)):
            try:
                self.servables[number] = await self._policy.load(self.name, number, folder)
            except StatusError as error:
                version.failure = error
                if not tries_left or self.config is not config:
                    break
                await asyncio.sleep(self._policy.retry_seconds)
            else:
                version.failure = None
                break
        version.state = State.END if version.failure else State.AVAILABLE
        self._settle(version)

    def _settle(self, version: Version) -> None:
        if not self._first.done():
            self._first.set_result(version)

    async def _unload(self, number: int) -> None:
        version, servable = self._managed[number], self.servables.pop(number)
        version.state = State.UNLOADING
        await asyncio.to_thread(servable.close)
        version.state = State.END
        del self._managed[number]
        get_logger().info("version-unloaded", model=self.name, version=number)
