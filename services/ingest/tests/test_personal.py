"""Rules of detection: personal columns are found by name and content, and nothing else is."""

import csv
import ipaddress
from pathlib import Path

import phonenumbers
import pyarrow as pa
import pytest
import stdnum.iban
import stdnum.luhn
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_ingest.personal import classify, words
from tidemill_ingest.sampling import Sample

FLIGHTS = Path(__file__).parents[3] / "examples/flights/flights-2013-01.csv"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=count, max_size=count)


def with_luhn(number: str) -> str:
    return number + stdnum.luhn.calc_check_digit(number)


def german_iban(account: str) -> str:
    return "DE" + stdnum.iban.calc_check_digits("DE00" + account) + account


NAMES = st.sampled_from(["x", "c7", "value", "contact", "col_1", "Field", "note"])
WORD = st.text(LETTERS, min_size=1, max_size=12)
CELLS = {
    "email": st.builds("{}.{}@{}.com".format, WORD, WORD, WORD),
    "card-number": st.builds(lambda n: with_luhn(f"4{n}"), digits(14)),
    "iban": st.builds(german_iban, digits(18)),
    "ip-address": st.one_of(
        st.ip_addresses(v=4).map(str), st.ip_addresses(v=6, network="2001:db8::/32").map(str)
    ),
    "national-id": st.builds(
        "{}-{:02}-{:04}".format, st.integers(100, 665), st.integers(1, 99), st.integers(1, 9999)
    ),
    "phone": st.builds("+1 {} 555 01{}".format, st.sampled_from([212, 415, 312, 646]), digits(2)),
}
ORDINARY = {
    "counts": st.integers(-(10**6), 10**6).map(str),
    "large ids": st.integers(10**17, 10**18 - 1).map(str),
    "zip codes": digits(5),
    "zip codes with four": st.builds("{}-{}".format, digits(5), digits(4)),
    "decimals": st.floats(-1e6, 1e6).map(str),
    "words": WORD,
    "sentences": st.lists(WORD, min_size=2, max_size=8).map(" ".join),
    "dates": st.dates().map(str),
    "moments": st.datetimes().map(lambda at: at.isoformat()),
    "times of day": st.times().map(lambda at: at.isoformat("seconds")),
    "epoch seconds": st.integers(10**9, 2 * 10**9).map(str),
    "tail numbers": st.builds("N{}{}".format, digits(3), st.sampled_from(["UA", "AA", "JB"])),
    "codes": st.builds("{}-{}".format, WORD, digits(4)),
    "hexadecimals": st.uuids().map(str),
    "coordinates": st.builds("{:.5f},{:.5f}".format, st.floats(-90, 90), st.floats(-180, 180)),
    "prices": st.builds("${}.{}".format, digits(3), digits(2)),
    "versions": st.builds("{}.{}.{}".format, digits(1), digits(2), digits(2)),
}


def classes(**columns: list[str]) -> dict[str, str]:
    return classify({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


@pytest.mark.parametrize("kind", CELLS)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), name=NAMES)
def test_what_tells_itself_is_found_under_any_name(kind: str, data: st.DataObject, name: str) -> None:
    cells = data.draw(st.lists(CELLS[kind], min_size=1, max_size=30))

    assert classes(**{name: cells}) == {name: kind}


@pytest.mark.parametrize("kind", ORDINARY)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), name=NAMES)
def test_ordinary_columns_are_not_personal(kind: str, data: st.DataObject, name: str) -> None:
    cells = data.draw(st.lists(ORDINARY[kind], min_size=10, max_size=40, unique=True))

    assert classes(**{name: cells}) == {}


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("E-Mail", ["a@b.de", ""], "email"),
        ("userEmailAddress", ["a@b.de"], "email"),
        ("phone", ["4155550123", "n/a"], "phone"),
        ("Mobile Number 2", ["0171 1234567"], "phone"),
        ("cc_num", ["4111111111111112"], "card-number"),
        ("SSN", ["536904399"], "national-id"),
        ("passportNo", ["C01X00T47"], "national-id"),
        ("clientIP", ["10.0.0.1"], "ip-address"),
        ("first_name", ["Ada", "Zoë"], "person-name"),
        ("Surname", ["O'Neill"], "person-name"),
        ("customer.name", ["Ada King"], "person-name"),
        ("CARDHOLDER_NAME", ["ADA KING"], "person-name"),
        ("address", ["12 Main St"], "address"),
        ("billingAddress", ["Hauptstraße 5, 10115 Berlin"], "address"),
        ("street", ["5 rue Cler"], "address"),
        ("date_of_birth", ["1990-05-17"], "birth-date"),
        ("DOB", ["17/05/1990"], "birth-date"),
        ("iban", ["DE89370400440532013000"], "iban"),
        ("email", [], "email"),
    ],
)
def test_a_telling_name_is_enough_where_the_cells_look_the_part(
    name: str, cells: list[str], kind: str
) -> None:
    assert classes(**{name: cells}) == {name: kind}


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("email_opt_in", ["true", "false"]),
        ("email_count", ["3", "17"]),
        ("phone_model", ["iPhone 12", "Pixel 7"]),
        ("phone", ["true", "false"]),
        ("mobile_revenue", ["1234567", "7654321"]),
        ("card_type", ["visa", "amex"]),
        ("ip", ["patent", "trademark"]),
        ("zip", ["10115", "02134"]),
        ("shipping", ["air", "ground"]),
        ("name", ["Boeing 737", "Airbus A320"]),
        ("product_name", ["chair", "table"]),
        ("airline_name", ["United", "Delta"]),
        ("file_name", ["a.csv"]),
        ("web_address", ["https://example.com"]),
        ("street_width_m", ["12 m wide"]),
        ("born_in_us", ["true", "false"]),
        ("company", ["Ada Ltd"]),
        ("username_length", ["3", "5"]),
    ],
)
def test_a_name_alone_is_not_enough(name: str, cells: list[str]) -> None:
    assert classes(**{name: cells}) == {}


