"""A real Kubernetes API server for tests, where KUBEBUILDER_ASSETS names a folder with its programs.

Nothing but the API server and etcd runs: Jobs are taken, checked and kept, but no pod of them ever starts.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from kubernetes.client import ApiClient, AuthenticationV1TokenRequest, Configuration, CoreV1Api
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

ADMIN = "administrator"
START_SECONDS = 60


@dataclass(frozen=True)
class KubeApiServer:
    """Where it answers, and the certificate that it shows."""

    port: int
    certificate: Path

    def client(self, token: str = ADMIN) -> ApiClient:
        """Open a client, by default with every right."""
        configuration = Configuration(host=f"https://127.0.0.1:{self.port}")
        configuration.ssl_ca_cert = str(self.certificate)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        configuration.retries = 0
        return ApiClient(configuration)

    def client_of(self, namespace: str, account: str) -> ApiClient:
        """Open a client with the rights of a service account."""
        return self.client(self.token_of(namespace, account))

    def token_of(self, namespace: str, account: str) -> str:
        """Issue a token as a service account's pods get one."""
        wanted = AuthenticationV1TokenRequest(spec={"audiences": ["https://tests"]})
        answer = CoreV1Api(self.client()).create_namespaced_service_account_token(account, namespace, wanted)
        return str(answer.to_dict()["status"]["token"])


@contextmanager
def kube_apiserver(folder: Path) -> Iterator[KubeApiServer]:
    """Run an API server; skip the test where there is none to run."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets is None:
        pytest.skip("KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd")
    etcd_port, peer_port, port = _free_ports(3)
    etcd_url, peer_url = (f"http://127.0.0.1:{number}" for number in (etcd_port, peer_port))
    etcd = (
        *(f"{assets}/etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
        *("--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url),
        *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
        *("--initial-cluster", f"default={peer_url}"),
    )
    with (
        _running(etcd, folder / "etcd.log"),
        _running(_command(assets, folder, etcd_url, port), folder / "log"),
    ):
        server = KubeApiServer(port, folder / "apiserver.crt")
        _wait(server, folder / "log")
        yield server


def _command(assets: str, folder: Path, etcd_url: str, port: int) -> tuple[str, ...]:
    key = folder / "accounts.key"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n')
    return (
        *(f"{assets}/kube-apiserver", "--etcd-servers", etcd_url, "--cert-dir", str(folder)),
        *("--bind-address", "127.0.0.1", "--secure-port", str(port)),
        *("--authorization-mode", "RBAC", "--token-auth-file", str(tokens)),
        *("--service-account-issuer", "https://tests", "--service-account-key-file", str(key)),
        *("--service-account-signing-key-file", str(key), "--service-cluster-ip-range", "10.0.0.0/24"),
        # Filled in by a controller that does not run here.
        *("--disable-admission-plugins", "ServiceAccount"),
    )


@contextmanager
def _running(command: tuple[str, ...], log: Path) -> Iterator[None]:
    with log.open("wb") as lines, subprocess.Popen(command, stdout=lines, stderr=lines) as process:
        try:
            yield
        finally:
            process.terminate()


def _wait(server: KubeApiServer, log: Path) -> None:
    url = f"https://127.0.0.1:{server.port}/readyz"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(HTTPError, ApiException, OSError):
            # Nobody in particular may ask, once the roles are there that every cluster begins with.
            urlopen(url, timeout=5, context=create_default_context(cafile=server.certificate)).close()
            CoreV1Api(server.client()).read_namespace("default", _request_timeout=5)
            return
        time.sleep(0.2)
    raise AssertionError(f"expected an API server within {START_SECONDS} s:\n{log.read_text()[-2000:]}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    numbers = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return numbers
