"""`python -m tidemill_local.broker`: the command line of the broker."""

import argparse
import sys
from pathlib import Path

import uvloop

from tidemill_local.broker.app import Settings, serve
from tidemill_local.broker.errors import ListenError, StorageError
from tidemill_runtime.logs import configure_logging


def main() -> int:
    """Run the broker; the exit code is 1, with the reason on stderr, if it cannot start."""
    configure_logging("broker", log_format="json", level="INFO")
    try:
        uvloop.run(serve(_settings()))
    except (StorageError, ListenError) as error:
        sys.stderr.write(f"tidemill broker: {error}\n")
        return 1
    return 0


def _settings() -> Settings:
    parser = argparse.ArgumentParser(prog="tidemill-broker", description="Cloud Pub/Sub on one file.")
    parser.add_argument("--data", type=Path, required=True, help="the file to keep everything in")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8085, help="the gRPC port; 0 chooses one")
    parser.add_argument(
        "--metrics-port", type=int, help="the port of /metrics, /livez and /readyz; 0 chooses one"
    )
    arguments = parser.parse_args()
    return Settings(arguments.data, arguments.host, arguments.port, arguments.metrics_port)


if __name__ == "__main__":
    sys.exit(main())
