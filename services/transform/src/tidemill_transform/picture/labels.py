"""What is to be predicted, side by side: in all rows, and in slices of them."""

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from xml.etree.ElementTree import Element

from tidemill_contracts.profile import LabelProfile, SliceProfile, Task
from tidemill_runtime.figures import NONE, count, figure, share
from tidemill_runtime.html import node, shown

MAX_CLASSES = 20
MAX_SLICES = 15
MOMENTS = ("min", "median", "mean", "max")
TOLD: Mapping[Task, str] = {"binary": "true", "multiclass": "most frequent", "regression": "mean"}

Slice = tuple[tuple[str, ...], tuple[str | None, ...]]


def label_table(labels: Mapping[str, LabelProfile], *, is_hidden: bool) -> Element:
    """Show the balance of classes, or the spread of numbers, in several sets of rows."""
    if any(label.task == "regression" for label in labels.values()):
        return _spread(labels)
    names = list(dict.fromkeys(name for label in labels.values() for name, _ in label.classes))
    sizes = [sum(rows for _, rows in label.classes) for label in labels.values()]
    lines = [_titles("", *labels), _line("rows", *map(count, sizes))]
    for place, name in enumerate(names[:MAX_CLASSES]):
        counts = [dict(label.classes).get(name, 0) for label in labels.values()]
        title = f"class {place + 1}" if is_hidden else shown(name)
        lines.append(_line(title, *(share(*pair) for pair in zip(counts, sizes, strict=True))))
    return node("table", *lines, *_more(len(names) - MAX_CLASSES), class_="labels")


def slice_table(
    slices: Sequence[SliceProfile], rows: int, earlier: Mapping[Slice, SliceProfile] | None
) -> Element:
    """Show how many of the rows each part has, and its labels beside those of earlier data."""
    titles = [shown(", ".join(slices[0].columns)), "rows", "share", TOLD[slices[0].label.task]]
    lines = [_titles(*titles, *(["earlier"] if earlier is not None else []))]
    for part in slices[:MAX_SLICES]:
        values = ", ".join(NONE if value is None else value or '""' for value in part.values)
        cells = [count(part.rows), share(part.rows, rows), _told(part.label)]
        if earlier is not None:
            before = earlier.get((part.columns, part.values))
            cells.append(NONE if before is None else _told(before.label))
        lines.append(_line(shown(values), *cells))
    return node("table", *lines, *_more(len(slices) - MAX_SLICES), class_="slices")


def _spread(labels: Mapping[str, LabelProfile]) -> Element:
    lines = [_titles("", *MOMENTS)]
    for name, label in labels.items():
        if (numeric := label.numeric) is not None:
            median = numeric.quantiles[len(numeric.quantiles) // 2]
            lines.append(_line(name, *map(figure, (numeric.minimum, median, numeric.mean, numeric.maximum))))
    return node("table", *lines, class_="labels")


def _told(label: LabelProfile) -> str:
    """Tell a label in short, as its title says."""
    if label.numeric is not None:
        return figure(label.numeric.mean)
    rows = sum(times for _, times in label.classes)
    if label.task == "binary":
        return share(dict(label.classes)["true"], rows)
    name, times = max(label.classes, key=itemgetter(1))
    return f"{shown(name, 20)} {share(times, rows)}"


def _titles(*titles: str) -> Element:
    return node("tr", *(node("th", title) for title in titles), class_="titles")


def _line(name: str, *cells: str) -> Element:
    return node("tr", node("th", name), *(node("td", cell) for cell in cells))


def _more(others: int) -> Iterator[Element]:
    if others > 0:
        yield _line(f"and {count(others)} more")
