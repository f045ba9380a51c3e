"""No value of a restricted column gets out of its file: not into data, reasons, events, logs or metrics."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client import REGISTRY, generate_latest
from pydantic import SecretStr

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetIngested, DropQuarantined
from tidemill_contracts.manifest import SpanManifest
from tidemill_contracts.notification import ObjectFinalized, to_message
from tidemill_ingest.handlers import Ingest
from tidemill_runtime.consumer import Message
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.telling import Cause, Teller, on_objects

SPEC = b"metadata: {name: people}\nspec: {label: late, validation: {maxRejectedShare: 0.5}}"
SECRETS: Mapping[str, str] = {
    "name": "Zebediah Quartermain",
    "e-mail": "zeb.q@quartermain.example.com",
    "phone": "+1 212 555 0187",
    "card_number": "4929718836047107",
    "iban": "DE89370400440532013000",
    "ssn": "536-90-4399",
    "client_ip": "203.0.113.77",
    "address": "1729 Periwinkle Crescent",
    "date_of_birth": "1951-11-23",
}
# What a reader might still recognise a person by.
TELLTALES = (
    *SECRETS.values(),
    "Zebediah",
    "Quartermain",
    "Periwinkle",
    "zeb.q",
    "47107",
    "6047107",
    "0532013000",
)
ROW: Mapping[str, object] = {**SECRETS, "age": 71, "late": True}


class RecordingTeller(Teller):
    """Keeps what is told as it would be sent."""

    def __init__(self) -> None:
        self.told: list[EventData] = []

    def tell(self, data: EventData, cause: Cause) -> None:  # noqa: ARG002 - what is told is enough
        self.told.append(data)


def as_csv(rows: Sequence[Mapping[str, object]], *more: str) -> bytes:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows), *more]
    return "\n".join(lines).encode()


def as_json(rows: Sequence[Mapping[str, object]], *more: str) -> bytes:
    return "\n".join([*map(json.dumps, rows), *more]).encode()


def as_parquet(rows: Sequence[Mapping[str, object]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), buffer)
    return buffer.getvalue()


def as_avro(rows: Sequence[Mapping[str, object]]) -> bytes:
    kinds = {str: "string", int: "long", bool: "boolean"}
    fields = [{"name": f"c{at}", "type": kinds[type(value)]} for at, value in enumerate(rows[0].values())]
    buffer = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "r", "fields": fields})
    fastavro.writer(buffer, schema, [{f"c{at}": v for at, v in enumerate(row.values())} for row in rows])
    return buffer.getvalue()


CELLS = list(map(str, ROW.values()))
SHIFTED = ",".join([*CELLS[1:], CELLS[0]])
RAGGED = ",".join([*CELLS, *CELLS])
MISFIT = {**ROW, "age": SECRETS["name"]}
GOOD = [ROW] * 200
NAMELESS = [{key: value for key, value in ROW.items() if key not in ("name", "address", "date_of_birth")}] * 9

SPANS: Mapping[str, bytes] = {
    "good.csv": as_csv(GOOD),
    "ragged.csv": as_csv(GOOD, RAGGED, CELLS[1], SHIFTED),
    "misfits.csv": as_csv([*GOOD, MISFIT]),
    "good.jsonl": as_json(GOOD),
    "broken.jsonl": as_json(
        GOOD,
        json.dumps(dict(ROW))[:-9],
        json.dumps(CELLS),
        json.dumps(SECRETS["e-mail"]),
        json.dumps({**ROW, "age": CELLS}),
        json.dumps({SECRETS["e-mail"]: CELLS}),
        json.dumps(MISFIT),
        json.dumps({**ROW, "age": [SECRETS["name"]]}),
    ),
    "good.parquet": as_parquet(GOOD),
    "numbers.parquet": as_parquet(
        [{**ROW, "card_number": int(SECRETS["card_number"]), "phone": 12125550187}]
    ),
    "floats.parquet": as_parquet([{"c": 4929718836047107.0, "late": True}]),
    # Without telling names, whatever tells itself; a person's name does not.
    "nameless.avro": as_avro(NAMELESS),
    "dates.parquet": as_parquet([{"dob": datetime(1951, 11, 23, tzinfo=UTC), "late": True}]),
    # No column is restricted, and a stray cell is no cell of any.
    "strays.csv": as_csv(
        [{"age": 71, "late": True}] * 300, f"{SECRETS['e-mail']},1", f"{SECRETS['card_number']},x"
    ),
}
QUARANTINED: Mapping[str, bytes] = {
    "header.csv": ",".join(CELLS).encode() + b"\n" + ",".join(CELLS).encode(),
    "numbers.csv": b"4929718836047107,1951-11-23\n4929718836047107,1951-11-23\n",
    "nul.csv": as_csv(GOOD, f"{SECRETS['name']}\0{SECRETS['name']}"),
    "quote.csv": as_csv([ROW], f'"{SECRETS["name"]}\n{RAGGED}\n{RAGGED}'),
    "quoted-cell.csv": as_csv([ROW], ",".join([*CELLS[:-1], f'"{SECRETS["name"]}\n{RAGGED}'])),
    "bad-rows.csv": as_csv([ROW], *[RAGGED] * 9),
    "misfits.csv": as_csv([ROW, *[MISFIT] * 9], *[RAGGED] * 90),
    "no-rows.csv": as_csv([{"a": 1}], RAGGED, RAGGED).replace(b"\n1\n", b"\n", 1),
    "keys.jsonl": json.dumps({SECRETS["e-mail"]: 1, SECRETS["card_number"]: 2}).encode(),
    "broken.jsonl": b'{"a": "'
    + SECRETS["name"].encode()
    + b"\n"
    + b'{"b": "'
    + SECRETS["ssn"].encode()
    + b"\n",
    "array.json": b'[{"a": "' + SECRETS["name"].encode() + b'"}, {"b": ',
    "cut.parquet": as_parquet(GOOD)[:-20],
    "cut.avro": as_avro(NAMELESS)[:-20],
    "latin.csv": SECRETS["name"].encode() + b"\x81\x8d\xff,1\n" * 3,
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "bucket")
    store.write(layout.pipeline_spec("people"), SPEC)
    return store


@pytest.fixture
def drop(store: FolderStore, tmp_path: Path) -> Iterator[Callable[[str, bytes], EventData]]:
    """Let a file land, as a notification says it did; the logs and what was told are looked at in the end."""
    (tmp_path / "scratch").mkdir()
    key = SecretStr("a key of a test, long enough to be one")
    teller = RecordingTeller()
    handle = on_objects(Ingest(store, tmp_path / "scratch", 1 << 24, privacy_key=key), teller)

    def land(name: str, content: bytes) -> EventData:
        object_name = layout.drop("people", name)
        store.write(object_name, content)
        info = store.stat(object_name)
        now = datetime.now(UTC)
        new = ObjectFinalized(
            bucket=store.bucket,
            name=object_name,
            generation=info.generation,
            size_bytes=info.size_bytes,
            time=now,
        )
        data, attributes = to_message(new)
        handle(Message(data, attributes, "1", now))
        return teller.told[-1]

    yield land
    check_no_secret("events", "".join(map(repr, teller.told)))
    assert list((tmp_path / "scratch").iterdir()) == []


def check_no_secret(where: str, content: str) -> None:
    assert [each for each in TELLTALES if each.lower() in content.lower()] == [], where


def check_bucket(store: FolderStore) -> None:
    """Look for secrets in everything but what was dropped, byte by byte and decoded."""
    written = [name for name in store.list("") if not name.startswith(layout.DROPS)]
    for name in written:
        kept = name.startswith("quarantine/") and not name.endswith(".reason.json")
        if not kept:
            content = store.read(name)
            check_no_secret(name, content.decode("latin-1"))
            if name.endswith(".parquet"):
                check_no_secret(name, repr(pq.read_table(pa.BufferReader(content)).to_pydict()))
                check_no_secret(name, repr(pq.read_metadata(pa.BufferReader(content)).to_dict()))


@pytest.mark.parametrize("name", SPANS)
def test_no_secret_is_in_anything_of_a_span(
    store: FolderStore, drop: Callable[[str, bytes], EventData], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("ingest", log_format="json", level="DEBUG")
    event = drop(name, SPANS[name])

    assert isinstance(event, DatasetIngested), event
    assert event.rows >= 1
    check_bucket(store)
    check_no_secret("logs", "".join(capfd.readouterr()))
    check_no_secret("metrics", generate_latest(REGISTRY).decode())


@pytest.mark.parametrize("name", QUARANTINED)
def test_no_secret_is_in_the_reasons_of_a_quarantine(
    store: FolderStore, drop: Callable[[str, bytes], EventData], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("ingest", log_format="json", level="DEBUG")
    event = drop(name, QUARANTINED[name])

    assert isinstance(event, DropQuarantined), event
    check_bucket(store)
    check_no_secret("logs", "".join(capfd.readouterr()))
    assert event.quarantine_name is not None
    assert store.read(event.quarantine_name) == QUARANTINED[name]


def test_every_column_of_people_is_restricted_and_nothing_else(
    store: FolderStore, drop: Callable[[str, bytes], EventData]
) -> None:
    event = drop("good.csv", SPANS["good.csv"])

    assert isinstance(event, DatasetIngested)
    assert event.restricted_columns == tuple(SECRETS)
    assert event.data_classification == "restricted"
    manifest = SpanManifest.model_validate_json(
        store.read(layout.span("people", event.span_id, "manifest.json"))
    )
    stored = pq.read_table(store.uri(layout.span("people", event.span_id, "data.parquet")))
    assert {each.name: (each.privacy, each.pii) for each in manifest.columns} == {
        "name": ("hash", "person-name"),
        "e-mail": ("hash", "email"),
        "phone": ("hash", "phone"),
        "card_number": ("drop", "card-number"),
        "iban": ("hash", "iban"),
        "ssn": ("hash", "national-id"),
        "client_ip": ("hash", "ip-address"),
        "address": ("mask", "address"),
        "date_of_birth": ("mask", "birth-date"),
        "age": ("keep", None),
        "late": ("keep", None),
    }
    assert stored.column_names == [each.name for each in manifest.stored_columns]
    assert stored["address"][0].as_py() == "9999 xxxxxxxxxx xxxxxxxx"


def test_rows_in_which_nothing_is_restricted_are_quoted(
    store: FolderStore, drop: Callable[[str, bytes], EventData]
) -> None:
    event = drop("plain.csv", as_csv([{"age": 71, "late": True}] * 300, "old,true"))

    assert isinstance(event, DatasetIngested)
    reasons = pq.read_table(store.uri(layout.span("people", event.span_id, "rejects.parquet")))
    assert reasons["reason"].to_pylist() == ["column age: expected int, received 'old'"]


def test_without_a_key_nothing_is_stored_and_the_reason_says_what_to_set(
    store: FolderStore, tmp_path: Path
) -> None:
    store.write("drops/people/a.csv", SPANS["good.csv"])
    info = store.stat("drops/people/a.csv")
    new = ObjectFinalized(
        bucket=store.bucket,
        name=info.name,
        generation=info.generation,
        size_bytes=info.size_bytes,
        time=datetime.now(UTC),
    )
    [event] = Ingest(store, tmp_path, 1 << 24)(new)

    assert isinstance(event, DropQuarantined)
    assert event.reason.code == "no-privacy-key"
    assert "set TIDEMILL_PRIVACY_KEY" in event.reason.message
    assert store.list("spans/") == []
