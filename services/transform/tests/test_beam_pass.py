"""Rules of the engine: Beam runs in this process, and reaches for nothing outside."""

import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from transform_world import World, a_span

from tidemill_contracts.events import DatasetTransformed
from tidemill_transform.settings import IN_MEMORY

OUTSIDE = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
)


@pytest.fixture
def reached() -> list[tuple[str, Any]]:
    """What the interpreter reports of reaching outside, from now on."""
    seen: list[tuple[str, Any]] = []
    sys.addaudithook(lambda event, arguments: seen.append((event, arguments)) if event in OUTSIDE else None)
    return seen


def test_a_pass_starts_no_process_and_opens_no_connection(
    tmp_path: Path, reached: list[tuple[str, Any]]
) -> None:
    world = World(tmp_path)

    assert isinstance(world.tell(a_span(world.store)), DatasetTransformed)
    assert reached == []


def test_the_runner_is_the_one_in_memory() -> None:
    options = PipelineOptions(list(IN_MEMORY))

    assert isinstance(beam.Pipeline(options=options).runner, FnApiRunner)
    assert options.view_as(DirectOptions).direct_running_mode == "in_memory"
    assert options.view_as(DirectOptions).direct_num_workers == 1
