"""Rules of the label: one answer per row, the same everywhere, from nothing but the row."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tidemill_transform.expression import RowExpression
from tidemill_transform.label import check_label

ROWS = pa.RecordBatch.from_pydict(
    {
        "delay": [20, 3, None],
        "Gate no": ["A", "B", None],
        "moment": pa.array([datetime(2013, 1, 1, 2, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
    }
)
HOUR_OF_2_OCLOCK = """
import pyarrow as pa
from tidemill_transform.expression import RowExpression
moment = pa.array([2 * 3600 * 1_000_000], pa.timestamp("us", "UTC"))
print(RowExpression("hour(moment)").values(pa.RecordBatch.from_arrays([moment], ["moment"])).to_pylist())
"""


@pytest.mark.parametrize(
    ("expression", "labels", "columns"),
    [
        ("delay >= 15", [True, False, None], {"delay"}),
        ("DELAY >= 15 -- late", [True, False, None], {"delay"}),
        ("rows.delay >= 15", [True, False, None], {"delay"}),
        ("\"Gate no\" IN ('A') AND delay > 15", [True, False, None], {"delay", "Gate no"}),
        (
            "CASE WHEN delay BETWEEN 1 AND 5 THEN true ELSE moment > '2014-01-01' END",
            [False, True, False],
            {"delay", "moment"},
        ),
        ("coalesce(\"Gate no\", 'A') ILIKE 'a%'", [True, False, True], {"Gate no"}),
        ("'delay' = 'delay'", [True, True, True], set()),
    ],
)
def test_an_expression_labels_each_row_and_knows_its_columns(
    expression: str, labels: list[bool | None], columns: set[str]
) -> None:
    label = check_label(expression, ROWS.schema)
    labeller = RowExpression(label.expression)

    assert labeller.values(ROWS).to_pylist() == labels
    assert label.columns == columns
    labeller.close()


def test_columns_that_differ_in_case_only_are_all_named() -> None:
    rows = pa.RecordBatch.from_pydict({"delay": [1], "Delay": [2]})

    assert check_label("DELAY > 15", rows.schema).columns == {"delay", "Delay"}


def test_the_hour_of_a_timestamp_is_that_of_utc_on_every_machine() -> None:
    environment = {**os.environ, "TZ": "America/New_York", "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", HOUR_OF_2_OCLOCK], env=environment, capture_output=True, check=True, timeout=60
    )

    assert answer.stdout == b"[2]\n"


def test_the_connection_reads_no_files_and_stays_confined(tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("x\n1\n")
    labeller = RowExpression(f"EXISTS (FROM read_csv('{file}'))")
    with pytest.raises(duckdb.PermissionException):
        labeller.values(ROWS)
    labeller.close()
    escape = RowExpression("true); SET TimeZone = 'America/New_York'; SELECT (true")
    with pytest.raises(duckdb.Error, match="locked"):
        escape.values(ROWS)
    escape.close()
