"""Version 0, which is how OpenVINO's client asks for the latest, and the page where KServe's client looks."""

import httpx
import pytest


@pytest.mark.parametrize("path", ["half_plus_two/versions/0:predict", "half_plus_two:predict"])
def test_version_zero_is_the_version_that_answers_by_default_t1(client: httpx.Client, path: str) -> None:
    response = client.post(f"/v1/models/{path}", json={"instances": [2.0]})

    assert response.json() == {"predictions": [3.0]}
    assert response.headers["tidemill-model-version"] == "123"


def test_an_unknown_model_stays_unknown_at_version_zero_t5(client: httpx.Client) -> None:
    response = client.post("/v1/models/guess/versions/0:predict", json={"instances": [2.0]})

    assert response.status_code == 404
    assert response.json() == {"error": "Servable not found for request: Latest(guess)"}


def test_a_server_of_kserves_v1_says_that_it_is_alive_k1(client: httpx.Client) -> None:
    assert client.get("/").json() == {"status": "alive"}
