"""`tidemill release`, `promote` and `rollback`: how versions of models stand, and a person's word on it."""

import getpass
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts.pb.routes_pb2 import ReleaseRequest, ReleaseState, VariantState
from tidemill_contracts.pb.routes_pb2_grpc import ReleasesStub
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.running import Running

ASK_SECONDS = 10
# A version that is promoted may have to be loaded first.
LOAD_SECONDS = 150


def show_releases(running: Running, pipeline: str, console: Console) -> None:
    """Print how the versions of one model stand, or of every model that is served."""
    with _releases(running) as stub:
        if pipeline:
            _show(stub.Get(ReleaseRequest(model=pipeline), timeout=ASK_SECONDS), console)
            return
        states = list(_states(stub, running))
    for state in states:
        _show(state, console)
    if not states:
        console.print("no model is served yet")


def promote(running: Running, pipeline: str, version: int, reason: str, console: Console) -> None:
    """Make a version the stable one."""
    with _releases(running) as stub:
        _show(stub.Promote(_request(pipeline, version, reason), timeout=LOAD_SECONDS), console)


def roll_back(running: Running, pipeline: str, version: int, reason: str, console: Console) -> None:
    """Take back the version that is being released, or the stable one."""
    with _releases(running) as stub:
        _show(stub.Rollback(_request(pipeline, version, reason), timeout=ASK_SECONDS), console)


def _request(pipeline: str, version: int, reason: str) -> ReleaseRequest:
    said = f"{_person()}: {reason}" if reason else f"asked for by {_person()}"
    return ReleaseRequest(model=pipeline, version=version, reason=said)


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # which of them depends on Python's version
        return str(os.getuid())


def _states(stub: ReleasesStub, running: Running) -> Iterator[ReleaseState]:
    for name in (Path(spec).stem for spec in running.store.list("pipelines/")):
        try:
            yield stub.Get(ReleaseRequest(model=name), timeout=ASK_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise


def _show(state: ReleaseState, console: Console) -> None:
    console.print(Text(f"{state.model}: {_summary(state)}"))
    if not state.candidate_version:
        return
    console.print(_variants_table(state.variants))
    for finding in state.findings:
        console.print(Text(f"   {finding}", style="dim"))


def _summary(state: ReleaseState) -> str:
    if not state.candidate_version:
        before = state.previous_version
        back = f"; version {before} is the one to go back to" if before else ""
        return f"version {state.stable_version} answers all requests{back}"
    candidate, stable = f"version {state.candidate_version}", f"version {state.stable_version}"
    since = f"since {state.started_at[:19].replace('T', ' ')} UTC" if state.started_at else ""
    if state.strategy == "shadow":
        return f"{candidate} is asked in the shadow of {stable}, {since}"
    share = _percent(state.candidate_share)
    return f"{candidate} answers {share} of requests beside {stable}, {state.strategy} {since}"


def _variants_table(variants: Iterable[VariantState]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=2)
    table.add_column("variant")
    for name in ("version", "share", "requests", "failed", "median", "p99", "feedback", "reward"):
        table.add_column(name, justify="right")
    for each in variants:
        table.add_row(
            "",
            each.name,
            str(each.version),
            _percent(each.weight),
            f"{each.requests:,}",
            f"{each.errors:,}",
            _milliseconds(each.p50_seconds),
            _milliseconds(each.p99_seconds),
            f"{each.rewards:,}",
            f"{each.mean_reward:.3f}" if each.rewards else "",
        )
    return table


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds else ""


@contextmanager
def _releases(running: Running) -> Iterator[ReleasesStub]:
    """Open serving's service; what it refuses is what the command says."""
    with grpc.insecure_channel(running.state.process("serving").address) as channel:
        try:
            yield ReleasesStub(channel)
        except grpc.RpcError as error:
            raise CommandFailed(error.details() or error.code().name) from error
