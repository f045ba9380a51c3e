"""Where the model comes from: data, spec, code and environment."""

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from xml.etree.ElementTree import Element

from tidemill_contracts.profile import LabelProfile
from tidemill_runtime.figures import count, figure, share
from tidemill_runtime.html import node, shown
from tidemill_trainer.card.content import DataFacts, FeatureFacts, ModelCard
from tidemill_trainer.card.words import metric

MAX_FEATURES = 60
MAX_CLASSES = 20
MAX_SPANS = 12


def data(card: ModelCard) -> Iterator[Element]:
    """Tell what was learned from: rows, label, features, and what was left out."""
    facts = card.data
    yield node("h2", "Data")
    yield _pairs(_rows(facts))
    yield _features(facts)
    for reason, columns in groupby(
        sorted(facts.left_out, key=attrgetter("reason")), key=attrgetter("reason")
    ):
        names = ", ".join(shown(column.name, 30) for column in columns)
        yield node("p", f"Not read: {names}. {shown(reason, 200)}", class_="note")
    if facts.restricted:
        yield node(
            "p", f"{count(facts.restricted)} restricted columns are neither read nor named.", class_="note"
        )
    if facts.anomalies:
        rows = [
            node(
                "tr",
                node(
                    "td",
                    node("i", class_="dot warn"),
                    shown(each.message, 300),
                    node("br"),
                    node("code", each.code),
                ),
            )
            for each in facts.anomalies
        ]
        yield node("table", *rows, class_="findings")


def lineage(card: ModelCard) -> Iterator[Element]:
    """Tell what it takes to make the same model again."""
    found = card.lineage
    packages = ", ".join(f"{name} {version}" for name, version in found.environment.packages.items())
    params = next((each.params for each in card.search.candidates if each.family == card.family), {})
    yield node("h2", "Lineage")
    yield _pairs(
        {
            "model": card.model_id,
            "dataset": found.dataset_id,
            "spec": found.spec_digest,
            "spans": ", ".join(found.span_ids[-MAX_SPANS:])
            + (
                f" and {count(len(found.span_ids) - MAX_SPANS)} earlier"
                if len(found.span_ids) > MAX_SPANS
                else ""
            ),
            "seed": str(found.seed),
            "decided by": metric(card.decides),
            "parameters": ", ".join(f"{name} {value}" for name, value in params.items()),
            "code": f"tidemill {found.environment.tidemill}, training {found.environment.code_version}",
            "environment": f"Python {found.environment.python}, {found.environment.platform}",
            "packages": packages,
            "asked for": f"{found.accepted_at:%Y-%m-%d %H:%M:%S} UTC, as {found.correlation_id}",
            "trained": f"{found.trained_at:%Y-%m-%d %H:%M:%S} UTC",
        }
    )


def _rows(facts: DataFacts) -> dict[str, str]:
    learned = f"{count(facts.rows_train)} to train"
    if facts.rows_learned < facts.rows_train:
        learned += f", of which {count(facts.rows_learned)} fit into the memory and were learned from"
    measured = f"{count(facts.rows_eval)} held out"
    if facts.rows_measured < facts.rows_eval:
        measured += f", of which {count(facts.rows_measured)} fit into the memory and were measured"
    spans = f"{min(facts.spans)} to {max(facts.spans)}" if len(facts.spans) > 1 else str(facts.spans[0])
    return {
        "dataset": f"version {facts.dataset}, span{'s' * (len(facts.spans) > 1)} {spans}",
        "rows": f"{learned}; {measured}; {count(facts.rows_unlabelled)} without label; "
        f"{count(facts.rows_rejected)} rejected",
        "split": facts.split,
        "weights": _weights(facts),
        "label": _label(facts.label),
    }


def _weights(facts: DataFacts) -> str:
    told = "by the spec's expression" if facts.weighted else "all rows count alike"
    if not facts.class_weights:
        return told
    return f"{told}; in training " + ", ".join(
        f"{shown(name, 24)} {figure(w)}" for name, w in facts.class_weights
    )


def _label(label: LabelProfile) -> str:
    if label.numeric is not None:
        numeric = label.numeric
        return f"{figure(numeric.minimum)} to {figure(numeric.maximum)}, mean {figure(numeric.mean)}"
    rows = sum(times for _, times in label.classes)
    told = [f"{shown(name, 24)} {share(times, rows)}" for name, times in label.classes[:MAX_CLASSES]]
    more = len(label.classes) - len(told)
    return ", ".join(told) + (f" and {count(more)} more" if more else "")


def _features(facts: DataFacts) -> Element:
    head = node(
        "tr",
        *(node("th", title) for title in ("feature", "read as", "missing", "training rows")),
        class_="titles",
    )
    lines = [_feature(each) for each in facts.features[:MAX_FEATURES]]
    lines += [
        node("tr", node("th", shown(" x ".join(names))), node("td", "cross", class_="word"))
        for names in facts.crosses
    ]
    if len(facts.features) > MAX_FEATURES:
        lines.append(node("tr", node("th", f"and {count(len(facts.features) - MAX_FEATURES)} more")))
    return node("div", node("table", head, *lines, class_="features"), class_="wide")


def _feature(feature: FeatureFacts) -> Element:
    return node(
        "tr",
        node("th", shown(feature.name, 40)),
        node("td", feature.kind, class_="word"),
        node("td", share(feature.missing_share)),
        node("td", shown(feature.summary, 120), class_="params"),
    )


def _pairs(facts: dict[str, str]) -> Element:
    lines = [
        node("tr", node("th", name), node("td", shown(text, 1000))) for name, text in facts.items() if text
    ]
    return node("table", *lines, class_="pairs")
