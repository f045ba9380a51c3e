"""Asks a model without pause until standard input ends; runs in a pod, with Python's own library alone.

usage: caller.py HOST PORT MODEL CLIENTS, with the request's body in the first line. Half of the clients keep
their connection, half open a new one for every request. Nothing is tried twice. Writes one JSON object.
"""

import json
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Outcome:
    """What became of a request that began at that time; no failure is empty."""

    failure: str
    began: float
    seconds: float


@dataclass
class Client:
    """Asks one thing after another."""

    host: str
    port: int
    path: str
    body: bytes
    is_keeping: bool
    outcomes: list[Outcome] = field(default_factory=list)

    def run(self, done: threading.Event) -> None:
        connection = HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        while not done.is_set():
            begin = time.time()
            failure = self._ask(connection)
            if failure or not self.is_keeping:
                connection.close()
            self.outcomes.append(Outcome(failure, begin, time.time() - begin))

    def _ask(self, connection: HTTPConnection) -> str:
        try:
            connection.request("POST", self.path, self.body, {"content-type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, HTTPException) as error:
            return f"{'kept' if self.is_keeping else 'new'} connection: {error!r}"
        return "" if response.status == 200 else f"{response.status} {text[:160]}"


def summary(outcomes: list[Outcome]) -> dict[str, object]:
    """Count; `failing_seconds` is the time from the first failure to the end of the last."""
    seconds = sorted(each.seconds for each in outcomes)
    failed = [each for each in outcomes if each.failure]
    first = min((each.began for each in failed), default=0)
    last = max((each.began + each.seconds for each in failed), default=0)
    return {
        "requests": len(outcomes),
        "failures": Counter(each.failure for each in failed),
        "median_seconds": seconds[len(seconds) // 2],
        "slowest_seconds": seconds[-1],
        "failing_seconds": last - first,
    }


def main(host: str, port: str, model: str, clients: str) -> None:
    """Ask until told to end."""
    body = sys.stdin.buffer.readline()
    path = f"/v1/models/{model}:predict"
    callers = [Client(host, int(port), path, body, number % 2 == 0) for number in range(int(clients))]
    done = threading.Event()
    threads = [threading.Thread(target=each.run, args=(done,)) for each in callers]
    for each in threads:
        each.start()
    sys.stdin.buffer.read()
    done.set()
    for each in threads:
        each.join()
    json.dump(summary([outcome for each in callers for outcome in each.outcomes]), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
