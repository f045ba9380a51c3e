"""Inference graphs from the outside: they go into the bucket, and serving says what became of them."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts import layout
from tidemill_contracts.graph_spec import GraphStatus, parse_graph
from tidemill_contracts.pipeline import InvalidSpec
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.predicting import request
from tidemill_local.cli.running import Running
from tidemill_local.cli.stored import pipelines
from tidemill_runtime.objects import ObjectNotFound

# Serving looks every other second, and gateways hear at once.
SERVED_WITHIN_SECONDS = 15
POLL_SECONDS = 0.1


def apply_graph(running: Running, file: Path) -> str:
    """Check a graph and make it the current one of its name; return the name."""
    text = file.read_bytes()
    try:
        name = parse_graph(text).name
    except InvalidSpec as error:
        raise CommandFailed(f"{file}: {error}") from error
    if name in pipelines(running.store):
        raise CommandFailed(f"expected a name that no pipeline has, received {name!r}")
    running.store.write(layout.graph_spec(name), text)
    return name


def await_served(running: Running, name: str) -> None:
    """Wait until gateways answer for a graph as it is now; raise CommandFailed when they do not."""
    wanted = running.store.stat(layout.graph_spec(name)).generation
    deadline = time.monotonic() + SERVED_WITHIN_SECONDS
    problem = "serving has not seen it"
    while time.monotonic() < deadline:
        status = _status(running, name)
        if status is not None and status.version == wanted:
            problem = status.problem or _unlike(running, name, wanted)
            if status.problem or not problem:
                break
        time.sleep(POLL_SECONDS)
    if problem:
        raise CommandFailed(f"graph {name} is not served: {problem}")


def graph_table(running: Running) -> Table:
    """Lay the graphs out, one in a row."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for column in ("", "graph", "asks", "state"):
        table.add_column(column, overflow="fold")
    for name in _names(running):
        problem = _problem(running, name)
        mark = Text("…", style="yellow") if problem else Text("✓", style="green")
        table.add_row(mark, name, ", ".join(_models(running, name)), Text(problem or "served"))
    return table


def show_graph(running: Running, name: str, console: Console) -> None:
    """Print a graph, its state, and what it takes and gives."""
    console.print(Text(_text(running, name).decode().rstrip()))
    problem = _problem(running, name)
    console.print(Text(f"\nnot served: {problem}" if problem else "\nserved"))
    if problem:
        return
    sides = _metadata(running, name)["metadata"]["signature_def"]["signature_def"]["serving_default"]
    for side in ("inputs", "outputs"):
        for alias, info in sorted(sides[side].items()):
            console.print(Text(f"  {side.removesuffix('s'):6} {alias}: {_type(info)}"))


def delete_graph(running: Running, name: str) -> None:
    """Take a graph out of the bucket."""
    _text(running, name)
    running.store.delete(layout.graph_spec(name))


def _names(running: Running) -> list[str]:
    return [Path(object_name).stem for object_name in running.store.list(layout.GRAPHS)]


def _text(running: Running, name: str) -> bytes:
    try:
        return running.store.read(layout.graph_spec(name))
    except ObjectNotFound as error:
        raise CommandFailed(f"expected a graph of {_names(running)}, received {name!r}") from error


def _models(running: Running, name: str) -> list[str]:
    try:
        return sorted({node.model for _, node in parse_graph(_text(running, name)).spec.models()})
    except InvalidSpec:
        return []


def _status(running: Running, name: str) -> GraphStatus | None:
    try:
        return GraphStatus.model_validate_json(running.store.read(layout.graph_status(name)))
    except ObjectNotFound:
        return None


def _problem(running: Running, name: str) -> str:
    status = _status(running, name)
    return "serving has not seen it" if status is None else status.problem


def _metadata(running: Running, name: str) -> Mapping[str, Any]:
    reply = request("GET", f"{running.gateway}/v1/models/{quote(name)}/metadata", key=running.key)
    document: Mapping[str, Any] = json.loads(reply.body)
    return document


def _unlike(running: Running, name: str, version: int) -> str:
    """Say why the gateway does not answer for this version; empty when it does."""
    document = _metadata(running, name)
    if "error" in document:
        return str(document["error"])
    answering = document["model_spec"]["version"]
    return "" if answering == str(version) else f"the gateway still has version {answering}"


def _type(info: Mapping[str, Any]) -> str:
    sizes = [dim["size"] for dim in info["tensor_shape"].get("dim", [])]
    shape = ", ".join("rows" if number == 0 else size for number, size in enumerate(sizes))
    return f"{info['dtype'].removeprefix('DT_').lower()} [{shape}]"
