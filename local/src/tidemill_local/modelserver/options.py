"""The command line: the flags of `tensorflow_model_server` that matter on one machine."""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """Field names are flag names; `-` and `_` are the same in flags."""

    port: int
    host: str
    grpc_socket_path: Path | None
    model_config_file: Path | None
    model_name: str
    model_base_path: str
    monitoring_port: int | None
    threads: int
    file_system_poll_wait_seconds: float
    max_num_load_retries: int
    load_retry_interval_micros: int
    allow_version_labels_for_unavailable_models: bool
    enable_grpc_healthcheck_service: bool
    enable_batching: bool
    batching_parameters_file: Path | None
    shutdown_seconds: float
    log_format: str


def parse_options(arguments: Sequence[str]) -> Options:
    """Return the options; prints usage and exits with code 2 when a flag is not understood."""
    parser = ArgumentParser(prog="modelserver", description=__doc__)
    parser.add_argument("--port", type=int, default=8500, help="gRPC port; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--grpc_socket_path", type=Path, help="Unix socket to listen on as well")
    parser.add_argument("--model_config_file", type=Path, help="ModelServerConfig as text")
    parser.add_argument("--model_name", default="default", help="ignored with --model_config_file")
    parser.add_argument("--model_base_path", default="", help="ignored with --model_config_file")
    parser.add_argument("--monitoring_port", type=int, help="port of /metrics, /livez and /readyz")
    parser.add_argument("--threads", type=int, default=1, help="predictions of one version run at once")
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1)
    parser.add_argument("--max_num_load_retries", type=int, default=5)
    parser.add_argument("--load_retry_interval_micros", type=int, default=1_000_000)
    switch: dict[str, Any] = {"nargs": "?", "const": True, "default": False, "type": _truth}
    parser.add_argument("--allow_version_labels_for_unavailable_models", **switch)
    health = {**switch, "default": True}
    parser.add_argument("--enable_grpc_healthcheck_service", **health, help="grpc.health.v1.Health")
    parser.add_argument("--enable_batching", **switch, help="join concurrent requests")
    parser.add_argument("--batching_parameters_file", type=Path, help="BatchingParameters as text")
    parser.add_argument("--shutdown_seconds", type=float, default=10, help="time to finish work in hand")
    parser.add_argument("--log_format", choices=("json", "text"), default="json")
    return Options(**vars(parser.parse_args([_underscored(argument) for argument in arguments])))


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"expected true or false, got {text}")
    return text.lower() in ("true", "1")


def _underscored(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument[2:].partition("=")
    return f"--{flag.replace('-', '_')}{equals}{value}"