def test_a_bare_name_is_a_person_beside_other_personal_columns() -> None:
    people = {"name": ["Ada King"], "email": ["ada@example.com"]}

    assert classes(**people) == {"name": "person-name", "email": "email"}
    assert classes(name=["Ada King"], city=["London"]) == {}


def test_addresses_in_the_midst_of_text_are_found() -> None:
    notes = [f"call back on Monday, item {n}" for n in range(80)] + [
        f"write to <p{n}@example.com> instead" for n in range(20)
    ]

    assert classes(note=notes) == {"note": "email"}


def test_a_word_for_nothing_does_not_hide_what_is_personal() -> None:
    cells = ["none"] * 95 + [f"p{n}@example.com" for n in range(5)]

    assert classes(contact=cells) == {"contact": "email"}


def test_a_stray_cell_makes_no_column_personal() -> None:
    assert classes(carrier=["UA", "AA"] * 200 + ["ada@example.com"]) == {}


def test_no_column_of_the_example_is_personal() -> None:
    with FLIGHTS.open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows if row[name] != "NA"] for name in rows[0]}

    assert classes(**columns) == {}


@settings(deadline=None)
@given(st.text(max_size=40))
def test_words_of_a_name_are_lower_case_and_single_spaced(name: str) -> None:
    assert words(name) == " ".join(words(name).split())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clientIP_address", "client ip address"),
        ("IPAddress", "ip address"),
        ("e-mail", "e mail"),
        ("user.firstName", "user first name"),
        ("address2", "address 2"),
    ],
)
def test_a_name_is_split_where_people_split_it(name: str, expected: str) -> None:
    assert words(name) == expected


def test_libraries_agree_that_the_generated_cells_are_real() -> None:
    assert stdnum.luhn.is_valid(with_luhn("411111111111111"))
    assert stdnum.iban.is_valid(german_iban("370400440532013000"))
    assert phonenumbers.is_valid_number(phonenumbers.parse("+1 212 555 0142"))
    assert ipaddress.ip_address("2001:db8::1").version == 6


@settings(max_examples=50, deadline=None)
@given(batches=st.lists(st.lists(st.none() | st.integers(0, 50), max_size=600), max_size=40))
def test_a_sample_has_cells_of_every_column_that_has_any(batches: list[list[int | None]]) -> None:
    sample = Sample()
    for batch in batches:
        sample.add(pa.RecordBatch.from_arrays([pa.array(batch, pa.int64())], names=["c"]))
    cells = sample.cells("c").to_pylist()
    present = {str(value) for batch in batches for value in batch if value is not None}

    assert set(cells) <= present
    assert bool(cells) == bool(present)


def test_a_sample_finds_the_few_cells_of_a_sparse_column() -> None:
    sample = Sample()
    cells: list[str | None] = [None] * 30_000
    cells[12_345] = "ada@example.com"
    sample.add(pa.RecordBatch.from_arrays([pa.array(cells)], names=["c"]))

    assert sample.cells("c").to_pylist() == ["ada@example.com"]


def test_a_sample_is_from_all_over_a_file_and_stays_small() -> None:
    sample = Sample()
    for number in range(1000):
        cells = [f"{number}-{row}" for row in range(300)]
        sample.add(pa.RecordBatch.from_arrays([pa.array(cells)], names=["c"]))
    from_batches = [int(cell.split("-")[0]) for cell in sample.cells("c").to_pylist()]

    assert len(from_batches) == 1000
    assert {number // 100 for number in from_batches} == set(range(10))
    assert 400 < sum(number < 500 for number in from_batches) < 600
