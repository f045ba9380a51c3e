"""Does an installation work? Drop rows of real flights, wait for a model of them, ask it.

    smoke.py --bucket gs://BUCKET --gateway https://HOST
    smoke.py --bucket file:///HOME/bucket/tidemill --gateway http://127.0.0.1:8080

Works through the bucket and the gateway alone, as people do. Other rows are dropped each time, so that every
run brings a version that was not there before. Ends with 1 and a reason when none comes.
"""

import argparse
import csv
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectStore, open_store

SPEC = Path(__file__).parent / "pipeline.yaml"
MONTH = Path(__file__).parents[2] / "examples" / "flights" / "flights-2013-01.csv"
PIPELINE = "smoke"
ROWS = 4000
# No model yet, or a gateway that is being replaced.
COMES_LATER = (404, 429, 502, 503, 504)
REPLY_SECONDS = 30
LOOK_SECONDS = 2


@dataclass(frozen=True)
class Gateway:
    """Where predictions are asked for. `key` is an API key, empty where none is needed."""

    url: str
    key: str = ""

    def predict(self, row: Mapping[str, str]) -> tuple[str, float] | None:
        """Return which version answered and what it said; None while no model answers."""
        described = self._ask("/metadata")
        if described is None:
            return None
        inputs = described[1]["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
        instance = {
            name: row[name] if each["dtype"] == "DT_STRING" else float(row[name])
            for name, each in inputs.items()
        }
        answer = self._ask(":predict", json.dumps({"instances": [instance]}).encode())
        return (answer[0], float(answer[1]["predictions"][0])) if answer else None

    def _ask(self, path: str, body: bytes | None = None) -> tuple[str, Any] | None:
        headers = {"Content-Type": "application/json"} | ({"X-Api-Key": self.key} if self.key else {})
        request = Request(f"{self.url}/v1/models/{PIPELINE}{path}", body, headers)  # noqa: S310 - as it was given
        try:
            with urlopen(request, timeout=REPLY_SECONDS) as reply:  # noqa: S310
                return reply.headers["Tidemill-Model-Version"], json.load(reply)
        except HTTPError as error:
            if error.code in COMES_LATER:
                return None
            said = error.read()[:500].decode(errors="replace")
            raise SystemExit(f"expected an answer, received {error.code}: {said}") from error
        except (URLError, TimeoutError):
            return None


def smoke(store: ObjectStore, gateway: Gateway, timeout_seconds: float) -> tuple[str, float]:
    """Return the version of the rows that were dropped now, and a probability that it gave."""
    row = next(csv.DictReader(MONTH.open(newline="")))
    before = gateway.predict(row)
    store.write(layout.pipeline_spec(PIPELINE), SPEC.read_bytes())
    file = f"flights-{time.time_ns()}.csv"
    store.write(layout.drop(PIPELINE, file), some_flights())
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        answer = gateway.predict(row)
        if answer and (before is None or int(answer[0]) > int(before[0])):
            return answer
        check_taken(store, file)
        time.sleep(LOOK_SECONDS)
    newest = before[0] if before else "none"
    raise SystemExit(f"expected a version after {newest} within {timeout_seconds:.0f} s, none came")


def check_taken(store: ObjectStore, file: str) -> None:
    """End with the reason when the drop was refused."""
    for name in store.list(f"quarantine/{PIPELINE}/"):
        if name.endswith(f"{file}.reason.json"):
            raise SystemExit(f"expected the drop to be taken, it was refused: {store.read(name).decode()}")


def some_flights() -> bytes:
    """Draw rows of a month, with the header."""
    header, *rows = MONTH.read_bytes().splitlines(keepends=True)
    return b"".join([header, *random.sample(rows, ROWS)])


def main(arguments: Sequence[str] | None = None) -> None:
    described = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    described.add_argument("--bucket", required=True, help="gs://NAME or file:///FOLDER")
    described.add_argument("--gateway", required=True, help="http://HOST:PORT or https://HOST")
    described.add_argument("--key-file", type=Path, help="File with an API key")
    described.add_argument("--timeout-seconds", type=float, default=900)
    given = described.parse_args(arguments)
    key = given.key_file.read_text().strip() if given.key_file else ""
    began = time.monotonic()
    gateway = Gateway(given.gateway.rstrip("/"), key)
    version, probability = smoke(open_store(given.bucket), gateway, given.timeout_seconds)
    if not 0 <= probability <= 1:
        raise SystemExit(f"expected a probability, received {probability}")
    sys.stdout.write(f"version {version} answered {probability:.3f}, {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
