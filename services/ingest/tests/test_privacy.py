"""Rules of what is stored of a restricted column: hashes are stable, masks tell nothing, nothing loosens."""

import re
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tidemill_contracts.columns import Privacy
from tidemill_contracts.manifest import Column
from tidemill_ingest.errors import Refused
from tidemill_ingest.native import as_text
from tidemill_ingest.personal import CLASSES
from tidemill_ingest.privacy import STRICTER, check_key, decide, hashed, masked, protected
from tidemill_ingest.settings import Settings

KEY = b"some key that is long enough to be one"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# Different as texts, and as values too.
DISTINCT = st.text(st.characters(categories=["L", "S"]), max_size=20)
PRIVACY = st.sampled_from(STRICTER)


def hashes(cells: pa.Array, key: bytes = KEY) -> list[str | None]:
    values: list[str | None] = hashed(as_text(cells), key).to_pylist()
    return values


@settings(deadline=None)
@given(st.lists(st.none() | DISTINCT, min_size=1, max_size=30))
def test_a_hash_depends_on_its_value_and_the_key_alone(values: list[str | None]) -> None:
    cells = pa.array(values, pa.string())
    together, alone = hashes(cells), [hashes(pa.array([value], pa.string()))[0] for value in values]

    assert together == alone
    assert [each is None for each in together] == [value is None for value in values]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in together if each is not None)
    assert len({*together} - {None}) == len({*values} - {None})
    assert all(a != b for a, b in zip(together, hashes(cells, b"another key"), strict=True) if a)


@settings(deadline=None)
@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_number_has_one_hash_however_it_is_written(number: int) -> None:
    written = [
        pa.array([number], pa.int64()),
        pa.array([float(number)], pa.float64()),
        pa.array([str(number)]),
        pa.array([f" {number}.0 "]),
        pa.array([str(number)]).dictionary_encode(),
        pa.array([str(number)], pa.large_string()),
    ]

    assert len({hashes(each)[0] for each in written}) == 1


def test_a_day_has_one_hash_however_it_is_written() -> None:
    day = datetime(1990, 5, 17, tzinfo=UTC)
    written = [
        pa.array([day], pa.timestamp("us", "UTC")),
        pa.array([day.replace(tzinfo=None)], pa.timestamp("ns")),
        pa.array([day.date()], pa.date32()),
        pa.array(["1990-05-17"]),
        pa.array(["1990-05-17T00:00:00Z"]),
    ]

    assert len({hashes(each)[0] for each in written}) == 1
    assert hashes(pa.array(["1990-05-17T05:00:00Z"])) == hashes(pa.array(["1990-05-17 05:00:00.000000Z"]))
    assert hashes(pa.array(["1990-05-17"])) != hashes(pa.array(["1990-05-18"]))


def test_leading_zeros_are_part_of_a_value() -> None:
    assert hashes(pa.array(["007"])) != hashes(pa.array([7]))


def test_a_missing_number_stays_missing() -> None:
    assert hashes(pa.array([float("nan"), None])) == [None, None]


def test_the_hash_is_the_same_in_every_release() -> None:
    assert hashes(pa.array(["ada@example.com"])) == ["70dad1be12d100f6a7e0564234957128"]


@settings(deadline=None)
@given(st.lists(st.none() | TEXT, max_size=30))
def test_a_mask_tells_nothing_but_shape(values: list[str | None]) -> None:
    cells = pa.array(values, pa.string())
    masks = masked(cells)

    assert masks.null_count == cells.null_count
    for mask, value in zip(masks.to_pylist(), values, strict=True):
        if mask is not None and value is not None:
            assert re.fullmatch(r"[x9*\t\n\f\r ]*", mask)
            assert len(mask) == len(value)


def test_a_mask_shows_letters_digits_and_spaces() -> None:
    assert masked(pa.array(["12 Rue Éclair, Apt. 4b", "日本 ☂"])).to_pylist() == [
        "99 xxx xxxxxx* xxx* 9x",
        "xx *",
    ]


@settings(deadline=None)
@given(st.none() | st.sampled_from(sorted(CLASSES)), PRIVACY)
def test_a_column_is_never_less_protected_than_before(detected: str | None, before: Privacy) -> None:
    known = Column(name="c", type="string", privacy=before, pii="email" if before != "keep" else None)
    privacy, pii = decide(detected, None, known)
    usual = CLASSES[detected].privacy if detected else "keep"

    assert STRICTER.index(privacy) == max(STRICTER.index(before), STRICTER.index(usual))
    assert (pii is None) == (detected is None and known.pii is None)


@settings(deadline=None)
@given(st.none() | st.sampled_from(sorted(CLASSES)), PRIVACY, PRIVACY)
def test_the_spec_has_the_last_word(detected: str | None, declared: Privacy, before: Privacy) -> None:
    privacy, pii = decide(detected, declared, Column(name="c", type="string", privacy=before))

    assert (privacy, pii) == (declared, detected)


def test_there_is_no_hash_without_a_key() -> None:
    columns = (Column(name="mail", type="string", privacy="hash"),)
    rows = pa.RecordBatch.from_pydict({"mail": ["ada@example.com"]})

    for attempt in (lambda: check_key(columns, None), lambda: protected(rows, columns, None)):
        with pytest.raises(Refused, match=r"no-privacy-key: .*\['mail'\]"):
            attempt()
    check_key((Column(name="mail", type="string", privacy="mask"),), None)


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_BUCKET_URL", "gs://bucket")
    monkeypatch.setenv("TIDEMILL_PRIVACY_KEY", "a key of a test, long enough to be one")
    assert "a key" not in repr(Settings())

    monkeypatch.setenv("TIDEMILL_PRIVACY_KEY", "too short")
    with pytest.raises(ValidationError, match="privacy_key") as refused:
        Settings()
    assert "too short" not in str(refused.value)
