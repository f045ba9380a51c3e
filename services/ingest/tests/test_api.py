"""Rules of the upload API: what is put lands in the bucket whole, or not at all."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tidemill_ingest.app import create_app
from tidemill_ingest.settings import Settings
from tidemill_runtime.folder import FolderStore

SPEC = b"metadata: {name: flights}\nspec: {label: late}"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "bucket")


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> TestClient:
    settings = Settings(bucket_url=f"file://{tmp_path}/bucket", scratch_folder=tmp_path, max_file_bytes=1000)
    return TestClient(create_app(settings, store))


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
