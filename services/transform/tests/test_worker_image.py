"""Rules of the image of Dataflow's workers: what the service has, with the SDK of the same version."""

import re
from pathlib import Path

import pytest
from worker_image import DOCKERFILE, ROOT, run_in_worker

WORKER = DOCKERFILE.read_text()


def test_the_sdk_is_of_the_version_that_is_locked() -> None:
    locked = re.search(
        r"^apache-beam==(\S+)", (ROOT / "requirements/transform.txt").read_text(), re.MULTILINE
    )
    python = re.search(r"ARG BASE=\S+:(\d+\.\d+)-", WORKER)

    assert locked
    assert python
    assert f"ARG BEAM=docker.io/apache/beam_python{python[1]}_sdk:{locked[1]}\n" in WORKER


def test_workers_start_the_sdk_in_our_environment() -> None:
    assert 'ENTRYPOINT ["/opt/apache/beam/boot"]\n' in WORKER
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in WORKER
    assert "PATH=/opt/tidemill/bin:$PATH" in WORKER


def test_the_template_starts_a_script_that_is_installed() -> None:
    [script] = re.findall(r"FLEX_TEMPLATE_PYTHON_PY_FILE=/opt/tidemill/bin/(\S+)", WORKER)

    assert (
        f'{script} = "tidemill_transform.launcher:main"' in DOCKERFILE.with_name("pyproject.toml").read_text()
    )


@pytest.mark.parametrize("module", ["beam_pass", "launcher", "streaming.stream"])
def test_what_workers_import_is_in_their_image(tmp_path: Path, module: str) -> None:
    ended = run_in_worker(tmp_path, f"import tidemill_transform.{module}")

    assert ended.returncode == 0, ended.stderr


def test_nothing_else_is_in_their_image(tmp_path: Path) -> None:
    ended = run_in_worker(tmp_path, "import pytest")

    assert "ModuleNotFoundError" in ended.stderr
