"""The routes that gateways follow: a board with the present table, and the stream that copies it to them."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import grpc

from tidemill_contracts.pb.routes_pb2 import (
    GatewayReport,
    Graph,
    ReportReply,
    Route,
    RouteTable,
    WatchRequest,
)
from tidemill_contracts.pb.routes_pb2_grpc import RoutesServicer
from tidemill_runtime.logs import get_logger

# How long a silent stream goes between two looks at whether its gateway is still there.
LOOK_SECONDS = 1.0


class RouteBoard:
    """The present route table. Until the first one is known, gateways wait."""

    def __init__(self, graphs_over: Callable[[Sequence[Route]], Iterable[Graph]] = lambda _: ()) -> None:
        """Show, with all routes, the graphs that `graphs_over` them can be served."""
        self._changed = threading.Condition()
        self._table: RouteTable | None = None
        self._graphs_over = graphs_over

    def show(self, routes: Iterable[Route]) -> None:
        """Put up a table; nothing happens when it says what the last one said."""
        with self._changed:
            table = RouteTable(routes=routes)
            table.graphs.extend(self._graphs_over(table.routes))
            # Milliseconds keep revisions growing over a restart of this process.
            last = self._table.revision if self._table else 0
            table.revision = last
            if table == self._table:
                return
            table.revision = max(int(time.time() * 1000), last + 1)
            self._table = table
            self._changed.notify_all()

    def look_again(self) -> Sequence[Route] | None:
        """Look which graphs can be served now; return the routes, None before the first table."""
        with self._changed:
            if self._table is None:
                return None
            self.show(self._table.routes)
            return self._table.routes

    def next_after(self, revision: int, timeout_seconds: float) -> RouteTable | None:
        """Wait for a table newer than `revision`; None when none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_newer(revision), timeout_seconds)
            return self._table if self._is_newer(revision) else None

    def _is_newer(self, revision: int) -> bool:
        return self._table is not None and self._table.revision > revision


class RoutesService(RoutesServicer):
    """Streams the board to every gateway that watches, and takes in what they report."""

    def __init__(
        self,
        board: RouteBoard,
        take: Callable[[GatewayReport], None],
        max_gateways: int = sys.maxsize,
    ) -> None:
        """Refuse more than `max_gateways` streams, as each holds a thread: RESOURCE_EXHAUSTED."""
        self._board = board
        self._take = take
        self._max_gateways = max_gateways
        self._streams = threading.Semaphore(max_gateways)

    def Watch(self, request: WatchRequest, context: grpc.ServicerContext) -> Iterator[RouteTable]:  # noqa: N802
        if not self._streams.acquire(blocking=False):
            says = f"expected up to {self._max_gateways} gateways to watch, there are as many"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, says)
        try:
            get_logger().info("gateway-watches", gateway=request.gateway)
            revision = -1
            while context.is_active():
                table = self._board.next_after(revision, LOOK_SECONDS)
                if table is not None:
                    revision = table.revision
                    yield table
        finally:
            self._streams.release()

    def Report(  # noqa: N802
        self,
        request: GatewayReport,
        context: grpc.ServicerContext,  # noqa: ARG002 - as gRPC calls it
    ) -> ReportReply:
        self._take(request)
        return ReportReply()
