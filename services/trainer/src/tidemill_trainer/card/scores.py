"""Metrics beside those of other models, and how answers agree with the truth."""

from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from tidemill_runtime.figures import NONE, count, figure, share
from tidemill_runtime.html import node, shown
from tidemill_trainer.card.charts import Axis, Plot
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.words import between, direction, metric
from tidemill_trainer.evaluation.agreement import AgreementBin, Confusion
from tidemill_trainer.evaluation.reliability import Reliability
from tidemill_trainer.evaluation.thresholds import Threshold
from tidemill_trainer.judging.findings import RowsResult

TOLD_THRESHOLDS = 12
OTHERS = ("champion", "linear", "constant")
METRICS_NOTE = (
    "Intervals hold the true value with 95 % confidence. ↑ the higher the better, ↓ the lower. A constant "
    "answers every row alike, as is best without reading any feature."
)


def metrics(card: ModelCard) -> Iterator[Element]:
    """Show every metric with its interval, beside the champion, the linear model and a constant."""
    findings = card.findings
    if findings is None:
        return
    yield node("h2", "Metrics")
    tables = [_table(findings.held_out, card, f"all {count(findings.held_out.rows)} held-out rows")]
    if findings.newest is not None:
        title = f"{count(findings.newest.rows)} held-out rows of the newest span, {max(card.data.spans)}"
        tables.append(_table(findings.newest, card, title))
    yield node("div", *tables, class_="tables")
    yield node("p", METRICS_NOTE, class_="note")


def answers(card: ModelCard) -> Iterator[Element]:
    """Show whether answers mean what they say, and what follows from a threshold."""
    findings = card.findings
    if findings is None:
        return
    found: list[Element] = []
    if findings.reliability is not None:
        found.append(_calibration(findings.reliability, card))
    if findings.thresholds:
        found.append(_threshold_lines(findings.thresholds, card.decision_threshold))
        found.append(_threshold_table(findings.thresholds, findings.best_threshold))
    if findings.agreement:
        found.append(_agreement(findings.agreement))
    if findings.confusion is not None:
        found.append(_confusion(findings.confusion, card.classes))
    if found:
        yield node("h2", "Answers and truth")
        yield node("div", *found, class_="cards")


def _table(result: RowsResult, card: ModelCard, rows: str) -> Element:
    others = [name for name in OTHERS if name in result.others]
    titles = {"champion": f"champion {card.champion}"}
    head = node(
        "tr",
        *(node("th", title) for title in (rows, "this model", "95 % interval")),
        *(node("th", titles.get(name, name)) for name in others),
        class_="titles",
    )
    told = [name for name in result.metrics if not name.startswith("base")]
    names = sorted(told, key=lambda name: (name != card.decides, not direction(name)))
    lines = [_line(name, result, others, is_deciding=name == card.decides) for name in names]
    return node("div", node("table", head, *lines, class_="metrics"), class_="wide")


def _line(name: str, result: RowsResult, others: Sequence[str], *, is_deciding: bool) -> Element:
    found = result.metrics[name]
    values: Mapping[str, float | None] = {other: result.others[other].get(name) for other in others}
    return node(
        "tr",
        node("th", f"{metric(name)} {direction(name)}"),
        node("td", figure(found.value), class_="own"),
        node("td", between(found), class_="quiet"),
        *(node("td", NONE if value is None else figure(value)) for value in values.values()),
        class_="deciding" if is_deciding else "",
    )


def _calibration(found: Reliability, card: ModelCard) -> Element:
    axis = Axis(0, 1, "promised")
    plot = Plot(axis, Axis(0, 1, "seen"), width=300, height=280)
    largest = max(each.rows for each in found.bins)
    marks = [plot.line([(0, 0), (1, 1)], "rule")]
    marks += [plot.whisker(each.promised, each.low, each.high) for each in found.bins]
    marks += [
        plot.dot(
            each.promised,
            each.seen,
            "dot-new",
            radius=2 + 3 * (each.rows / largest) ** 0.5,
            title=f"{share(each.promised)} promised, {share(each.seen)} seen, {count(each.rows)} rows",
        )
        for each in found.bins
    ]
    what = "Of the most likely class" if card.task == "multiclass" else "Of true"
    gap = share(found.calibration_error)
    note = f"{what}; the mean gap is {gap}. On the line, chances come true as promised."
    return _card("Calibration", note, plot.draw(*marks, title="Calibration"))


