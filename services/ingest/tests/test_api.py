"""Rules of the upload API: what is put lands in the bucket whole, or not at all."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tidemill_ingest.api import create_app
from tidemill_ingest.pending import Pending
from tidemill_ingest.settings import Settings
from tidemill_runtime.folder import FolderStore

SPEC = b"metadata: {name: flights}\nspec: {label: late}"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "bucket")


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> TestClient:
    settings = Settings(bucket_url=f"file://{tmp_path}/bucket", scratch_folder=tmp_path, max_file_bytes=1000)
    return TestClient(create_app(settings, store, Pending(1 << 20)))


def test_an_uploaded_file_lands_as_a_drop(client: TestClient, store: FolderStore) -> None:
    client.put("/v1/pipelines/flights", content=SPEC)
    reply = client.put("/v1/pipelines/flights/files/jan.csv", content=b"a,b\n1,2\n")

    assert reply.status_code == 201
    assert reply.json() == {"object_name": "drops/flights/jan.csv", "bytes": 8}
    assert store.read("drops/flights/jan.csv") == b"a,b\n1,2\n"


def test_a_file_for_an_unknown_pipeline_is_refused(client: TestClient, store: FolderStore) -> None:
    reply = client.put("/v1/pipelines/nothing/files/jan.csv", content=b"a\n")

    assert (reply.status_code, reply.json()["code"]) == (404, "unknown-pipeline")
    assert store.list("drops/") == []


def test_a_file_over_the_limit_leaves_nothing_behind(
    client: TestClient, store: FolderStore, tmp_path: Path
) -> None:
    client.put("/v1/pipelines/flights", content=SPEC)
    reply = client.put("/v1/pipelines/flights/files/jan.csv", content=b"x" * 1001)

    assert (reply.status_code, reply.json()["code"]) == (413, "too-large")
    assert store.list("drops/") == []
    assert [path.name for path in tmp_path.iterdir()] == ["bucket"]


def test_a_file_announced_as_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    client.put("/v1/pipelines/flights", content=SPEC)
    reply = client.put("/v1/pipelines/flights/files/jan.csv", content=b"", headers={"content-length": "1001"})

    assert (reply.status_code, reply.json()["code"]) == (413, "too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-MD5": "5evUwCzvvnlVl3xnraJCtw=="},
        {"x-goog-hash": "crc32c=SZ2HxQ==,md5=5evUwCzvvnlVl3xnraJCtw=="},
    ],
    ids=["content-md5", "x-goog-hash"],
)
def test_a_file_lands_if_it_has_the_checksums_that_were_sent(
    client: TestClient, store: FolderStore, headers: dict[str, str]
) -> None:
    client.put("/v1/pipelines/flights", content=SPEC)
    wrong = client.put("/v1/pipelines/flights/files/jan.csv", content=b"a,b\n1,3\n", headers=headers)
    landed = store.list("drops/")
    right = client.put("/v1/pipelines/flights/files/jan.csv", content=b"a,b\n1,2\n", headers=headers)

    assert (wrong.status_code, wrong.json()["code"], landed) == (400, "checksum-mismatch", [])
    assert (right.status_code, store.list("drops/")) == (201, ["drops/flights/jan.csv"])


@pytest.mark.parametrize("sent", ["md5=abc", "crc32c=", "crc32c=AAAAAA==,crc32c=AAAAAQ=="])
def test_a_checksum_that_is_none_is_not_taken_for_a_fitting_one(client: TestClient, sent: str) -> None:
    client.put("/v1/pipelines/flights", content=SPEC)
    reply = client.put("/v1/pipelines/flights/files/jan.csv", content=b"a\n", headers={"x-goog-hash": sent})

    assert (reply.status_code, reply.json()["code"]) == (400, "bad-checksum")


def test_every_route_is_described_with_an_example(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    records = paths["/v1/pipelines/{pipeline}/records"]["post"]
    assert "example" in records["requestBody"]["content"]["application/x-ndjson"]
    files = paths["/v1/pipelines/{pipeline}/files/{file_name}"]["put"]
    assert {"Content-Range", "Upload-Id"} <= {each["name"] for each in files["parameters"]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"metadata: {name: other}\nspec: {label: x}", "expected 'flights' as in the path, received 'other'"),
        (b"metadata: {name: flights}\nspec: {}", "spec.label: Field required"),
        (b"{", "expected YAML"),
        (b"", "expected a mapping"),
    ],
)
def test_a_wrong_spec_is_refused_and_not_stored(
    client: TestClient, store: FolderStore, body: bytes, says: str
) -> None:
    reply = client.put("/v1/pipelines/flights", content=body)

    assert reply.status_code == 400
    assert says in reply.json()["error"]
    assert store.list("pipelines/") == []


def test_a_browser_that_reads_the_documentation_asks_no_other_host(client: TestClient) -> None:
    page = client.get("/docs").text

    named = re.findall('(?:src|href)="(.+?)"', page)
    assert [name for name in named if ":" in name or name.startswith("/")] == []
    assert [client.get(f"/{name}").status_code for name in (*named, "openapi.json")] == [200] * 4
    assert client.get("/redoc").status_code == 404
