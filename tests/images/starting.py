"""Services in containers that have one loopback in common, and nothing besides."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from engine import Container, docker

READY_SECONDS = 120
LIVE, READY = "/livez", "/readyz"
BROKER = "127.0.0.1:8085"
LOCAL_PROGRAMS = ("broker", "bootstrap", "modelserver")
SETTINGS = {
    "PUBSUB_EMULATOR_HOST": BROKER,
    "TIDEMILL_BUCKET_URL": "file:///bucket",
    "TIDEMILL_TRACKING_URI": "sqlite:////tmp/mlflow.db",
}
# Prints that it has begun, then the time of the first answer 200; fails with what was answered last.
WATCH = """
import sys, time, urllib.error, urllib.request
url, seconds = sys.argv[1], float(sys.argv[2])
print("watching", flush=True)
deadline, said = time.monotonic() + seconds, "nothing"
while time.monotonic() < deadline:
    try:
        urllib.request.urlopen(url, timeout=5).close()
        print(time.time())
        sys.exit()
    except urllib.error.HTTPError as error:
        said = error.read().decode()
    except OSError as error:
        said = str(error)
    time.sleep(0.01)
sys.exit(f"expected 200 of {url} in {seconds} s, last was: {said}")
"""


# The processor's time of the container's first process, all threads.
PROCESSOR = """
import os
times = open("/proc/1/stat").read().rpartition(")")[2].split()[11:13]
print(sum(map(int, times)) / os.sysconf("SC_CLK_TCK"))
"""


@dataclass(frozen=True)
class Started:
    """A service that is ready.

    Attributes:
        live_seconds: From the word to the engine until it was live.
        ready_seconds: The same until it was ready.
        processor_seconds: What it took of a processor: unlike the others the same on a busy machine.
    """

    container: Container
    live_seconds: float
    ready_seconds: float
    processor_seconds: float


class Watch:
    """Asks one probe until it answers 200, from inside a running container."""

    def __init__(self, inside: Container, port: int, path: str, seconds: float = READY_SECONDS) -> None:
        url = f"http://127.0.0.1:{port}{path}"
        self._process = subprocess.Popen(
            ["docker", "exec", inside.id, "python", "-c", WATCH, url, str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def answered(self) -> float:
        """Return when it answered, in seconds since 1970."""
        time_of_answer, complaint = self._process.communicate(timeout=READY_SECONDS + 30)
        assert self._process.returncode == 0, complaint
        return float(time_of_answer)


@dataclass(frozen=True)
class Surroundings:
    """What services need: a broker with every topic, a model server, serving."""

    broker: Container

    @property
    def network(self) -> str:
        """Everything is in the broker's network, which leads nowhere else."""
        return f"container:{self.broker.id}"

    @contextmanager
    def started(
        self, image: str, command: Sequence[str] = (), settings: Mapping[str, str] = {}, port: int = 9090
    ) -> Iterator[Started]:
        """Start a container and wait until it is ready."""
        every = {**SETTINGS, "TIDEMILL_METRICS_PORT": str(port), **settings}
        with Container(image, command, network=self.network, settings=every) as container:
            watches = [Watch(self.broker, port, path) for path in (LIVE, READY)]
            begin = time.time()
            container.start()
            try:
                live, ready = (watch.answered() - begin for watch in watches)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{container.logs()[-3000:]}") from error
            processor = docker("exec", container.id, "python", "-c", PROCESSOR)
            yield Started(container, live, ready, float(processor))


@contextmanager
def surroundings(local: str, serving: str) -> Iterator[Surroundings]:
    """Start what services need, from the images of the local platform and of serving."""
    broker, bootstrap, model_server = (("python", "-m", f"tidemill_local.{each}") for each in LOCAL_PROGRAMS)
    with ExitStack() as stack:
        ports = ("--port", "8085", "--metrics-port", "9097")
        world = Surroundings(
            stack.enter_context(Container(local, (*broker, *ports, "--data", "/bucket/b.db")))
        )
        world.broker.start()
        Watch(world.broker, 9097, READY).answered()
        make_topics = Container(local, bootstrap, network=world.network, settings=SETTINGS)
        stack.enter_context(make_topics)
        make_topics.start()
        assert make_topics.wait(READY_SECONDS) == 0, make_topics.logs()
        ports = ("--port", "8500", "--monitoring-port", "9096")
        stack.enter_context(world.started(local, (*model_server, *ports), port=9096))
        stack.enter_context(world.started(serving, port=9094))
        yield world
