"""What people read and say of releases, over a real gRPC service."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from rich.console import Console

from tidemill_contracts.pb.routes_pb2 import ReleaseRequest, ReleaseState, VariantState
from tidemill_contracts.pb.routes_pb2_grpc import ReleasesServicer, add_ReleasesServicer_to_server
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.releasing import promote, roll_back, show_releases
from tidemill_local.cli.running import Running
from tidemill_local.supervisor.home import Home, PlatformState, ProcessState


class Serving(ReleasesServicer):
    """Serves flights, with a canary, and nothing else; writes down what is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ReleaseRequest]] = []

    def Get(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        if request.model != "flights":
            context.abort(grpc.StatusCode.NOT_FOUND, f"expected a deployed model, received {request.model}")
        return ReleaseState(
            model="flights",
            stable_version=1,
            candidate_version=2,
            strategy="canary",
            candidate_share=0.05,
            started_at="2026-01-01T12:00:00.5+00:00",
            findings=["errors: 0.25 % of 400 requests failed, 0.00 % of 7,600 to version 1"],
            variants=[
                VariantState(
                    name="canary", version=2, weight=0.05, requests=400, errors=1, p50_seconds=0.0021
                ),
                VariantState(
                    name="stable", version=1, weight=0.95, requests=7600, rewards=10, mean_reward=0.75
                ),
            ],
        )

    def Promote(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: N802
        self.asked.append(("promote", request))
        if request.version == 9:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "expected one of the versions [1, 2]")
        return ReleaseState(model="flights", stable_version=2, previous_version=1)

    def Rollback(self, request: ReleaseRequest, context: grpc.ServicerContext) -> ReleaseState:  # noqa: ARG002, N802
        self.asked.append(("rollback", request))
        return ReleaseState(model="flights", stable_version=1)


@pytest.fixture
def serving() -> Serving:
    return Serving()


@pytest.fixture
def running(serving: Serving, tmp_path: Path) -> Iterator[Running]:
    server = grpc.server(ThreadPoolExecutor(2))
    add_ReleasesServicer_to_server(serving, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    process = ProcessState("serving", "ready", 1, 0, f"127.0.0.1:{port}", None, "", None)
    yield Running(Home(tmp_path), PlatformState(1, (process,)))
    server.stop(None)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120, highlight=False)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_canary_is_shown_with_both_variants_and_what_the_tests_say(
    running: Running, console: Console
) -> None:
    show_releases(running, "flights", console)

    assert printed(console) == [
        "flights: version 2 answers 5 % of requests beside version 1, canary since 2026-01-01 12:00:00 UTC",
        "variant version share requests failed median p99 feedback reward",
        "canary 2 5 % 400 1 2.1 ms 0",
        "stable 1 95 % 7,600 0 10 0.750",
        "errors: 0.25 % of 400 requests failed, 0.00 % of 7,600 to version 1",
    ]


def test_every_served_model_is_shown_when_none_is_named(running: Running, console: Console) -> None:
    running.store.write("pipelines/flights.yaml", b"")
    running.store.write("pipelines/unserved.yaml", b"")
    show_releases(running, "", console)

    assert [line for line in printed(console) if "version 2 answers" in line] == printed(console)[:1]


def test_without_any_model_that_is_said(running: Running, console: Console) -> None:
    show_releases(running, "", console)

    assert printed(console) == ["no model is served yet"]


def test_who_promotes_and_why_goes_with_it(
    running: Running, serving: Serving, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    promote(running, "flights", 2, "looks good", console)
    roll_back(running, "flights", 0, "", console)

    assert serving.asked == [
        ("promote", ReleaseRequest(model="flights", version=2, reason="ann: looks good")),
        ("rollback", ReleaseRequest(model="flights", reason="asked for by ann")),
    ]
    assert printed(console) == [
        "flights: version 2 answers all requests; version 1 is the one to go back to",
        "flights: version 1 answers all requests",
    ]


def test_a_person_without_a_name_is_told_by_number(
    running: Running, serving: Serving, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 3_999_999_999)
    roll_back(running, "flights", 0, "", console)

    assert serving.asked == [("rollback", ReleaseRequest(model="flights", reason="asked for by 3999999999"))]


def test_what_serving_refuses_is_said(running: Running, console: Console) -> None:
    with pytest.raises(CommandFailed, match="expected one of the versions"):
        promote(running, "flights", 9, "", console)