def _threshold_lines(table: Sequence[Threshold], chosen: float | None) -> Element:
    plot = Plot(Axis(0, 1, "answered yes from this probability on"), Axis(0, 1), width=360, height=280)
    series = {
        "precision": [(each.threshold, each.precision) for each in table],
        "recall": [(each.threshold, each.recall) for each in table],
        "f1": [(each.threshold, each.f1) for each in table],
    }
    marks = [] if chosen is None else [plot.upright(chosen)]
    for place, points in enumerate(series.values()):
        known = [(min(x, 1.0), y) for x, y in points if y is not None]
        marks.append(plot.line(known, f"line series-{place}"))
    names = zip(("precision", "recall", "F1"), range(3), strict=True)
    key = node(
        "p",
        *(node("span", node("i", class_=f"key series-{place}"), name) for name, place in names),
        class_="keys",
    )
    note = "" if chosen is None else f"The rule is at {figure(chosen)}, where F1 is best on these rows."
    return _card("Threshold", note, key, plot.draw(*marks, title="Precision, recall and F1 by threshold"))


def _threshold_table(table: Sequence[Threshold], best: Threshold | None) -> Element:
    step = max(1, len(table) // TOLD_THRESHOLDS)
    told = [*table[step // 2 :: step]][:TOLD_THRESHOLDS]
    rows = sorted([*told, *([best] if best else [])], key=lambda each: -each.threshold)
    titles = ("from", "yes", "precision", "recall", "false pos.", "F1")
    head = node("tr", *(node("th", title) for title in titles), class_="titles")
    lines = [
        node(
            "tr",
            *(
                node("td", NONE if value is None else f"{value:.3f}")
                for value in (
                    each.threshold,
                    each.share,
                    each.precision,
                    each.recall,
                    each.false_positive_rate,
                    each.f1,
                )
            ),
            class_="deciding" if each is best else "",
        )
        for each in rows
    ]
    return _card(
        "Choices",
        "What every threshold does; yes is the share of rows.",
        node("table", head, *lines, class_="small"),
    )


def _agreement(bins: Sequence[AgreementBin]) -> Element:
    x = Axis.around((each.answered for each in bins), "answered")
    y = Axis.around((value for each in bins for value in (each.low, each.high, each.answered)), "true")
    plot = Plot(x, y, width=380, height=300)
    low, high = max(x.low, y.low), min(x.high, y.high)
    xs = [each.answered for each in bins]
    marks = [
        plot.band(xs, [each.low for each in bins], [each.high for each in bins], "band"),
        plot.line([(low, low), (high, high)], "rule") if low < high else "",
        plot.line([(each.answered, each.seen) for each in bins], "line series-0"),
        *(plot.dot(each.answered, each.seen, "dot-new") for each in bins),
    ]
    note = "Mean of the truth where such a number was answered; 80 % of the truth lies in the band."
    return _card("Answered and true", note, plot.draw(*marks, title="Truth by answer"))


def _confusion(found: Confusion, classes: Sequence[str]) -> Element:
    names = [shown(classes[index], 16) for index in found.classes]
    head = node("tr", node("th", "true \\ taken for"), *(node("th", name) for name in names), class_="titles")
    lines = [
        node(
            "tr",
            node("th", name),
            *(_cell(number, sum(line), is_right=row == place) for place, number in enumerate(line)),
        )
        for row, (name, line) in enumerate(zip(names, found.counts, strict=True))
    ]
    note = f"Rows by true and most likely class; {count(found.others)} rows are of other classes."
    table = node("div", node("table", head, *lines, class_="small confusion"), class_="wide")
    return _card("Confusion", note if found.others else "Rows by true and most likely class.", table)


def _cell(number: int, whole: int, *, is_right: bool) -> Element:
    part = round(100 * number / whole) if whole else 0
    color = "--fine" if is_right else "--block"
    return node(
        "td", count(number), style=f"background:color-mix(in srgb,var({color}) {part // 2}%,transparent)"
    )


def _card(title: str, note: str, *body: Element) -> Element:
    return node("article", node("h3", title), node("p", note, class_="facts"), *body)
