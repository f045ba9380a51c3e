"""What people see of dataset versions, in a home in which nothing runs."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from tidemill_local.cli.app import app
from tidemill_local.cli.figures import age, number, share, span_ranges


def data(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", *arguments, "--home", str(home)], env={"COLUMNS": "160"})


def lines(result: Result) -> list[list[str]]:
    """The lines that say something, in words."""
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines() if line.strip()]


def test_versions_are_listed_with_what_became_of_them(prepared: Path) -> None:
    header, first, second, *refused = lines(data(prepared, "versions", "flights"))

    assert header[0] == "version"
    assert " ".join(first[4:]) == "1 12 8 0 0 1 fine version 1, deep, roc_auc 0.7500: blessed"
    assert " ".join(second[4:]) == "1-2 24 16 0 1 0 1 warning training"
    assert " ".join(refused[0]).endswith("up to span 3")
    assert " ".join(refused[1]) == "too-few-rows: expected 100 labelled rows, received 3"


def test_on_a_narrow_screen_models_have_lines_of_their_own(prepared: Path) -> None:
    listed = CliRunner().invoke(
        app, ["data", "versions", "flights", "--home", str(prepared)], env={"COLUMNS": "80"}
    )
    shown = [" ".join(line) for line in lines(listed)]

    assert shown[0] == "version created spans train eval no label rejected features checks"
    assert shown[1].endswith("ago 1 12 8 0 0 1 fine")
    assert "model of version 1: version 1, deep, roc_auc 0.7500: blessed" in shown


def test_a_version_is_shown_column_by_column(prepared: Path) -> None:
    shown = [" ".join(line) for line in lines(data(prepared, "show", "flights", "1"))]

    assert "rows 12 to train, 8 to evaluate, 0 without label, 0 rejected" in shown
    assert "label binary: false 75%, true 25%" in shown
    assert "delay int - 2 0 .. 50 .. 100" in shown
    assert "carrier string categorical 20% 2 UA 75%, B6 25%" in shown
    assert "not read: delay. The label or the weight is computed from it." in shown


def test_the_newest_version_is_shown_with_what_is_odd_about_it(prepared: Path) -> None:
    shown = [" ".join(line) for line in lines(data(prepared, "show", "flights"))]

    assert shown[0] == "dataset flights version 2"
    assert "checks 1 warning, against version 1" in shown
    assert "model training" in shown
    assert shown[-2:] == [
        "1 rows rejected: delay: expected at least 0, received -1",
        "! SCHEMA_NEW_COLUMN mail: it is new",
    ]


def test_a_span_is_shown_as_it_was_ingested(prepared: Path) -> None:
    shown = [" ".join(line) for line in lines(data(prepared, "show", "flights", "--span", "2"))]

    assert "object drops/flights/m2.csv, generation 2" in shown
    assert "rows 20 kept, 2 rejected" in shown
    assert "mail string hash email" in shown
    assert "added mail: nothing became string" in shown
    assert shown[-1] == "2 x row 3: no number"


def test_a_few_rows_of_a_version_or_a_span(prepared: Path) -> None:
    of_version = data(prepared, "show", "flights", "1", "--rows", "2")
    of_span = data(prepared, "show", "flights", "--span", "1", "--rows", "2")

    assert [line[0] for line in lines(of_version)] == ["__side__", "train", "train"]
    assert lines(of_span) == [["delay", "carrier", "mail"], ["0", "UA", "1"], ["1", "1"]]


def test_two_versions_are_compared_the_farthest_column_first(prepared: Path) -> None:
    shown = [" ".join(line) for line in lines(data(prepared, "diff", "flights", "1", "2"))]

    assert shown[0] == "flights version 1 to 2"
    for change in (
        "spans + 2",
        "rows train 12 became 24 (+12)",
        "feature - carrier (categorical)",
        "spec leaveOut: ['mail'] became ['mail', 'carrier']",
    ):
        assert change in shown
    columns = [line.split()[1] for line in shown[shown.index("distance column before after") + 1 :]]
    assert columns == ["label", "delay", "carrier"]
    assert shown[-2].split()[0] > "0.1"
    assert shown[-1].split()[0] == "0.0000"


def test_a_version_does_not_differ_from_itself(prepared: Path) -> None:
    shown = data(prepared, "diff", "flights", "2", "2").stdout

    assert "the same spans, rows, columns, features and spec" in shown


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_version_is_written_into_a_file_as_it_was(prepared: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"it's one.{suffix}"
    said = data(prepared, "export", "flights", "1", str(file))

    assert "20 rows of flights version 1" in said.stdout
    readers = {"parquet": duckdb.read_parquet, "csv": duckdb.read_csv, "jsonl": duckdb.read_json}
    counted = readers[suffix](str(file)).aggregate("__side__, count(*), sum(delay)", "__side__").fetchall()
    assert sorted(counted) == [("eval", 8, 28), ("train", 12, 66)]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("there.csv", "nothing is overwritten"),
        ("rows.xlsx", "expected a file that ends in .parquet, .csv, .jsonl, received 'rows.xlsx'"),
        ("no/folder.csv", "could not write"),
    ],
)
def test_a_file_that_cannot_be_written_is_an_error(
    prepared: Path, tmp_path: Path, file: str, message: str
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    result = data(prepared, "export", "flights", "1", str(tmp_path / file))

    assert result.exit_code == 1
    assert message in result.stderr
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_the_schema_is_printed_as_it_is(prepared: Path) -> None:
    assert data(prepared, "schema", "flights").stdout == "columns: {delay: int}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["versions", "nope"], "expected a pipeline of ['flights'], received 'nope'"),
        (["show", "flights", "7"], "dataset versions of flights are [1, 2], received 7"),
        (["show", "flights", "--span", "7"], "those of flights are [1, 2], received 7"),
        (["show", "flights", "--report"], "expected report.html of dataset version 2, it has none"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_is(
    prepared: Path, arguments: list[str], message: str
) -> None:
    result = data(prepared, *arguments)

    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_another_version_of_tidemill_wrote_is_an_error_that_names_it(
    prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (tmp_path / "bucket/tidemill/datasets/flights/dataset1/manifest.json").write_text('{"dataset": 1}')
    result = data(tmp_path, "versions", "flights")

    assert result.exit_code == 1
    assert "expected datasets/flights/dataset1/manifest.json as this version" in result.stderr


def test_a_version_whose_rows_do_not_come_of_its_spans_is_found_out(prepared: Path) -> None:
    result = data(prepared, "rebuild", "flights", "1")

    assert result.exit_code == 1, result.output
    assert "train/1.parquet" in result.stdout
    assert "its address was dataset1, now it would be" in result.stdout.replace("\n", " ")


def test_amounts_are_written_in_few_characters() -> None:
    now = datetime.now(UTC)

    assert [age(now - timedelta(seconds=seconds)) for seconds in (0, 61, 7300, 200_000)] == [
        *("1 s ago", "1 min ago", "2 h ago", "2 d ago")
    ]
    assert [number(value) for value in (0.0, 2013.0, 12345.6, 0.123456, 1e-7, 3e15)] == [
        *("0", "2013", "12,346", "0.1235", "1.000e-07", "3.000e+15")
    ]
    assert [share(part, 1000) for part in (0, 0.5, 5, 500)] == ["", "<0.1%", "0.5%", "50%"]
    assert span_ranges([5, 1, 2, 3, 7, 8]) == "1-3, 5, 7-8"
