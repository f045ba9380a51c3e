"""What a platform keeps, as tables: views over the files of its bucket, made anew for every question."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

Columns = Mapping[str, str]


def _columns(**names: str) -> dict[str, str]:
    return {name: kind for kind, each in names.items() for name in each.split()}


DATASETS = _columns(
    VARCHAR="pipeline dataset_id spec_digest task data_classification",
    BIGINT="dataset baseline rows_in rows_train rows_eval rows_unlabelled rows_rejected",
) | {
    "spans": "BIGINT[]",
    "features": "STRUCT(name VARCHAR, kind VARCHAR)[]",
    "left_out": "STRUCT(name VARCHAR, reason VARCHAR)[]",
    "anomalies": 'STRUCT(severity VARCHAR, "type" VARCHAR, "column" VARCHAR, against VARCHAR, '
    'measured DOUBLE, "limit" DOUBLE, message VARCHAR)[]',
}
PROFILES: Columns = {
    "columns": 'STRUCT(name VARCHAR, "type" VARCHAR, "rows" BIGINT, nulls BIGINT, distinct_estimate DOUBLE, '
    "numeric STRUCT(minimum DOUBLE, maximum DOUBLE, mean DOUBLE, stddev DOUBLE, quantiles DOUBLE[], "
    "zeros BIGINT, infinities BIGINT), categorical STRUCT(vocabulary JSON[]))[]"
}
SPANS = _columns(
    VARCHAR="pipeline span_id object_name spec_digest", BIGINT="size_bytes rows rows_rejected"
) | {"columns": 'STRUCT(name VARCHAR, "type" VARCHAR, privacy VARCHAR, pii VARCHAR)[]'}
MODELS = _columns(
    VARCHAR="pipeline family model_id dataset_id spec_digest",
    BIGINT="version dataset newest_span champion",
    BOOLEAN="blessed",
    TIMESTAMPTZ="trained_at",
) | {"metrics": "MAP(VARCHAR, DOUBLE)", "reasons": "STRUCT(code VARCHAR, message VARCHAR)[]"}
FILES = _columns(VARCHAR="filename content", TIMESTAMPTZ="last_modified")
EVENTS = _columns(
    VARCHAR="source id type subject correlationid causationid dataclassification data",
    TIMESTAMPTZ="time published_at",
)
DEAD_LETTERS = _columns(VARCHAR="message_id code reason subscription attributes data", TIMESTAMPTZ="time")
PREDICTIONS = _columns(
    VARCHAR="pipeline prediction_id variant signature protocol code inputs outputs",
    BIGINT="row version",
    DOUBLE="seconds",
    TIMESTAMPTZ="predicted_at",
)
FEEDBACK = _columns(
    VARCHAR="pipeline prediction_id label variant",
    BIGINT="row version",
    DOUBLE="reward",
    TIMESTAMPTZ="said_at received_at predicted_at",
)

VIEWS = {
    "datasets": """
        SELECT pipeline, dataset, last_modified AS created, spans, list_max(spans) AS newest_span, rows_in,
            rows_train, rows_eval, rows_unlabelled, rows_rejected, task, features, left_out,
            len([a FOR a IN anomalies IF a.severity = 'warn']) AS warnings, baseline, data_classification,
            dataset_id, spec_digest
        FROM {datasets} JOIN {dataset_files} USING (filename)""",
    "anomalies": """
        SELECT pipeline, dataset, a.severity, a."type", a."column" AS name, a.against, a.measured,
            a."limit" AS threshold, a.message
        FROM (SELECT pipeline, dataset, unnest(anomalies) AS a FROM {datasets})""",
    "column_profiles": """
        SELECT pipeline, dataset, side, c.name, c."type", c."rows", c.nulls, c.nulls / c."rows" AS null_share,
            c.distinct_estimate AS "distinct", c.numeric.minimum, c.numeric.mean, c.numeric.maximum,
            c.numeric.stddev, c.numeric.quantiles, c.numeric.zeros, c.numeric.infinities,
            c.categorical.vocabulary[1] ->> 0 AS top_value,
            (c.categorical.vocabulary[1] ->> 1)::BIGINT / (c."rows" - c.nulls) AS top_share,
            c.categorical.vocabulary
        FROM (
            SELECT regexp_extract(filename, '([a-z]+)-profile', 1) AS part, unnest("columns") AS c,
                if(part = '', 'train', part) AS side, parse_path(filename)[-2] AS dataset_id
            FROM {profiles}
        ) JOIN {datasets} USING (dataset_id)""",
    "spans": """
        SELECT pipeline, parse_filename(number.filename)::BIGINT AS span, last_modified AS created,
            object_name, size_bytes, "rows", rows_rejected, [c.name FOR c IN "columns"] AS column_names,
            [c.name FOR c IN "columns" IF c.privacy <> 'keep'] AS restricted, span_id, spec_digest
        FROM {spans} JOIN {span_numbers} AS number
            ON content = span_id AND parse_path(number.filename)[-2] = pipeline""",
    "models": """
        SELECT pipeline, version, trained_at, dataset, newest_span, family, blessed, champion, metrics,
            reasons, model_id, dataset_id, spec_digest
        FROM {models}""",
}
# Where a row may lie twice, the one stored first counts; of feedback, what was said last.
LEDGER = {
    "events": """
        SELECT data ->> 'pipeline' AS pipeline, * FROM {rows}
        QUALIFY row_number() OVER (PARTITION BY source, id ORDER BY published_at) = 1""",
    "dead_letters": """
        SELECT * FROM {rows} QUALIFY row_number() OVER (PARTITION BY message_id ORDER BY time) = 1""",
    "predictions": """
        SELECT * FROM {rows}
        QUALIFY row_number() OVER (PARTITION BY prediction_id, "row" ORDER BY predicted_at) = 1""",
    "feedback": """
        SELECT * FROM {rows} QUALIFY 1 = row_number() OVER (
            PARTITION BY prediction_id, "row" ORDER BY said_at DESC, received_at DESC)""",
}
LEDGER_COLUMNS: Mapping[str, Columns] = {
    "events": EVENTS,
    "dead_letters": DEAD_LETTERS,
    "predictions": PREDICTIONS,
    "feedback": FEEDBACK,
}


@contextmanager
def open_catalog(bucket: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that sees the tables of a bucket, and no file but theirs.

    Besides the views above there is a table of the rows of every pipeline, such as `flights_spans`.
    """
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, query in _views(bucket):
            connection.execute(f'CREATE VIEW "{name}" AS {query}')
        connection.execute(f"SET allowed_directories = [{quoted(bucket)}]")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection


