"""The supervisor, with real processes: tiny web servers that stand in for the services."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tidemill_local.supervisor.blueprint import Blueprint, Process
from tidemill_local.supervisor.home import AlreadyRunning, Home, NotRunning
from tidemill_local.supervisor.platform import Platform, StartFailed
from tidemill_local.supervisor.ports import Ports
from tidemill_local.supervisor.probe import why_not_ready

SERVER = """
import os, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
def end(*_):
    with open(os.environ["JOURNAL"], "a") as journal: journal.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
HTTPServer(("127.0.0.1", int(sys.argv[2])), Answer).serve_forever()
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def a_server(name: str, *, after: tuple[str, ...] = (), uses: tuple[str, ...] = ()) -> Process:
    return Process(
        name=name,
        command=("-S", "-c", SERVER, name, f"{{port[{name}]}}"),
        ready_url=f"http://{{host}}:{{port[{name}]}}/readyz",
        address=f"http://{{host}}:{{port[{name}]}}",
        after=after,
        uses=uses,
    )


def a_blueprint(*processes: Process) -> Blueprint:
    ports = {process.name: 0 for process in processes if process.address}
    return Blueprint(processes=processes, ports=ports, environment={"JOURNAL": "{home}/journal"})


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], timeout_seconds: float = 10) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def pid_of(platform: Platform, name: str) -> int:
    pid = platform.state().process(name).pid
    assert pid is not None
    return pid


@pytest.fixture
def two_servers(tmp_path: Path) -> Iterator[Platform]:
    blueprint = a_blueprint(a_server("broker"), a_server("service", after=("broker",), uses=("broker",)))
    with Platform(tmp_path, blueprint) as platform:
        platform.wait_ready(timeout_seconds=20)
        yield platform


def test_a_killed_process_is_started_again_at_the_same_address(two_servers: Platform) -> None:
    before = pid_of(two_servers, "service")

    two_servers.kill("service")
    two_servers.wait_ready(timeout_seconds=20)

    after = two_servers.state().process("service")
    assert after.pid not in {None, before}
    assert after.restarts == 1
    assert why_not_ready(f"{two_servers.addresses['service']}/readyz") is None


def test_users_are_stopped_before_what_they_use_and_nothing_is_left(two_servers: Platform) -> None:
    pids = [pid_of(two_servers, name) for name in ("broker", "service")]

    two_servers.stop()

    assert (two_servers.home.path / "journal").read_text().split() == ["service", "broker"]
    assert not any(map(is_alive, pids))
    with pytest.raises(NotRunning):
        two_servers.home.running()


def test_another_process_finds_the_running_platform(two_servers: Platform) -> None:
    found = Home(two_servers.home.path).running()

    assert found.process("service").address == two_servers.addresses["service"]
    assert found.process("service").state == "ready"


def test_a_home_has_one_platform_at_a_time(two_servers: Platform) -> None:
    second = Platform(two_servers.home.path, a_blueprint(a_server("service")))

    with pytest.raises(AlreadyRunning, match="one runs there; stop it with: tidemill down"):
        second.start()


def test_a_process_starts_only_after_what_it_needs_is_done(tmp_path: Path) -> None:
    task = Process(
        name="task",
        command=("-S", "-c", "import time; time.sleep(0.3); open('{home}/task-done', 'w')"),
        ready_url=None,
    )
    looks = Process(
        name="looks", command=("-S", "-c", "open('{home}/task-done')"), ready_url=None, after=("task",)
    )
    with Platform(tmp_path, a_blueprint(task, looks)) as platform:
        platform.wait_ready(timeout_seconds=20)

        states = {process.name: (process.state, process.restarts) for process in platform.state().processes}
    assert states == {"task": ("done", 0), "looks": ("done", 0)}


def test_five_failed_starts_are_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    broken = Process(name="broken", command=("-S", "-c", "raise SystemExit('no such table')"), ready_url=None)
    with Platform(tmp_path, a_blueprint(broken)) as platform:
        with pytest.raises(StartFailed, match=r"broken did not start 5 times in a row") as failed:
            platform.wait_ready(timeout_seconds=30)

        assert str(failed.value).count("no such table") == 5


def test_a_process_that_is_not_ready_in_time_is_named_with_its_reason(tmp_path: Path) -> None:
    silent = Process(
        name="silent",
        command=("-S", "-c", STUBBORN),
        ready_url="http://{host}:{port[silent]}/readyz",
        address="x",
    )
    with Platform(tmp_path, a_blueprint(silent)) as platform:
        with pytest.raises(StartFailed, match=r"silent is not ready after 0.5 s \(does not answer"):
            platform.wait_ready(timeout_seconds=0.5)
        platform.kill("silent")


def test_a_port_in_use_is_replaced_by_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy, closing(Ports({"a": port_of(busy)})) as ports:
        assert ports.numbers["a"] > port_of(busy)


def test_two_processes_never_share_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        wanted = {"a": port_of(busy), "b": port_of(busy) + 1}
        with closing(Ports(wanted)) as ports:
            assert ports.numbers["a"] != ports.numbers["b"]


def test_two_platforms_chosen_at_once_share_no_port() -> None:
    wanted = {"a": 21_000, "b": 21_001}
    with closing(Ports(wanted)) as one, closing(Ports(wanted)) as other:
        assert not set(one.numbers.values()) & set(other.numbers.values())


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


SUPERVISOR = """
import sys, time
from pathlib import Path
from test_supervisor import a_blueprint, a_server, Process, STUBBORN, Platform
parent = Process(
    name="parent",
    command=("-S", "-c", "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-S', '-c', "
    "'import time; time.sleep(600)']); open('{home}/grandchild', 'w').write(str(p.pid)); time.sleep(600)"),
    ready_url="http://{host}:{port[service]}/readyz",
)
platform = Platform(Path(sys.argv[1]), a_blueprint(a_server("service"), parent))
platform.start()
platform.wait_ready(20)
time.sleep(600)
"""


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    """Neither the processes nor their own children, and the home is free again."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    grandchild = tmp_path / "grandchild"
    home = Home(tmp_path)
    try:
        assert eventually(lambda: grandchild.exists() and grandchild.read_text() != "", 20)
        assert eventually(lambda: home.running().process("service").state == "ready")
        pids = [home.running().process(name).pid for name in ("service", "parent")]
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait(timeout=10)

    left = [pid for pid in (*pids, int(grandchild.read_text())) if pid is not None]
    assert len(left) == 3
    assert eventually(lambda: not any(map(is_alive, left)))
    os.close(home.lock())


def test_a_secret_outlives_restarts_and_reaches_only_who_needs_it(tmp_path: Path) -> None:
    tell = "import os, sys; open(sys.argv[1], 'a').write(os.environ.get('KEY', 'none') + '\\n')"
    command = ("-S", "-c", tell)
    trusted = Process(
        name="trusted", command=(*command, "{home}/a"), ready_url=None, secrets={"KEY": "some-key"}
    )
    other = Process(name="other", command=(*command, "{home}/b"), ready_url=None)
    for _ in range(2):
        with Platform(tmp_path, Blueprint(processes=(trusted, other), ports={})) as platform:
            platform.wait_ready(timeout_seconds=20)

    first, second = (tmp_path / "a").read_text().split()
    kept = tmp_path / "secrets" / "some-key"
    assert first == second == kept.read_text()
    assert (len(first), kept.stat().st_mode & 0o777) == (64, 0o600)
    assert (tmp_path / "b").read_text().split() == ["none", "none"]
    assert first not in (tmp_path / "run" / "state.json").read_text()
