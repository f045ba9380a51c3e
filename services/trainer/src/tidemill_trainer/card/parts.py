"""Slices and groups: where the model does worse, and whom it treats otherwise."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from xml.etree.ElementTree import Element

from tidemill_contracts.training_spec import FairnessLimits
from tidemill_runtime.figures import NONE, count, figure, share
from tidemill_runtime.html import node, shown
from tidemill_trainer.card.charts import Axis, forest
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.words import between, chance, direction, metric, signed
from tidemill_trainer.evaluation.comparison import Comparison
from tidemill_trainer.evaluation.fairness import Fairness, GroupRates
from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.search import LOSS, WeakSlice
from tidemill_trainer.evaluation.slices import SliceMetrics

MAX_SLICES = 30
CONDITION_CHARACTERS = 80
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "calibration")


def slices(card: ModelCard) -> Iterator[Element]:
    """Show the declared slices, and those that were found to be worse than the rest."""
    findings = card.findings
    if findings is None:
        return
    yield node("h2", "Slices")
    whole = findings.held_out.metrics.get(card.decides)
    declared = [
        _declared([*parts], card.decides, whole)
        for _, parts in groupby(findings.slices, key=attrgetter("columns"))
    ]
    yield node("div", *declared, class_="tables")
    if findings.weak_slices:
        yield node("h3", "Found: worse than all other rows")
        yield _weak(findings.weak_slices, LOSS[findings.task])
    else:
        yield node(
            "p", "No part of the rows was found that is worse than the others beyond chance.", class_="note"
        )


def groups(card: ModelCard) -> Iterator[Element]:
    """Show how the declared groups are treated."""
    if card.findings is None or not card.findings.fairness or card.blessing.fairness is None:
        return
    yield node("h2", "Groups")
    for fairness in card.findings.fairness:
        yield node("div", *_group_tables(fairness, card.blessing.fairness), class_="tables")
    yield node(
        "p",
        f"The answer is yes from {figure(card.blessing.fairness.threshold)} on. Calibration is the mean "
        "probability less the share that is true. Gaps are between the two groups that lie farthest apart.",
        class_="note",
    )


def _declared(parts: Sequence[SliceMetrics], decides: str, whole: Estimate | None) -> Element:
    found = [part.metrics[decides] for part in parts if decides in part.metrics]
    axis = Axis.around(
        [end for each in found for end in (each.low, each.high)] + ([whole.value] if whole else [])
    )
    compared = any(part.comparison for part in parts)
    titles = [
        ", ".join(parts[0].columns),
        "rows",
        f"{metric(decides)} {direction(decides)}",
        "",
        "95 % interval",
    ]
    head = node(
        "tr",
        *(node("th", shown(title)) for title in [*titles, *(["against champion"] if compared else [])]),
        class_="titles",
    )
    measured = [part for part in parts if part.metrics]
    lines = [_slice(part, decides, axis, whole, compared=compared) for part in measured[:MAX_SLICES]]
    if len(measured) > MAX_SLICES:
        lines.append(node("tr", node("th", f"and {count(len(measured) - MAX_SLICES)} more")))
    if small := [part for part in parts if not part.metrics]:
        rows = sum(part.rows for part in small)
        line = [node("th", f"{count(len(small))} with too few rows"), node("td", count(rows))]
        lines.append(node("tr", *line, class_="quiet"))
    return node("div", node("table", head, *lines, class_="slices"), class_="wide")


def _slice(
    part: SliceMetrics, decides: str, axis: Axis, whole: Estimate | None, *, compared: bool
) -> Element:
    found = part.metrics.get(decides)
    name = node("th", shown(part.condition, CONDITION_CHARACTERS))
    if found is None:
        cells = [node("td", NONE), node("td"), node("td", "not defined", class_="quiet")]
    else:
        drawn = forest(found.low, found.value, found.high, axis, whole.value if whole else None)
        cells = [
            node("td", figure(found.value), class_="own"),
            node("td", drawn, class_="drawn"),
            node("td", between(found), class_="quiet"),
        ]
    gain = [node("td", _gain(part.comparison), class_="quiet")] if compared else []
    return node("tr", name, node("td", count(part.rows)), *cells, *gain)


def _gain(comparison: Comparison | None) -> str:
    return NONE if comparison is None else f"{signed(comparison.gain.value)}, {chance(comparison.p_value)}"


def _weak(found: Sequence[WeakSlice], loss: str) -> Element:
    titles = ("", "rows", "share", metric(loss), "elsewhere", "effect", "")
    head = node("tr", *(node("th", title) for title in titles), class_="titles")
    lines = [
        node(
            "tr",
            node("th", shown(each.condition, CONDITION_CHARACTERS)),
            node("td", count(each.rows)),
            node("td", share(each.share)),
            node("td", figure(each.loss), class_="own"),
            node("td", figure(each.loss_elsewhere)),
            node("td", f"{each.effect_size:.2f}"),
            node("td", chance(each.p_value)),
        )
        for each in found
    ]
    return node("div", node("table", head, *lines, class_="slices"), class_="wide")


def _group_tables(fairness: Fairness, limits: FairnessLimits) -> Iterator[Element]:
    rates = [name for name in RATES if any(name in group.rates for group in fairness.groups)]
    titles = [", ".join(fairness.columns), "rows", *(name.replace("_", " ") for name in rates)]
    head = node("tr", *(node("th", shown(title)) for title in titles), class_="titles")
    lines = [_group(group, rates) for group in fairness.groups]
    lines += [
        node(
            "tr", node("th", shown(condition)), node("td", count(rows)), node("td", "too few", class_="quiet")
        )
        for condition, rows in fairness.unmeasured
    ]
    yield node("div", node("table", head, *lines, class_="groups"), class_="wide")
    bounds = {str(gap): limit for gap, limit in limits.max_gaps.items()}
    yield node(
        "table", *(_gap(name, each, bounds.get(name)) for name, each in fairness.gaps.items()), class_="gaps"
    )


def _group(group: GroupRates, rates: Sequence[str]) -> Element:
    cells = [_rate(group.rates.get(name)) for name in rates]
    return node("tr", node("th", shown(group.condition)), node("td", count(group.rows)), *cells)


def _rate(found: Estimate | None) -> Element:
    return node("td", NONE) if found is None else node("td", f"{found.value:.3f}", title=between(found))


def _gap(name: str, found: Estimate, limit: float | None) -> Element:
    is_broken = limit is not None and found.value > limit
    bound = "" if limit is None else f"limit {limit:g}"
    return node(
        "tr",
        node("th", name.replace("_", " ")),
        node("td", f"{found.value:.3f}", class_="broken" if is_broken else "own"),
        node("td", f"{found.low:.3f} to {found.high:.3f}", class_="quiet"),
        node("td", bound, class_="quiet"),
    )
