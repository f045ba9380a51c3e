"""What an install says at its end leads to a prediction, whatever was chosen."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Manifest = dict[str, Any]
Notes = Callable[[Manifest], str]


@pytest.mark.parametrize("pipelines", ["kubernetes", "bucket"])
@pytest.mark.parametrize("bucket", ["gs://bucket", "file:///srv/bucket"])
def test_notes_open_each_port_once_and_before_it_is_used(notes: Notes, pipelines: str, bucket: str) -> None:
    claim = {"bucketClaim": "claimed"} if bucket.startswith("file:") else {}
    text = notes({"pipelines": pipelines, "bucketUrl": bucket, **claim})

    opened = re.findall(r"port-forward service/\S+ (\d+)", text)
    assert opened == ["8082", "8080"]
    for port in opened:
        assert text.index(f" {port} &") < text.index(f"localhost:{port}/")


def test_notes_warn_of_predictions_that_anyone_may_ask_for(notes: Notes) -> None:
    ingress = {"ingress": {"className": "nginx"}}
    keys = {"services": {"gateway": {"settings": {"api_keys_file": "/etc/tidemill/files/api-keys.yaml"}}}}

    assert "Anyone" in notes(ingress)
    assert "Anyone" not in notes(ingress | keys)
    assert "Anyone" not in notes({})


def test_notes_warn_of_load_balancers_that_are_not_let_in(notes: Notes) -> None:
    ingress = {"ingress": {"parent": "external"}}
    let_in: Manifest = {"networkPolicy": {"ingress": [{"ipBlock": {"cidr": "35.191.0.0/16"}}]}}

    assert "not let in" in notes(ingress)
    assert "not let in" not in notes(ingress | let_in)
    assert "not let in" not in notes(ingress | {"networkPolicy": {"enabled": False}})
    assert "not let in" not in notes({})
