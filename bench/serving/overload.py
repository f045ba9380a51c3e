"""Twice as many requests as the gateway can answer: how many it answers, and how soon the rest hears no.

    python bench/serving/census.py FOLDER
    python bench/serving/overload.py FOLDER [--rounds 3] [--times 2] [--rows 1]
    python bench/serving/overload.py FOLDER --floor 33000

Gateway and model server share the first core, the load has the second. The load is open: requests are sent
when they are due, at random intervals, however many are unanswered; times count from when they were due.
Each round measures the peak first (64 connections that ask again at once), then sends a multiple of it. The
share of the peak that is still answered is given as it was, and by the CPU time that the servers got: of that
one, nothing is lost to what else runs on the machine. With `--floor` a server that refuses everything, and
does nothing else, is asked so many times a second: what a refusal costs at the least.
"""

import argparse
import asyncio
import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import cast

import uvloop
from bench_gateway import FIRST_PORT, LOAD_CORE, PATH, Server, running
from census import rows

CONNECTIONS_AT_PEAK = 64
MAX_CONNECTIONS = 2048
SETTLE_SECONDS = 1.0
TICK_SECONDS = 0.001


@dataclass
class Outcome:
    """What became of requests that were due in the measured time: seconds each, by HTTP status."""

    seconds: float
    cpu_seconds: float = 0.0
    times: dict[str, list[float]] = field(default_factory=dict)
    unsent: int = 0

    def per_second(self, status: str) -> float:
        return len(self.times.get(status, ())) / self.seconds

    def per_cpu_second(self, status: str) -> float:
        return len(self.times.get(status, ())) / self.cpu_seconds

    def percentile_ms(self, status: str, share: float) -> float:
        times = sorted(self.times.get(status, ())) or [float("nan")]
        return times[min(len(times) - 1, int(len(times) * share))] * 1000


class Connection(asyncio.Protocol):
    """One connection with at most one request on it. Replies are so small that they come whole."""

    transport: asyncio.Transport

    def __init__(self, ended: Callable[["Connection", str], None]) -> None:
        self._ended = ended
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by their class.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._ended(self, data[9:12].decode())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        if self.due:
            self._ended(self, "lost")


class Load:
    """Sends one request again and again, and notes what comes back."""

    def __init__(self, server: Server, request: bytes) -> None:
        self._server = server
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._count = 0
        self._again = False
        self._measured = (0.0, 0.0)
        self._outcome = Outcome(0)

    async def at_peak(self, seconds: float) -> Outcome:
        """Ask on a few connections, on each again as soon as it is answered."""
        await self._open(CONNECTIONS_AT_PEAK)
        self._begin(seconds)
        self._again = True
        for connection in self._idle[:CONNECTIONS_AT_PEAK]:
            self._send(connection, self._loop.time())
        self._idle = self._idle[CONNECTIONS_AT_PEAK:]
        await self._account()
        self._again = False
        await asyncio.sleep(1)
        return self._outcome

    async def open(self, per_second: float, seconds: float) -> Outcome:
        """Ask so many times a second."""
        await self._open(MAX_CONNECTIONS)
        self._begin(seconds)
        accounting = asyncio.create_task(self._account())
        chance = random.Random(1)  # noqa: S311 - not about secrets
        due = self._loop.time()
        end = self._measured[1]
        while due < end:
            while due <= self._loop.time():
                if self._idle:
                    self._send(self._idle.pop(), due)
                elif due >= self._measured[0]:
                    self._outcome.unsent += 1
                due += chance.expovariate(per_second)
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.sleep(2)
        await accounting
        return self._outcome

    async def _account(self) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        self._outcome.cpu_seconds = -self._server.core_seconds()
        await asyncio.sleep(self._outcome.seconds)
        self._outcome.cpu_seconds += self._server.core_seconds()

    def _begin(self, seconds: float) -> None:
        begin = self._loop.time() + SETTLE_SECONDS
        self._measured = begin, begin + seconds
        self._outcome = Outcome(seconds)

    async def _open(self, count: int) -> None:
        while self._count < count:
            self._count += 1
            await self._connect()

    async def _connect(self) -> None:
        address = "127.0.0.1", self._server.port
        _, made = await self._loop.create_connection(lambda: Connection(self._ended), *address)
        self._idle.append(made)

    def _send(self, connection: Connection, due: float) -> None:
        connection.due = due
        connection.transport.write(self._request)

    def _ended(self, connection: Connection, status: str) -> None:
        now, due = self._loop.time(), connection.due
        connection.due = 0.0
        if self._measured[0] <= due < self._measured[1]:
            self._outcome.times.setdefault(status, []).append(now - due)
        if status == "lost":
            self._count -= 1
        elif self._again:
            self._send(connection, now)
        else:
            self._idle.append(connection)


async def measure(server: Server, request: bytes, times: float, seconds: float) -> tuple[Outcome, Outcome]:
    """Return what happens at the peak, and at so many times as much."""
    load = Load(server, request)
    peak = await load.at_peak(seconds)
    return peak, await load.open(times * peak.per_second("200"), seconds)


async def measure_floor(server: Server, request: bytes, per_second: float, seconds: float) -> float:
    """Return the seconds of a core that an answer without any work costs."""
    outcome = await Load(server, request).open(per_second, seconds)
    return 1 / outcome.per_cpu_second("200")


def show(peak: Outcome, much: Outcome) -> tuple[float, float]:
    """Print a line of the table; return the share of the peak, also by CPU time."""
    share = much.per_second("200") / peak.per_second("200")
    by_cpu = much.per_cpu_second("200") / peak.per_cpu_second("200")
    others = sum(len(times) for status, times in much.times.items() if status not in {"200", "503"})
    print(
        f"| {peak.per_second('200'):,.0f} | {much.per_second('200'):,.0f} | {share:.0%} | {by_cpu:.0%} "
        f"| {much.percentile_ms('200', 0.5):.1f} / {much.percentile_ms('200', 0.99):.1f} "
        f"| {much.per_second('503'):,.0f} "
        f"| {much.percentile_ms('503', 0.5):.1f} / {much.percentile_ms('503', 0.99):.1f} "
        f"| {others} | {much.unsent} |",
        flush=True,
    )
    return share, by_cpu


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="folder that census.py wrote")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rows", type=int, default=1, help="of each request")
    parser.add_argument("--floor", type=float, help="requests a second to a server that does nothing")
    options = parser.parse_args()
    body = json.dumps({"instances": rows(options.rows)}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    if options.floor:
        with running([sys.executable, "constant.py"], FIRST_PORT + 55, options.model.resolve()) as server:
            os.sched_setaffinity(0, {int(LOAD_CORE)})
            seconds = uvloop.run(measure_floor(server, request, options.floor, options.seconds))
        print(f"{seconds * 1e6:.1f} us of a core for an answer without any work")
        return
    columns = "peak/s | answered/s | share | by CPU | p50 / p99 ms | refused/s | p50 / p99 ms | else | unsent"
    print(f"| {columns} |\n|{'---|' * len(columns.split(' | '))}")
    with running([sys.executable, "tidemill.py"], FIRST_PORT + 50, options.model.resolve()) as server:
        os.sched_setaffinity(0, {int(LOAD_CORE)})
        shares = [
            show(*uvloop.run(measure(server, request, options.times, options.seconds)))
            for _ in range(options.rounds)
        ]
    as_it_was, by_cpu = (median(share) for share in zip(*shares, strict=True))
    print(f"\nmedian share of the peak: {as_it_was:.0%}, by CPU time {by_cpu:.0%}")


if __name__ == "__main__":
    main()
