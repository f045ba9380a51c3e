"""Puts together what releases need in the gateway."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import grpc.aio

from tidemill_gateway.answering import Answering, Watcher
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.releasing.choosing import Chooser
from tidemill_gateway.releasing.observations import Observations
from tidemill_gateway.releasing.reporting import Reporter
from tidemill_gateway.releasing.rest import ReleasesRest
from tidemill_gateway.releasing.shadowing import Shadows
from tidemill_gateway.releasing.static_answers import SCHEME, StaticAnswers
from tidemill_gateway.routes import RouteBook
from tidemill_gateway.settings import Settings
from tidemill_gateway.watching import CHANNEL_OPTIONS


class Releasing:
    """Who answers, what is reported of it, and the API of releases."""

    def __init__(
        self, settings: Settings, book: RouteBook, servers: ModelServers, watchers: Sequence[Watcher]
    ) -> None:
        self._settings = settings
        self._observations = Observations()
        servers.add(SCHEME, StaticAnswers(book, servers.describe))
        self._shadows = Shadows(servers, self._observations)
        self.answering = Answering(book, Chooser(book, self._shadows.of), self._observations, watchers)
        self.rest = ReleasesRest(settings.predict_timeout_seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report while the block lasts, and a last time at its end."""
        address = self._settings.serving_address
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            self.rest.connect(channel)
            reporting = asyncio.create_task(Reporter(channel, self._observations).run())
            try:
                yield
            finally:
                await self._shadows.close()
                reporting.cancel()
                with suppress(asyncio.CancelledError):
                    await reporting
