"""What the model makes of its features: how much each matters, and what its values do to the answers."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from tidemill_runtime.figures import count, figure
from tidemill_runtime.html import Child, node, shown
from tidemill_trainer.card.charts import Axis, Plot, bar, forest
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.words import between, metric, number
from tidemill_trainer.evaluation.dependence import Dependence, DependencePoint
from tidemill_trainer.evaluation.importance import FeatureImportance, Importance

MAX_FEATURES = 25
MAX_TEXTS = 10
# Fewer numbers make no curve.
FEW_NUMBERS = 4
ANSWERS = {"binary": "probability of true", "regression": "answer"}


def features(card: ModelCard) -> Iterator[Element]:
    """Show the importance of features, and the dependence on the foremost."""
    findings = card.findings
    if findings is None or findings.importance is None:
        return
    yield node("h2", "Features")
    yield from _importance(findings.importance)
    if findings.dependence:
        what = ANSWERS.get(card.task, f"probability of {shown(card.positive, 30)}")
        yield node("h2", f"How the {what} depends on them")
        note = "The mean over rows of which this one value is replaced; 80 % of the answers lie in the band."
        yield node("p", note, class_="note")
        ends = (
            end for each in findings.dependence for point in each.points for end in (point.low, point.high)
        )
        axis = Axis.around(ends)
        pictures = (_dependence(each, what, axis) for each in findings.dependence)
        yield node("div", *pictures, class_="cards small-cards")


def _importance(found: Importance) -> Iterator[Element]:
    top = max((each.drop.value for each in found.features), default=0) or 1
    lines = [_feature(each, top) for each in found.features[:MAX_FEATURES]]
    head = node(
        "tr", *(node("th", title) for title in ("", "", "drop", "95 % interval", "")), class_="titles"
    )
    yield node("div", node("table", head, *lines, class_="importance"), class_="wide")
    more = len(found.features) - MAX_FEATURES
    note = (
        f"How much {metric(found.metric)}, {figure(found.value)}, gets worse on {count(found.rows)} rows "
        "when the values of a feature are shuffled. Of features that say the same, either may look useless."
    )
    yield node("p", f"{note} {count(more)} more features matter less." if more > 0 else note, class_="note")


def _feature(found: FeatureImportance, top: float) -> Element:
    return node(
        "tr",
        node("th", shown(found.name, 40)),
        node("td", bar(found.drop.value / top), class_="bars"),
        node("td", number(found.drop.value), class_="own"),
        node("td", between(found.drop), class_="quiet"),
        node("td", "may be left out" if found.is_useless else "", class_="word quiet"),
    )


def _dependence(found: Dependence, what: str, answers: Axis) -> Element:
    numbers = [point for point in found.points if isinstance(point.value, float)]
    body = _curve(found, what, answers) if len(numbers) >= FEW_NUMBERS else _levels(found.points, answers)
    return node("article", node("h3", shown(found.column, 40)), *body)


def _curve(found: Dependence, what: str, answers: Axis) -> Iterator[Child]:
    known = [(point.value, point) for point in found.points if isinstance(point.value, float)]
    xs = [value for value, _ in known]
    plot = Plot(Axis.around(xs), answers, 300, 170)
    low, high = [point.low for _, point in known], [point.high for _, point in known]
    marks = [
        plot.band(xs, low, high, "band"),
        plot.line([(value, point.mean) for value, point in known], "line series-0"),
        *(plot.dot(value, point.mean, "dot-new", radius=2) for value, point in known),
    ]
    yield plot.draw(*marks, title=f"{what} by {shown(found.column)}")
    for point in found.points:
        if point.value is None:
            yield node("p", f"missing: {figure(point.mean)}", class_="facts")


def _levels(points: Sequence[DependencePoint], answers: Axis) -> Iterator[Child]:
    told = points[:MAX_TEXTS]
    lines = [
        node(
            "tr",
            node("th", _value(point.value)),
            node("td", forest(point.low, point.mean, point.high, answers), class_="bars"),
            node("td", figure(point.mean)),
        )
        for point in told
    ]
    yield node("table", *lines, class_="texts")
    if len(points) > len(told):
        yield node("p", f"and {count(len(points) - len(told))} more values", class_="facts")


def _value(value: float | str | None) -> str:
    if value is None:
        return "(missing)"
    return shown(value, 24) if isinstance(value, str) else figure(value)