def _views(bucket: Path) -> Iterator[tuple[str, str]]:
    relations = {
        "datasets": _documents(bucket, "datasets/*/*/manifest.json", DATASETS),
        "dataset_files": _files(bucket, "datasets/*/*/manifest.json"),
        "profiles": _documents(bucket, "datasets/*/*/*profile.json", PROFILES),
        "spans": _documents(bucket, "spans/*/*/manifest.json", SPANS),
        "span_numbers": _files(bucket, "sequences/spans/*/[0-9]*"),
        "models": _documents(bucket, "manifests/*/*.json", MODELS),
    }
    for name, query in VIEWS.items():
        yield name, query.format(**relations)
    for name, query in LEDGER.items():
        yield name, query.format(rows=_parquet(bucket / "warehouse" / name) or _nothing(LEDGER_COLUMNS[name]))
    for folder in sorted(bucket.glob("warehouse/*_spans")):
        if rows := _parquet(folder):
            yield folder.name, f"SELECT * FROM {rows}"  # noqa: S608 - the bucket's own names


def _parquet(folder: Path) -> str | None:
    if next(folder.rglob("*.parquet"), None) is None:
        return None
    files = quoted(folder / "**" / "*.parquet")
    return f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"


def _documents(bucket: Path, pattern: str, columns: Columns) -> str:
    if next(bucket.glob(pattern), None) is None:
        return _nothing({**columns, "filename": "VARCHAR"})
    types = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    return f"read_json({quoted(bucket / pattern)}, columns = {{{types}}}, filename = true)"


def _files(bucket: Path, pattern: str) -> str:
    is_there = next(bucket.glob(pattern), None)
    return f"read_text({quoted(bucket / pattern)})" if is_there else _nothing(FILES)


def _nothing(columns: Columns) -> str:
    nulls = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
    return f"(SELECT {nulls} WHERE false)"


def quoted(value: object) -> str:
    """Write a text as SQL does."""
    return "'" + str(value).replace("'", "''") + "'"
