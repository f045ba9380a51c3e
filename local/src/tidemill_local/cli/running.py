"""The running platform, as a command sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.feed import EventFeed
from tidemill_local.supervisor.home import Home, NotRunning, PlatformState
from tidemill_local.supervisor.tidemill import PROJECT
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.telling import Teller


@dataclass(frozen=True)
class Running:
    """A platform that runs: where it lives, where its processes answer, and the API key to ask them with."""

    home: Home
    state: PlatformState
    key: str = ""

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.home.bucket)

    @property
    def gateway(self) -> str:
        """`http://host:port`."""
        return self.state.process("gateway").address

    def feed(self) -> EventFeed:
        """Open a feed of all events."""
        return EventFeed(self.state.process("broker").address, PROJECT)

    @contextmanager
    def teller(self) -> Iterator[Teller]:
        """Open what publishes events of this command line."""
        with grpc.insecure_channel(self.state.process("broker").address) as channel:
            client = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
            yield Teller(client, project=PROJECT, service="cli")


def find(path: Path, key: str = "") -> Running:
    """Find the platform that runs in a home folder; raise CommandFailed, saying how to start one."""
    home = Home(path.resolve())
    try:
        return Running(home, home.running(), key)
    except NotRunning as error:
        elsewhere = "or name the folder of one that runs elsewhere with --home or TIDEMILL_HOME"
        raise CommandFailed(f"{error}; start one with: tidemill up --home {path}, {elsewhere}") from error
