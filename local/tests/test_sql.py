"""Questions to the warehouse, asked as a person asks them, of a home in which nothing runs."""

import csv
import json
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from tidemill_local.cli.app import app


def sql(home: Path, *arguments: str, columns: int = 120) -> Result:
    return CliRunner().invoke(app, ["sql", *arguments, "--home", str(home)], env={"COLUMNS": str(columns)})


def rows(home: Path, query: str) -> list[list[str]]:
    """Ask, and read the answer as CSV."""
    answer = sql(home, query, "--format", "csv", "--limit", "0")
    assert answer.exit_code == 0, answer.output
    return list(csv.reader(StringIO(answer.stdout)))[1:]


def test_every_table_is_listed_with_its_columns(prepared: Path) -> None:
    tables = {json.loads(line)["table"] for line in sql(prepared, "--format", "json").stdout.splitlines()}

    assert tables == {
        *("anomalies", "column_profiles", "datasets", "dead_letters", "events", "feedback"),
        *("flights_spans", "models", "predictions", "spans"),
    }


def test_rows_have_the_span_they_came_with(prepared: Path) -> None:
    assert rows(prepared, "SELECT span, count(*), max(mail) FROM flights_spans GROUP BY 1 ORDER BY 1") == [
        ["1", "20", "1"],
        ["2", "20", "2"],
    ]


def test_tables_are_listed_one_below_the_other_on_a_narrow_screen(prepared: Path) -> None:
    header, *listed = sql(prepared, columns=80).stdout.splitlines()

    assert header.split() == ["table", "columns"]
    assert [line.split()[0] for line in listed if line[0] != " "][:2] == ["anomalies", "column_profiles"]
    assert max(map(len, listed)) <= 80


@pytest.mark.parametrize("table", ["events", "dead_letters"])
def test_what_was_written_down_twice_is_one_row(prepared: Path, table: str) -> None:
    assert rows(prepared, f"SELECT count(*) FROM {table}") == [["1"]]  # noqa: S608


def test_drift_is_a_question_over_the_profiles_of_all_versions(prepared: Path) -> None:
    query = (
        "SELECT dataset, mean, null_share, top_value, top_share FROM column_profiles "
        "WHERE side = 'train' ORDER BY dataset, name DESC"
    )

    assert rows(prepared, query) == [
        ["1", "50.0", "0.0", "", ""],
        ["1", "", "0.2", "UA", "0.75"],
        ["2", "100.0", "0.0", "", ""],
        ["2", "", "0.2", "UA", "0.75"],
    ]


def test_versions_models_spans_and_anomalies_meet_in_one_question(prepared: Path) -> None:
    query = (
        "SELECT d.dataset, d.warnings, m.version, m.metrics['roc_auc'], a.name, s.restricted "
        "FROM datasets d LEFT JOIN models m USING (dataset_id) "
        "LEFT JOIN anomalies a ON a.dataset = d.dataset JOIN spans s ON s.span = d.newest_span ORDER BY 1"
    )

    assert rows(prepared, query) == [
        ["1", "0", "1", "0.75", "", '["mail"]'],
        ["2", "1", "", "", "mail", '["mail"]'],
    ]


def test_an_answer_is_cut_and_says_so(prepared: Path) -> None:
    cut = sql(prepared, "SELECT delay FROM flights_spans", "-n", "5", "--format", "csv")
    whole = sql(prepared, "SELECT delay FROM flights_spans", "-n", "40", "--format", "csv")

    assert len(cut.stdout.splitlines()) == 6
    assert cut.stderr == "the first 5 rows; --limit 0 shows all\n"
    assert len(whole.stdout.splitlines()) == 41
    assert whole.stderr == ""


def test_json_is_one_object_a_line_with_its_types(prepared: Path) -> None:
    answer = sql(prepared, "SELECT dataset, spans FROM datasets ORDER BY dataset", "--format", "json")

    assert [json.loads(line) for line in answer.stdout.splitlines()] == [
        {"dataset": 1, "spans": [1]},
        {"dataset": 2, "spans": [1, 2]},
    ]


def test_rows_wider_than_the_screen_are_written_down_the_page(prepared: Path) -> None:
    query = "SELECT pipeline, object_name, rows FROM spans WHERE span = 1"
    wide, narrow = (sql(prepared, query, columns=columns).stdout for columns in (80, 30))

    assert wide.split() == ["pipeline", "object_name", "rows", "flights", "drops/flights/m1.csv", "20"]
    assert [line.split()[-1] for line in narrow.splitlines()] == [
        "1",
        "flights",
        "drops/flights/m1.csv",
        "20",
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "SELECT * FROM flight_spans",
            "Tables are anomalies, column_profiles, datasets, dead_letters",
        ),
        ("SELECT dealy FROM flights_spans", 'Referenced column "dealy" not found'),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT * FROM read_csv('/etc/passwd')", "file system operations are disabled"),
        ("DROP VIEW events", "expected one SELECT, received DROP"),
        ("COPY (SELECT 1) TO 'x.csv'", "expected one SELECT, received COPY"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'", "expected one SELECT, received EXPLAIN"),
        ("SELECT 1; SELECT 2", "expected one SELECT, received SELECT, SELECT"),
        (";", "expected one SELECT, received nothing"),
    ],
)
def test_a_question_that_cannot_be_answered_is_an_error_in_one_line(
    prepared: Path, query: str, message: str
) -> None:
    answer = sql(prepared, query)

    assert answer.exit_code == 1
    assert message in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_before_the_first_file_every_table_is_empty(tmp_path: Path) -> None:
    (tmp_path / "bucket" / "tidemill").mkdir(parents=True)

    for table in ("anomalies", "column_profiles", "datasets", "dead_letters", "events", "models", "spans"):
        assert rows(tmp_path, f"SELECT * FROM {table}") == []  # noqa: S608


def test_without_a_home_it_says_how_to_start(tmp_path: Path) -> None:
    answer = sql(tmp_path / "nothing")

    assert answer.exit_code == 1
    assert "start one with: tidemill up --home" in answer.stderr
    assert not (tmp_path / "nothing").exists()


def test_live_accuracy_is_one_question_whatever_was_loaded_twice_or_said_before(tmp_path: Path) -> None:
    warehouse = tmp_path / "bucket" / "tidemill" / "warehouse"
    answers = [("p1", 0, 0.9), ("p1", 1, 0.2), ("p1", 1, 0.2), ("p2", 0, 0.7)]
    said = [("p1", 0, "true", 1), ("p1", 1, "true", 1), ("p1", 1, "false", 2), ("p2", 0, "false", 1)]
    store(
        warehouse / "predictions",
        [
            {
                "prediction_id": name,
                "row": row,
                "version": 3,
                "predicted_at": 0,
                "pipeline": "flights",
                "outputs": json.dumps({"probability": value}),
            }
            for name, row, value in answers
        ],
    )
    store(
        warehouse / "feedback",
        [
            {"prediction_id": name, "row": row, "label": label, "said_at": at, "received_at": at}
            for name, row, label, at in said
        ],
    )

    query = """
        SELECT p.version, count(*), avg((((outputs ->> 'probability')::DOUBLE >= 0.5) = label::BOOLEAN)::INT)
        FROM predictions p JOIN feedback f USING (prediction_id, row)
        WHERE p.pipeline = 'flights' GROUP BY ALL"""
    assert rows(tmp_path, query) == [["3", "3", str(2 / 3)]]


def store(folder: Path, rows: list[dict[str, object]]) -> None:
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "0-a.parquet")
