"""Tells serving what was seen of versions. While serving is away the sums grow, and are told afterwards."""

import asyncio
import socket
import uuid

import grpc
import grpc.aio

from tidemill_contracts.pb.routes_pb2 import GatewayReport
from tidemill_contracts.pb.routes_pb2_grpc import RoutesStub
from tidemill_gateway import metrics
from tidemill_gateway.releasing.observations import Observations
from tidemill_runtime.logs import get_logger

EVERY_SECONDS = 0.5
# Serving judges how fast a version is by comparing report after report: enough of them come in a few seconds.
EVERY_SECONDS_OF_RELEASE = 0.2
CALL_SECONDS = 2.0
LAST_CALL_SECONDS = 1.0
_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}


class Reporter:
    """Sends what is observed, each report once: one that may have been lost is sent again as it was."""

    def __init__(self, channel: grpc.aio.Channel, observations: Observations) -> None:
        self._report = RoutesStub(channel).Report
        self._observations = observations
        self._pause_seconds = EVERY_SECONDS
        self._unsent = GatewayReport(gateway=f"{socket.gethostname()}-{uuid.uuid4().hex}")

    async def run(self) -> None:
        """Report for ever; when cancelled, report a last time."""
        was_away = False
        try:
            while True:
                await asyncio.sleep(self._pause_seconds)
                is_away = not await self.send(CALL_SECONDS)
                if is_away and not was_away:
                    get_logger().warning("reports-unsent", number=self._unsent.number)
                was_away = is_away
        finally:
            if await self.send(LAST_CALL_SECONDS):
                await self.send(LAST_CALL_SECONDS)

    async def send(self, timeout_seconds: float) -> bool:
        """Send what there is; return whether serving has all of it but the latest."""
        if not self._unsent.observed:
            observed = self._observations.take()
            if not observed:
                return True
            releases = any(each.release for each in observed)
            self._pause_seconds = EVERY_SECONDS_OF_RELEASE if releases else EVERY_SECONDS
            self._unsent.number += 1
            self._unsent.observed.extend(observed)
        try:
            await self._report(self._unsent, timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            metrics.REPORTS.labels(error.code().name).inc()
            if error.code() in _AWAY:
                return False
            get_logger().error("report-refused", code=error.code().name, number=self._unsent.number)
        else:
            metrics.REPORTS.labels("OK").inc()
        del self._unsent.observed[:]
        return True
