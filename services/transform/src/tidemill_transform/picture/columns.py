"""One column on the page: what it holds now, what it held before, and how far apart the two are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from xml.etree.ElementTree import Element

from tidemill_contracts.distances import between_columns, missing
from tidemill_contracts.profile import ColumnProfile
from tidemill_runtime.figures import count, figure, share
from tidemill_runtime.html import Child, node, shown
from tidemill_transform.picture.charts import Shares, frequencies, spread
from tidemill_transform.sketches import SMALLEST_HASHES

TOLD_TEXTS = 6
SYMBOLS = {"l_infinity": "L∞", "jensen_shannon": "JS"}


@dataclass(frozen=True, kw_only=True)
class ColumnPicture:
    """A column of new rows, beside the same of earlier data if there is any.

    `role` is what a model makes of it. The values of a restricted column are not shown; `comes_again` says
    whether new values should be like earlier ones.
    """

    new: ColumnProfile
    old: ColumnProfile | None
    role: str
    is_restricted: bool
    comes_again: bool

    @cached_property
    def change(self) -> tuple[float, str]:
        """How far from earlier data, and by which measure; 0 and "" where nothing can be compared."""
        if self.old is None:
            return 0.0, ""
        changes = [(missing(self.new, self.old), "missing")]
        distance = between_columns(self.new, self.old) if self.comes_again else None
        if distance is not None:
            changes.insert(0, (distance.value, SYMBOLS[distance.metric]))
        return max(changes, key=itemgetter(0))


def card(column: ColumnPicture) -> Element:
    """Draw one column."""
    body = (
        [node("p", "Its values are not shown.", class_="note")] if column.is_restricted else _values(column)
    )
    header = node(
        "header", node("h3", shown(column.new.name)), node("span", _change(column), class_="change")
    )
    return node("article", header, _facts(column), *body)


def line(column: ColumnPicture) -> Element:
    """Tell of one column in a row of a table."""
    return node(
        "tr",
        node("th", shown(column.new.name)),
        node("td", column.new.type, class_="word"),
        node("td", column.role, class_="word"),
        node("td", share(column.new.nulls, column.new.rows)),
        node("td", _change(column)),
    )


def _change(column: ColumnPicture) -> str:
    change, measure = column.change
    return f"{measure} {change:.3f}" if change or measure in SYMBOLS.values() else ""


def _facts(column: ColumnPicture) -> Element:
    new, old = column.new, column.old
    lacking = f"{share(new.nulls, new.rows) if new.nulls else 'none'} missing"
    if old is not None and old.nulls * new.rows != new.nulls * old.rows:
        lacking += f", was {share(old.nulls, old.rows)}"
    distinct = count(new.distinct_estimate)
    about = "" if new.distinct_estimate < SMALLEST_HASHES else "about "
    return node(
        "p", f"{new.type} · {lacking} · {about}{distinct} distinct", node("br"), column.role, class_="facts"
    )


def _values(column: ColumnPicture) -> list[Child]:
    new, old = column.new, column.old
    if new.type == "string" and not column.comes_again:
        return _table(column, _lengths)
    if new.categorical is not None or (old is not None and old.categorical is not None):
        return [frequencies(_shares(new), None if old is None else _shares(old), TOLD_TEXTS)]
    drawing = spread(new.numeric, None if old is None else old.numeric, new.type)
    return [*drawing, *_table(column, _moments)]


def _shares(column: ColumnProfile) -> Shares:
    values = column.rows - column.nulls
    known = column.categorical.vocabulary if column.categorical else ()
    return {text: times / values for text, times in known}


def _table(column: ColumnPicture, facts_of: Callable[[ColumnProfile], Mapping[str, str]]) -> list[Child]:
    """Put the facts of new and of earlier rows below each other."""
    profiles = {"new": column.new} if column.old is None else {"new": column.new, "earlier": column.old}
    facts = {name: facts_of(profile) for name, profile in profiles.items()}
    lines = [
        node("tr", node("th", name), *(node("td", fact) for fact in told.values()), class_=name)
        for name, told in facts.items()
        if told
    ]
    titles = next((told for told in facts.values() if told), None)
    if titles is None:
        return []
    return [
        node(
            "table", node("tr", node("th"), *(node("th", each) for each in titles)), *lines, class_="moments"
        )
    ]


def _moments(column: ColumnProfile) -> Mapping[str, str]:
    numeric = column.numeric
    if numeric is None:
        return {}
    facts = {"min": numeric.minimum, "median": numeric.quantiles[len(numeric.quantiles) // 2]}
    if column.type != "timestamp":
        facts |= {"mean": numeric.mean, "std": numeric.stddev}
    facts["max"] = numeric.maximum
    return {name: figure(number, column.type) for name, number in facts.items()}


def _lengths(column: ColumnProfile) -> Mapping[str, str]:
    texts = column.categorical
    if texts is None:
        return {}
    return {
        "words": figure(round(texts.mean_words, 1)),
        "min bytes": count(texts.min_length_bytes),
        "mean bytes": figure(round(texts.mean_length_bytes, 1)),
        "max bytes": count(texts.max_length_bytes),
    }
