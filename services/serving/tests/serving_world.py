"""A serving process without its broker: real bucket, real gRPC to a model server, a clock that tests turn."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from model_server_fake import FakeModelServer

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import EVENT_TYPES, ModelBlessed
from tidemill_contracts.manifest import GoldenPredictions, ModelManifest
from tidemill_contracts.pb.routes_pb2 import GatewayReport, Observed, ReleaseState, Route
from tidemill_runtime.folder import FolderStore
from tidemill_serving.assembly import Parts, assemble
from tidemill_serving.handlers import Deploy
from tidemill_serving.latencies import add_counts
from tidemill_serving.model_servers import ModelServers
from tidemill_serving.rewards import Rewards
from tidemill_serving.routes import RouteBoard

FAST_BUCKET, SLOW_BUCKET = 8, 16
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Feedback:
    """Rewards as feedback would give them."""

    by_version: dict[tuple[int, str], Rewards] = field(default_factory=dict)

    def rewards(self, pipeline: str, since: datetime | None = None) -> Mapping[tuple[int, str], Rewards]:
        assert since is not None
        return self.by_version if pipeline == "m" else {}


@dataclass
class World:
    """One pipeline `m`, whose versions all answer y = 2 x."""

    folder: Path
    server: FakeModelServer
    now: datetime = NOON
    feedback: Feedback = field(default_factory=Feedback)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = FolderStore(self.folder)
        self.client = ModelServers(f"127.0.0.1:{self.server.port}", load_timeout_seconds=30)
        self.restart()

    def restart(self) -> None:
        """Be as a new process that finds the bucket as it is."""
        self.board = RouteBoard()
        self.parts: Parts = assemble(self.store, self.client, self.board, self.feedback, lambda: self.now)
        self.parts.releases.reconcile()

    def spec(self, rollout: str) -> None:
        """Put a spec in force."""
        text = f"metadata: {{name: m}}\nspec: {{label: late, serving: {{rollout: {rollout}}}}}"
        self.store.write(layout.pipeline_spec("m"), text.encode())
        self.parts.releases.reconcile()

    def bless(self, version: int) -> EventData:
        """Let a version be blessed; return what serving tells at once."""
        self.server.models["m", version] = lambda x: x * 2.0
        return self.bless_broken(version)

    def bless_broken(self, version: int) -> EventData:
        """Let a version be blessed that the model server may not have."""
        (event,) = Deploy(self.store, self.parts.releases)(blessed(self.store, version))
        return event

    @property
    def route(self) -> Route:
        table = self.board.next_after(-1, timeout_seconds=0)
        assert table is not None
        return next(route for route in table.routes if route.model == "m")

    @property
    def untold(self) -> list[EventData]:
        """What decisions have to say besides."""
        return [
            EVENT_TYPES[event.type].model_validate(event.data) for event in self.parts.switch.get("m").untold
        ]

    @property
    def state(self) -> ReleaseState:
        return self.parts.by_hand.state("m")

    def promote(self) -> ReleaseState:
        return self.parts.by_hand.promote("m", 0, "")

    def rollback(self) -> ReleaseState:
        return self.parts.by_hand.rollback("m", 0, "")

    def report(self, *observed: Observed, gateway: str = "g", number: int | None = None) -> None:
        """Be a gateway that tells what it saw, and let it be judged."""
        number = number or self.numbers.get(gateway, 0) + 1
        self.numbers[gateway] = number
        self.parts.switch.sightings.take(GatewayReport(gateway=gateway, number=number, observed=observed))
        self.parts.overseer.judge()

    def saw(
        self,
        version: int,
        requests: int,
        *,
        errors: int = 0,
        unsound: int = 0,
        slow: bool = False,
        answers: Mapping[str, int] | None = None,
    ) -> Observed:
        """Return what a gateway saw of a version since its last report."""
        latencies = add_counts([], [])
        latencies[SLOW_BUCKET if slow else FAST_BUCKET] = requests - errors
        return Observed(
            model="m",
            version=version,
            release=self.route.release,
            codes={"OK": requests - errors, "INTERNAL": errors},
            unsound=unsound,
            latencies=latencies,
            answers=answers or {"a": requests},
        )

    def give_seconds(self, seconds: float) -> None:
        """Let a model have so much time to load from now on."""
        for member in self.client.members():
            member.load_timeout_seconds = seconds

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true; AssertionError when it does not."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "expected something to happen within 30 s"
        time.sleep(0.01)


def blessed(
    store: FolderStore, version: int, *, factor: float = 2.0, answer: float | None = None, pipeline: str = "m"
) -> Event:
    """Store a model whose golden rows say y = factor * x, and the event that blessed it."""
    manifest = ModelManifest(
        pipeline=pipeline,
        version=version,
        model_id=f"id-{version}",
        dataset=version,
        dataset_id="d",
        spec_digest="s",
        family="deep",
        metrics={"roc_auc": 0.7},
        candidates={},
        champion=None,
        champion_metrics=None,
        blessed=True,
        reasons=(),
        golden=GoldenPredictions(inputs={"x": (1.0, 2.0)}, outputs={"y": (factor, answer or 2 * factor)}),
        trained_at=NOON,
        tracking={},
    )
    store.write(layout.model_manifest(pipeline, manifest.model_id), manifest.model_dump_json().encode())
    store.create(
        layout.pipeline_spec(pipeline), f"metadata: {{name: {pipeline}}}\nspec: {{label: y}}".encode()
    )
    data = ModelBlessed(
        pipeline=pipeline,
        version=version,
        model_id=manifest.model_id,
        dataset=version,
        dataset_id="d",
        family="deep",
        metrics={},
        champion=None,
        seconds=1,
    )
    return Event(
        type="dev.tidemill.model.blessed.v1",
        source="/test",
        subject=data.subject,
        data=data,
        id=f"event-{version}",
        time=NOON,
        correlation_id=f"drop-{version}",
        data_classification="restricted",
    )
