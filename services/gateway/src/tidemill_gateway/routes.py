"""Which model version answers for a name, and where: serving's route table as it stands."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tidemill_gateway.calls import Headers
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.graphs.plan import Plan
from tidemill_gateway.paths import ModelRef


class Split(StrEnum):
    """How requests are divided among variants."""

    RANDOM = "random"
    STICKY = "sticky"
    BANDIT = "bandit"


@dataclass(frozen=True)
class Variant:
    """A version that answers a share of the requests that name none.

    `weight` is the share; with BANDIT it is drawn from the rewards, `successes` and `failures`, instead.
    """

    name: str
    version: int
    weight: float
    successes: float = 0
    failures: float = 0


@dataclass(frozen=True)
class Fallback:
    """What answers when a version fails. `version` is None and `answer` empty where there is none.

    `answer` is JSON: the value of every output, for each row.
    """

    version: int | None = None
    answer: str = ""


@dataclass(frozen=True)
class Route:
    """Where one model is served, and how. `stable_version` is None while no version answers unasked.

    Without `variants` the stable version answers alone. `split_key` is the request header that a sticky split
    goes by. `release` is 0 while nothing is being released. `graph` is None for a model.
    """

    address: str
    stable_version: int | None
    loaded_versions: frozenset[int]
    labels: Mapping[str, int]
    variants: tuple[Variant, ...] = ()
    split: Split = Split.RANDOM
    split_key: str = ""
    shadow_versions: tuple[int, ...] = ()
    fallback: Fallback = Fallback()
    release: int = 0
    log_share: float = 0
    unlogged_columns: frozenset[str] = frozenset()
    cache_seconds: float = 0
    graph: Plan | None = None


@dataclass(frozen=True)
class Target:
    """One version of a model on one model server."""

    address: str
    model: str
    version: int


class RouteBook:
    """The last route table. Lives in one event loop; only `check_ready` may be called from elsewhere."""

    def __init__(self) -> None:
        self._routes: Mapping[str, Route] | None = None
        self._replaced = asyncio.Condition()

    async def replace(self, routes: Mapping[str, Route]) -> bool:
        """Take a new table instead of the last, and wake who waits for one; return whether it differs."""
        async with self._replaced:
            differs = routes != self._routes
            self._routes = routes
            self._replaced.notify_all()
        return differs

    def check_ready(self) -> None:
        """Raise until a first table came; a table without models is a table."""
        if self._routes is None:
            raise Refused(Code.UNAVAILABLE, "Expecting a route table from serving but got none yet")

    def __contains__(self, model: str) -> bool:
        return self._routes is not None and model in self._routes

    def models(self) -> list[str]:
        """Name every model that has a route, in alphabetical order."""
        return sorted(self._table())

    def find(self, model: str) -> Route | None:
        """Return the route of a model, None when there is none; raises Refused before the first table."""
        return self._table().get(model)

    def route(self, model: str) -> Route:
        """Return the route of a model; raises Refused when there is none."""
        table = self._table()
        if model not in table:
            raise Refused(Code.NOT_FOUND, f"Could not find any versions of model {model}")
        return table[model]

    def is_keyed(self, graph: str, headers: Headers) -> bool:
        """Say whether one of a graph's models chooses its version by one of these headers."""
        route = self.find(graph)
        if route is None or route.graph is None:
            return False
        asked = (self.find(node.model) for _, node in route.graph.graph.spec.models())
        return any(
            each is not None and each.split is Split.STICKY and each.split_key.encode() in headers
            for each in asked
        )

    def resolve(self, ref: ModelRef) -> Target:
        """Pin a reference to a version; raises Refused when nothing answers for it."""
        route = self._table().get(ref.name)
        if ref.label is not None:
            if route is None or ref.label not in route.labels:
                raise invalid(f"Unrecognized servable version label: {ref.label}")
            return Target(route.address, ref.name, route.labels[ref.label])
        if route is not None and ref.version in route.loaded_versions:
            return Target(route.address, ref.name, ref.version)
        if route is not None and ref.version is None and route.stable_version is not None:
            return Target(route.address, ref.name, route.stable_version)
        raise Refused(Code.NOT_FOUND, f"Servable not found for request: {ref}")

    async def wait_for_other(self, ref: ModelRef, old: Target, timeout_seconds: float) -> Target | None:
        """Wait until the reference means another target than `old`; None when it does not in time."""
        try:
            async with asyncio.timeout(timeout_seconds), self._replaced:
                await self._replaced.wait_for(lambda: self.resolve(ref) != old)
                return self.resolve(ref)
        except TimeoutError:
            return None

    def _table(self) -> Mapping[str, Route]:
        self.check_ready()
        return self._routes or {}
