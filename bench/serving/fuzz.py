"""Wrong requests by the hundred thousand against a live gateway: none may crash it or be its own failure.

    python bench/serving/fuzz.py [--count 100000] [--seed 1]

Begins with right requests over REST (V1, V2, binary) and gRPC and changes them. A refusal is right when it
says what is wrong: any 4xx, and of the 5xx what states its reason (501, 503, 504; UNIMPLEMENTED, UNAVAILABLE,
DEADLINE_EXCEEDED). Prints the outcomes, and fails when there was any other.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import grpc
import grpc.aio
from mutations import mutated_grpc, mutated_rest
from raw_http import Connection
from seeds import GrpcSeed, RestSeed, grpc_seeds, rest_seeds

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests/conformance"), str(ROOT / "services/gateway/tests")]

from servers import Addresses, tidemill  # noqa: E402 - found by the path above

STATED = {501, 503, 504}
FAILED_CODES = {"UNKNOWN", "INTERNAL", "DATA_LOSS"}
CONNECTIONS = 16
GRPC_SHARE = 0.25
CALL_SECONDS = 20
SHOWN = 10


class Outcomes:
    """What came back, by kind, and the requests whose outcome was the gateway's failure."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def of_rest(self, request: RestSeed, status: int, body: bytes) -> None:
        """Count an answer over REST."""
        self.counts[f"REST {status or 'closed'}"] += 1
        if status == 0 or (status >= 500 and status not in STATED):
            self.failures.append(f"{status} {body[:300]!r} for {request}")

    def of_grpc(self, request: GrpcSeed, code: str, details: str) -> None:
        """Count an answer over gRPC."""
        self.counts[f"gRPC {code}"] += 1
        if code in FAILED_CODES:
            self.failures.append(f"{code} {details} for {request}")


def main() -> None:
    """Start a gateway and a model server, fuzz them, and print what came back."""
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory() as folder, tidemill(Path(folder)) as addresses:
        begin_mib, begin = resident_mib(addresses.process_id), time.monotonic()
        outcomes = asyncio.run(_fuzz(addresses, arguments.count, arguments.seed))
        seconds = time.monotonic() - begin
        for kind, count in sorted(outcomes.counts.items()):
            print(f"{kind:28} {count:8}")
        print(f"{sum(outcomes.counts.values())} inputs in {seconds:.0f} s, {len(outcomes.failures)} failures")
        print(f"gateway: {begin_mib:.0f} MiB before, {resident_mib(addresses.process_id):.0f} MiB after")
    for failure in outcomes.failures[:SHOWN]:
        print(failure)
    if outcomes.failures:
        sys.exit(1)


def chance_of(seed: str) -> Random:
    """Return what chooses, always the same for a seed."""
    return Random(seed)  # noqa: S311 - not about secrets


def resident_mib(process_id: int) -> float:
    """Return the memory of a process."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _fuzz(addresses: Addresses, count: int, seed: int) -> Outcomes:
    outcomes = Outcomes()
    over_grpc = int(count * GRPC_SHARE)
    shares = [(count - over_grpc) // CONNECTIONS] * CONNECTIONS
    async with grpc.aio.insecure_channel(addresses.grpc) as channel:
        await asyncio.gather(
            *(
                _over_rest(addresses.rest, share, chance_of(f"{seed} {n}"), outcomes)
                for n, share in enumerate(shares)
            ),
            *(_over_grpc(channel, over_grpc // 4, chance_of(f"{seed} grpc {n}"), outcomes) for n in range(4)),
        )
    async with Connection(addresses.rest) as connection:
        status, body = await connection.ask(rest_seeds()[0])
    assert (status, body) == (200, b'{"predictions":[3.0,3.5]}'), (status, body)
    return outcomes


async def _over_rest(address: str, count: int, chance: Random, outcomes: Outcomes) -> None:
    seeds = rest_seeds()
    async with Connection(address) as connection:
        for _ in range(count):
            request = mutated_rest(chance.choice(seeds), chance)
            outcomes.of_rest(request, *await connection.ask(request))


async def _over_grpc(channel: grpc.aio.Channel, count: int, chance: Random, outcomes: Outcomes) -> None:
    seeds = grpc_seeds()
    for _ in range(count):
        request = mutated_grpc(chance.choice(seeds), chance)
        try:
            await channel.unary_unary(request.method)(request.message, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            outcomes.of_grpc(request, error.code().name, error.details() or "")
        else:
            outcomes.of_grpc(request, "OK", "")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
