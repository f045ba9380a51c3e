"""What people ask of releases, as a gRPC service for gateways and the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from tidemill_contracts.pb.routes_pb2 import ReleaseRequest, ReleaseState
from tidemill_contracts.pb.routes_pb2_grpc import ReleasesServicer
from tidemill_serving.by_hand import ByHand
from tidemill_serving.errors import ModelServerAway, NothingDeployed, NotNow


class ReleasesService(ReleasesServicer):
    """Answers NOT_FOUND for unknown models, FAILED_PRECONDITION for what cannot be done as things are."""

    def __init__(self, by_hand: ByHand) -> None:
        self._by_hand = by_hand

    def Promote(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        with _as_status(context):
            return self._by_hand.promote(request.model, request.version, request.reason)

    def Rollback(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        with _as_status(context):
            return self._by_hand.rollback(request.model, request.version, request.reason)

    def Get(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        with _as_status(context):
            return self._by_hand.state(request.model)


@contextmanager
def _as_status(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except NothingDeployed as error:
        context.abort(grpc.StatusCode.NOT_FOUND, str(error))
    except NotNow as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except ModelServerAway as error:
        context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
