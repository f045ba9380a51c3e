"""schemathesis: requests made from the OpenAPI documents that a server publishes of itself and of a model."""

import json
import subprocess
import sys
from pathlib import Path

CHECK_SECONDS = 240
EXAMPLES = 25
CONFIG = Path(__file__).with_name("schemathesis.toml")


def _run(rest: str, path: str) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program),
        f"--config-file={CONFIG}",
        "run",
        f"http://{rest}{path}",
        f"--max-examples={EXAMPLES}",
        "--request-timeout=10",
        "--seed=1",
        "--no-color",
        "--phases=examples,coverage,fuzzing",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    assert done.returncode == 0, json.dumps(done.stdout[-3000:] + done.stderr[-500:])


def general(rest: str, _grpc: str) -> None:
    _run(rest, "/openapi.json")


def model_v1(rest: str, _grpc: str) -> None:
    _run(rest, "/v1/models/pair/openapi.json")


def model_v2(rest: str, _grpc: str) -> None:
    _run(rest, "/v2/models/pair/openapi.json")


CHECKS = (general, model_v1, model_v2)
