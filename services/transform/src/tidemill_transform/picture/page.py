"""The page of one dataset version: the verdict, its rows, labels and slices, and every column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from operator import attrgetter
from xml.etree.ElementTree import Element

from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_runtime.figures import count, share
from tidemill_runtime.html import document, node, shown
from tidemill_transform.findings import Findings
from tidemill_transform.identifiers import names_rows
from tidemill_transform.picture.columns import ColumnPicture, card, line
from tidemill_transform.picture.labels import label_table, slice_table
from tidemill_transform.plan import Report

# So that the page of a very wide table can still be opened.
MAX_CARDS = 120
MAX_LINES = 1000
MAX_PROBLEMS = 200
MESSAGE_CHARACTERS = 400
FATES = ("train", "eval", "unlabelled", "rejected")
LEGEND = "Shown are the labelled rows of the newest span"
LEGEND_OF_CHANGES = (
    "; a line, or the thinner bar, is earlier data. What changed most comes first: L∞ is the largest "
    "difference of a value's share, JS the Jensen-Shannon divergence in bits, missing the difference of the "
    "shares of missing values. 0 is the same, 1 has nothing in common"
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All that is told on the page of one window of spans.

    `dataset` is None when it was refused, for `reasons`; `findings` is None when no row had been read.
    """

    pipeline: str
    dataset: int | None
    dataset_id: str
    spans: tuple[int, ...]
    reasons: tuple[Reason, ...] = ()
    findings: Findings | None = None


def render(picture: Picture) -> str:
    """Write the page as HTML that needs no other resource, and no script."""
    style = resources.files("tidemill_transform.picture").joinpath("style.css").read_text()
    title = f"{picture.pipeline}: {_name(picture)}"
    findings = picture.findings
    anomalies = findings.anomalies if findings else ()
    body = [_header(picture), _verdict(picture.reasons, anomalies), *_problems(picture.reasons, anomalies)]
    if findings is not None:
        body += [*_rows(findings.report), *_labels(findings), *_columns(findings)]
    return document(title, style, node("main", *body))


def _name(picture: Picture) -> str:
    return f"span {max(picture.spans)}" if picture.dataset is None else f"dataset {picture.dataset}"


def _header(picture: Picture) -> Element:
    first, newest = min(picture.spans), max(picture.spans)
    spans = f"span {newest}" if first == newest else f"{len(picture.spans)} spans, {first} to {newest}"
    baseline = picture.findings.baseline if picture.findings else None
    held = "nothing earlier to compare with" if baseline is None else f"compared with dataset {baseline}"
    facts = node("p", f"{spans} · {held} · ", node("code", picture.dataset_id), class_="facts")
    return node("header", node("h1", node("b", picture.pipeline), f" {_name(picture)}"), facts)


def _verdict(reasons: Sequence[Reason], anomalies: Sequence[Anomaly]) -> Element:
    warnings = sum(anomaly.severity == "warn" for anomaly in anomalies)
    if reasons:
        return node("p", "Refused", class_="verdict block")
    if warnings:
        verdict = f"Accepted, with {count(warnings)} warning{'s' * (warnings > 1)}"
        return node("p", verdict, class_="verdict warn")
    return node("p", "Accepted", class_="verdict fine")


def _problems(reasons: Sequence[Reason], anomalies: Sequence[Anomaly]) -> Iterator[Element]:
    told = {anomaly.message for anomaly in anomalies}
    others = [reason for reason in reasons if reason.message not in told]
    rows = [_problem("block", reason.code, "", reason.message) for reason in others]
    rows += [_problem(each.severity, each.type, each.against, each.message) for each in anomalies]
    if rows:
        yield node("table", *rows[:MAX_PROBLEMS], class_="findings")
    if len(rows) > MAX_PROBLEMS:
        yield node("p", f"and {count(len(rows) - MAX_PROBLEMS)} more", class_="note")


def _problem(severity: str, code: str, against: str, message: str) -> Element:
    return node(
        "tr",
        node("td", node("i", class_=f"dot {severity}"), severity, class_="word"),
        node("td", shown(message, MESSAGE_CHARACTERS), node("br"), node("code", code), f" {against}"),
    )


def _rows(report: Report) -> Iterator[Element]:
    rows = {fate: report.total(f"rows_{fate}") for fate in FATES}
    read = report.total("rows_read")
    parts = [node("i", class_=fate, style=f"width:{rows[fate] / max(1, read):.2%}") for fate in FATES]
    yield node("h2", "Rows")
    yield node("p", *parts, class_="stack")
    cells = [("in", read), *rows.items()]
    yield node(
        "table",
        node("tr", *(node("th", node("i", class_=f"dot {fate}"), fate) for fate, _ in cells)),
        node("tr", *(node("td", count(number)) for _, number in cells)),
        node("tr", *(node("td", share(number, read)) for _, number in cells), class_="earlier"),
        class_="rows",
    )


def _labels(findings: Findings) -> Iterator[Element]:
    report = findings.report
    profiles = {"train": report.train, "eval": report.eval, "newest span": report.newest}
    if findings.earlier is not None:
        profiles["earlier"] = findings.earlier
    yield node("h2", "Label")
    labels = {name: profile.label for name, profile in profiles.items()}
    yield label_table(labels, is_hidden=LABEL_COLUMN in findings.hidden)
    if tables := list(_slices(findings)):
        yield node("h2", "Slices of the newest span")
        yield node("div", *tables, class_="tables")


def _slices(findings: Findings) -> Iterator[Element]:
    newest = findings.report.newest
    shown_parts = [part for part in newest.slices if not {*part.columns, LABEL_COLUMN} & {*findings.hidden}]
    earlier = None
    if findings.earlier is not None:
        earlier = {(part.columns, part.values): part for part in findings.earlier.slices}
    for _, parts in groupby(shown_parts, key=attrgetter("columns")):
        yield slice_table(list(parts), newest.rows, earlier)


def _columns(findings: Findings) -> Iterator[Element]:
    columns = _pictures(findings)
    legend = LEGEND
    if findings.earlier is not None:
        legend += LEGEND_OF_CHANGES
        columns.sort(key=lambda column: -column.change[0])
    yield node("h2", "Columns")
    yield node("p", f"{legend}.", class_="note")
    yield node("div", *map(card, columns[:MAX_CARDS]), class_="cards")
    if len(columns) > MAX_CARDS:
        yield node("table", *map(line, columns[MAX_CARDS:][:MAX_LINES]), class_="lines")


def _pictures(findings: Findings) -> list[ColumnPicture]:
    earlier = {column.name: column for column in findings.earlier.columns} if findings.earlier else {}
    roles = {column.name: f"No feature: {column.reason}" for column in findings.choice.left_out}
    roles |= {feature.name: f"Feature: {feature.kind}" for feature in findings.choice.features}
    return [
        ColumnPicture(
            new=column,
            old=earlier.get(column.name),
            role=roles.get(column.name, ""),
            is_restricted=column.name in findings.hidden,
            comes_again=column.type != "timestamp" and names_rows(column) is None,
        )
        for column in findings.report.newest.columns
    ]
