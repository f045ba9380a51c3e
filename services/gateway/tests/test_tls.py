"""TLS over REST and gRPC, with certificates that are renewed and callers that must show theirs."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from authorities import Authority
from gateway_processes import GatewayProcess, started
from gateways import wait_until
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts import tensors, tfserving

PATH = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [2.0]}'


@pytest.fixture
def serving(model_server: ModelServer) -> Iterator[Serving]:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving):
        yield serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def gateway(serving: Serving, authority: Authority, *, client_ca: bool = False) -> GatewayProcess:
    certificate, key = authority.issue("gateway")
    settings = {"TIDEMILL_TLS_CERTIFICATE_FILE": str(certificate), "TIDEMILL_TLS_KEY_FILE": str(key)}
    if client_ca:
        settings["TIDEMILL_TLS_CLIENT_CA_FILE"] = str(authority.certificate)
    return GatewayProcess(serving.address, authority.folder / "log", settings)


def serial_number(port: int, context: ssl.SSLContext) -> str:
    """Return what distinguishes the certificate that a new connection is shown."""
    with (
        httpx.Client(verify=context) as client,
        client.stream("GET", f"https://127.0.0.1:{port}/livez") as got,
    ):
        shown = got.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()
    return str(shown["serialNumber"])


def ask_over_grpc(port: int, credentials: grpc.ChannelCredentials) -> float:
    request = tfserving.PredictRequest(model_spec={"name": "half_plus_two"})
    request.inputs["x"].CopyFrom(tensors.to_proto(np.array([2.0], np.float32)))
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        response = tfserving.PredictionServiceStub(channel).Predict(request, timeout=5)
    return float(tensors.to_array(response.outputs["y"])[0])


def test_both_protocols_are_encrypted_and_a_renewed_certificate_is_shown(
    serving: Serving, authority: Authority
) -> None:
    process = gateway(serving, authority)
    context = ssl.create_default_context(cafile=authority.certificate)
    with (
        started(process),
        httpx.Client(verify=context, base_url=f"https://127.0.0.1:{process.port}") as client,
    ):
        over_rest = client.post(PATH, content=BODY)
        over_grpc = ask_over_grpc(
            process.grpc_port, grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        )
        with pytest.raises(httpx.TransportError):
            httpx.post(f"http://127.0.0.1:{process.port}{PATH}", content=BODY)
        first = serial_number(process.port, context)
        authority.issue("gateway")
        wait_until(lambda: serial_number(process.port, context) != first)
        after = client.post(PATH, content=BODY)

    assert over_rest.json() == after.json() == {"predictions": [3.0]}
    assert over_grpc == 3.0


def test_callers_need_a_certificate_where_there_is_an_authority_for_them(
    serving: Serving, authority: Authority
) -> None:
    process = gateway(serving, authority, client_ca=True)
    ca = authority.certificate
    certificate, key = authority.issue("caller")
    without = ssl.create_default_context(cafile=ca)
    with_one = ssl.create_default_context(cafile=ca)
    with_one.load_cert_chain(certificate, key)
    url = f"https://127.0.0.1:{process.port}{PATH}"
    with started(process):
        with pytest.raises(httpx.TransportError):
            httpx.post(url, content=BODY, verify=without)
        let_in = httpx.post(url, content=BODY, verify=with_one)
        with pytest.raises(grpc.RpcError):
            ask_over_grpc(process.grpc_port, grpc.ssl_channel_credentials(ca.read_bytes()))
        pair = key.read_bytes(), certificate.read_bytes()
        over_grpc = ask_over_grpc(process.grpc_port, grpc.ssl_channel_credentials(ca.read_bytes(), *pair))

    assert let_in.json() == {"predictions": [3.0]}
    assert over_grpc == 3.0


def test_a_certificate_without_its_key_stops_the_start(serving: Serving, authority: Authority) -> None:
    process = gateway(serving, authority)
    broken = {"TIDEMILL_TLS_KEY_FILE": str(authority.issue("other")[1])}
    other = GatewayProcess(serving.address, authority.folder / "log", {**process.settings, **broken})

    with pytest.raises(AssertionError), started(other):
        pass

    assert "KEY_VALUES_MISMATCH" in (authority.folder / "log").read_text()
