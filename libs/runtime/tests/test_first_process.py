"""What a container's first process does when it is asked to end before it has begun."""

import signal
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

PART = Path(__file__).parents[1]
# As the interpreter starts, in a process that has the number of a container's first or its own.
START = """
import os, signal, site, sys
process = os.getpid()
os.getpid = lambda: int(sys.argv[1]) or process
site.addsitedir(sys.argv[2])
os.kill(process, signal.SIGTERM)
"""


@pytest.mark.parametrize(("number", "code"), [(1, 128 + signal.SIGTERM), (0, -signal.SIGTERM)])
def test_only_the_first_process_of_a_container_ends_by_a_handler_of_its_own(number: int, code: int) -> None:
    command = [sys.executable, "-I", "-c", START, str(number), str(PART / "src")]

    assert subprocess.run(command, timeout=60, check=False).returncode == code


def test_the_runtime_s_wheel_brings_the_handler_to_every_image(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(PART)).build(directory=str(tmp_path), versions=["standard"])

    assert "tidemill_runtime.pth" in ZipFile(wheel).namelist()
