"""Run one client's checks and print their outcomes as JSON: `run_checks.py CLIENT REST GRPC`.

Runs under the interpreter of the client's own environment, so it imports nothing but the standard library.
An outcome is null for a check that passed, else what went wrong.
"""

import importlib
import json
import signal
import sys

CHECK_SECONDS = 20


def main(client: str, rest: str, grpc: str) -> None:
    """Run every check of the module `client` against the two addresses, `host:port` each."""
    module = importlib.import_module(client)
    seconds = getattr(module, "CHECK_SECONDS", CHECK_SECONDS)
    signal.signal(signal.SIGALRM, _give_up)
    outcomes: dict[str, str | None] = {}
    for check in module.CHECKS:
        signal.alarm(seconds)
        try:
            check(rest, grpc)
        except Exception as error:  # noqa: BLE001 - whatever a client raises is the outcome
            outcomes[check.__name__] = f"{type(error).__name__}: {error}"[:2000]
        else:
            outcomes[check.__name__] = None
        finally:
            signal.alarm(0)
    sys.stdout.write("\n" + json.dumps(outcomes) + "\n")


def _give_up(*_: object) -> None:
    raise TimeoutError("expected an answer in time, received none")


if __name__ == "__main__":
    main(*sys.argv[1:])
