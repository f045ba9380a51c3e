"""Rules of a process's age: what it did before it could ask is counted."""

import subprocess
import sys

import pytest

CODE = (
    "import time; time.sleep(1.5); from tidemill_trainer.age import process_seconds; print(process_seconds())"
)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the age of a process")
def test_a_process_is_as_old_as_its_first_instruction() -> None:
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, timeout=120, check=True)

    assert 1.4 < float(told.stdout) < 120
