"""Rules of portable runners: the pass and the stream give the same there as in memory.

They hold for Prism, the portable runner of Beam's Go SDK, where its binary is on the path:
`go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0`.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stream_world import Script, StreamWorld, a_record
from transform_world import World, a_span, a_spec
from warehouse_sites import await_port, free_port

from tidemill_runtime.folder import FolderStore
from tidemill_transform.dataflow import report_of

PRISM = shutil.which("prism")

pytestmark = pytest.mark.skipif(
    PRISM is None, reason="prism is not installed: portable runners stay unproved"
)


@pytest.fixture
def portable(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """Options of a runner that is another process, and has its work done by this one over gRPC."""
    assert PRISM is not None
    port = free_port()
    command = [PRISM, f"--job_port={port}", "--serve_http=false", "--log_level=error"]
    with (tmp_path / "prism.log").open("w") as log:
        prism = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await_port(port)
        yield "--runner=PortableRunner", f"--job_endpoint=localhost:{port}", "--environment_type=LOOPBACK"
    finally:
        prism.kill()
        prism.wait()


def run(program: str, *arguments: str) -> None:
    """Run a program in a process of its own, which ends at once: its threads still talk to the runner."""
    path = [str(Path(__file__).parent), *sys.path]
    whole = f"import os, sys; sys.path[:0] = {path!r}\n{program}\nos._exit(0)"
    command = [sys.executable, "-c", whole, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr


def run_stream(root: str, *options: str) -> StreamWorld:
    """Run a stream with records that are early, on time and late."""
    world = StreamWorld(Path(root), max_rows=3)
    script = Script().records(*(a_record(number, number) for number in range(5))).watermark(60)
    script.records(a_record(9, 50, published=70), a_record(10, 70)).watermark(120)
    world.run(script.end(), *options)
    return world


def test_a_pass_gives_the_same(tmp_path: Path, portable: tuple[str, ...]) -> None:
    here, there = World(tmp_path / "here"), World(tmp_path / "there")
    here.tell(a_span(here.store, row_group_rows=64))
    event = a_span(there.store, row_group_rows=64)
    bucket = f"--bucket_url={(tmp_path / 'there/bucket').as_uri()}"
    window = ["--pipeline=flights", f"--spec_digest={a_spec().digest()}", "--span=1"]

    run("from tidemill_transform.launcher import main; main()", bucket, *window, *portable)
    there.tell(event, report_of)

    assert rounded(there.contents()) == rounded(here.contents())


def rounded(contents: dict[str, bytes]) -> dict[str, object]:
    """Round numbers in JSON: workers finish in any order, and a sum's last digits depend on it."""
    return {
        name: json.loads(content, parse_float=lambda text: round(float(text), 9))
        if name.endswith(".json")
        else content
        for name, content in contents.items()
    }


def test_a_stream_gives_the_same(tmp_path: Path, portable: tuple[str, ...]) -> None:
    here = run_stream(str(tmp_path / "here")).store
    there = FolderStore(tmp_path / "there")

    program = "import test_portable; test_portable.run_stream(*sys.argv[1:])"
    run(program, str(tmp_path / "there"), "--streaming", *portable)

    assert {name: there.read(name) for name in there.list("")} == {
        name: here.read(name) for name in here.list("")
    }
