"""Mixed traffic for minutes: does the gateway's memory grow, or do guessed names add series of metrics?

    python bench/serving/soak.py [--minutes 10] [--connections 8] [--pause_ms 2]

Right requests of every API over REST and gRPC; every third is about a name that nobody knows, another one
every time: model, version, label, signature, request id, prediction id. Prints a line a minute. In the first
three, series come as models meet codes; fails when memory or series end above what there was then.
"""

import argparse
import asyncio
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import grpc.aio
from fuzz import chance_of, resident_mib
from raw_http import Connection
from seeds import RestSeed, grpc_seeds, rest_seeds

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests/conformance"), str(ROOT / "services/gateway/tests")]

from servers import Addresses, tidemill  # noqa: E402 - found by the path above

GUESSED_SHARE = 1 / 3
ALLOWED_GROWTH_MIB = 5.0
CALL_SECONDS = 20
SETTLED_MINUTES = 3


@dataclass(frozen=True)
class Measure:
    """What the gateway took at one moment, after so many requests."""

    seconds: float
    requests: int
    memory_mib: float
    series: int


def main() -> None:
    """Start a gateway and a model server, load them, and print what the gateway takes."""
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory() as folder, tidemill(Path(folder)) as addresses:
        measures, codes = asyncio.run(_soak(addresses, arguments))
    print(", ".join(f"{code}: {count}" for code, count in sorted(codes.items())))
    first, last = measures[min(SETTLED_MINUTES, len(measures)) - 1], measures[-1]
    grown_mib, grown_series = last.memory_mib - first.memory_mib, last.series - first.series
    print(f"grown since minute {SETTLED_MINUTES}: {grown_mib:.1f} MiB, {grown_series} series")
    if grown_mib > ALLOWED_GROWTH_MIB or grown_series > 0:
        sys.exit(1)


async def _soak(addresses: Addresses, arguments: argparse.Namespace) -> tuple[list[Measure], Counter[str]]:
    codes: Counter[str] = Counter()
    pause_seconds = arguments.pause_ms / 1000
    async with grpc.aio.insecure_channel(addresses.grpc) as channel:
        callers = [
            asyncio.create_task(_over_rest(addresses.rest, chance_of(str(n)), codes, pause_seconds))
            for n in range(arguments.connections)
        ]
        callers.append(asyncio.create_task(_over_grpc(channel, chance_of("grpc"), codes, pause_seconds)))
        measures = await _measured(addresses, arguments.minutes, codes)
        for caller in callers:
            caller.cancel()
        for caller in callers:
            with suppress(asyncio.CancelledError):
                await caller
    return measures, codes


async def _measured(addresses: Addresses, minutes: int, codes: Counter[str]) -> list[Measure]:
    begin, measures = time.monotonic(), []
    for _ in range(minutes):
        await asyncio.sleep(60)
        series = await asyncio.to_thread(_series, addresses.metrics)
        memory_mib = resident_mib(addresses.process_id)
        measure = Measure(time.monotonic() - begin, codes.total(), memory_mib, series)
        print(
            f"{measure.seconds:5.0f} s {measure.requests:9} requests "
            f"{measure.memory_mib:7.1f} MiB {measure.series:5} series",
            flush=True,
        )
        measures.append(measure)
    return measures


def _series(address: str) -> int:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=CALL_SECONDS) as page:
        return sum(not line.startswith(b"#") for line in page.read().splitlines())


async def _over_rest(address: str, chance: Random, codes: Counter[str], pause_seconds: float) -> None:
    seeds = rest_seeds()
    async with Connection(address) as connection:
        while True:
            seed = chance.choice(seeds)
            if chance.random() < GUESSED_SHARE:
                seed = _guessed(seed, chance)
            status, _ = await connection.ask(seed)
            codes[f"REST {status}"] += 1
            await asyncio.sleep(pause_seconds)


def _guessed(seed: RestSeed, chance: Random) -> RestSeed:
    guess = f"guess{chance.randrange(10**12)}"
    known = next(
        (name for name in ("half_plus_two", "pair", "text", "not_a_number") if name in seed.path), ""
    )
    kind = chance.randrange(6)
    if kind == 0 and known:
        return replace(seed, path=seed.path.replace(known, guess))
    if kind == 1 and known:
        return replace(
            seed, path=seed.path.replace(known, f"{known}/versions/{chance.randrange(1000, 2**62)}")
        )
    if kind == 2 and known:
        return replace(seed, path=seed.path.replace(known, f"{known}/labels/{guess}"))
    if kind == 3:
        return RestSeed(
            "/v1/models/half_plus_two:feedback", f'{{"prediction_id":"{guess}","label":1}}'.encode()
        )
    if kind == 4:
        return RestSeed(f"/v1/releases/{guess}", method="GET")
    body = f'{{"instances":[1],"signature_name":"{guess}"}}'.encode()
    return RestSeed("/v1/models/half_plus_two:predict", body, {"Tidemill-Request-Id": guess})


async def _over_grpc(
    channel: grpc.aio.Channel, chance: Random, codes: Counter[str], pause_seconds: float
) -> None:
    seeds = grpc_seeds()
    while True:
        seed = chance.choice(seeds)
        message = seed.message
        if chance.random() < GUESSED_SHARE:
            # As long as the name it stands for, so that the message stays well-formed.
            message = message.replace(b"half_plus_two", f"{chance.randrange(10**13):013}".encode())
        try:
            await channel.unary_unary(seed.method)(message, timeout=CALL_SECONDS)
            codes["gRPC OK"] += 1
        except grpc.aio.AioRpcError as error:
            codes[f"gRPC {error.code().name}"] += 1
        await asyncio.sleep(pause_seconds)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pause_ms", type=float, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
