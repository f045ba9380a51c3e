"""Distributions drawn: how numbers are spread, and how frequent texts are, in new and in earlier data."""

import heapq
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np

from tidemill_contracts.profile import ColumnType, NumericProfile
from tidemill_runtime.figures import figure, share
from tidemill_runtime.html import Child, node, shown
from tidemill_transform.sketches import Floats

BINS = 30
WIDTH, HEIGHT = 300, 64
# Whole numbers of so small a range have a bar each.
MAX_WHOLE_BARS = 64
MAX_EXACT = 2**50
# An extreme this far out, in ranges of all but the outermost values, would leave no room for the others.
FAR_OUT = 0.5

Shares = Mapping[str, float]


def spread(new: NumericProfile | None, old: NumericProfile | None, kind: ColumnType) -> list[Child]:
    """Draw new numbers as an area and earlier ones as a line; nothing when there are neither."""
    known = [numeric for numeric in (new, old) if numeric is not None]
    if not known:
        return []
    edges = _edges(known, kind)
    heights = {
        name: _shares(numeric, edges) for name, numeric in (("new", new), ("old", old)) if numeric is not None
    }
    top = max(float(each.max()) for each in heights.values())
    paths = [node("path", class_=name, d=_steps(each / top)) for name, each in heights.items()]
    picture = node("svg", *paths, viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none")
    return [picture, _axis(known, edges, kind)]


def frequencies(new: Shares, old: Shares | None, most: int) -> Element:
    """Draw the shares of the most frequent texts, new ones over earlier ones.

    Args:
        new: Share of the values that are each text.
        old: The same of earlier data; None when there is none.
        most: How many texts are drawn.
    """
    earlier = old or {}
    largest = {text: max(new.get(text, 0), earlier.get(text, 0)) for text in {**new, **earlier}}
    drawn = heapq.nsmallest(most, largest, key=lambda text: (-largest[text], text))
    top = max((largest[text] for text in drawn), default=1)
    rows = [
        _frequency(text, new.get(text, 0), None if old is None else old.get(text, 0), top) for text in drawn
    ]
    return node("table", *rows, class_="texts")


def _axis(known: Sequence[NumericProfile], edges: Floats, kind: ColumnType) -> Element:
    """Write the extremes, and where the drawing ends if they lie beyond."""
    least, greatest = min(each.minimum for each in known), max(each.maximum for each in known)
    left, right = figure(least, kind), figure(greatest, kind)
    if least < edges[0]:
        left = f"{left} … {figure(float(edges[0]), kind)}"
    if greatest > edges[-1]:
        right = f"{figure(float(edges[-1]), kind)} … {right}"
    return node("p", node("span", left), node("span", right), class_="axis")


def _frequency(text: str, new: float, old: float | None, top: float) -> Element:
    bars = [_bar("new", new / top)] if old is None else [_bar("new", new / top), _bar("old", old / top)]
    return node(
        "tr",
        node("th", shown(text, 24) or "(empty)"),
        node("td", *bars, class_="bars"),
        node("td", share(new)),
        *([] if old is None else [node("td", share(old), class_="earlier")]),
    )


def _bar(name: str, part: float) -> Element:
    return node("i", class_=name, style=f"width:{part:.1%}")


def _edges(known: Sequence[NumericProfile], kind: ColumnType) -> Floats:
    """Return the edges of bins for all numbers but far outliers, which are in the outermost bins."""
    least, greatest = min(each.minimum for each in known), max(each.maximum for each in known)
    if kind == "int" and greatest - least < MAX_WHOLE_BARS and max(-least, greatest) < MAX_EXACT:
        return np.arange(least - 0.5, greatest + 1)
    inner_least = min(each.quantiles[1] for each in known)
    inner_greatest = max(each.quantiles[-2] for each in known)
    room = FAR_OUT * (inner_greatest - inner_least)
    least = least if least >= inner_least - room else inner_least
    greatest = greatest if greatest <= inner_greatest + room else inner_greatest
    if greatest == least:
        return np.array([least - 0.5, least + 0.5])
    # Quarters, because the range of two floats may be no float.
    return 4 * np.linspace(least / 4, greatest / 4, BINS + 1)


def _shares(numeric: NumericProfile, edges: Floats) -> Floats:
    """Return the shares of numbers between edges; between two quantiles they are spread evenly.

    Quantiles tell little of numbers that are all the same few: those have a bin each in the histogram.
    """
    is_whole = len(numeric.histogram) == numeric.maximum - numeric.minimum + 1
    if is_whole and edges[0] < numeric.minimum and edges[1] - edges[0] == 1:
        shares = np.zeros(len(edges) - 1)
        first = int(numeric.minimum - edges[0])
        shares[first : first + len(numeric.histogram)] = numeric.histogram
        return shares
    ranks = np.linspace(0, 1, len(numeric.quantiles))
    below = np.interp(edges, numeric.quantiles, ranks)
    below[[0, -1]] = 0, 1
    return np.diff(below)


def _steps(heights: Floats) -> str:
    """Return the outline of bars as a path; heights are parts of the whole."""
    width = WIDTH / len(heights)
    tops = (HEIGHT - 1) * (1 - heights) + 0.5
    steps = [f"V{top:.4g}H{width * (place + 1):.4g}" for place, top in enumerate(tops)]
    return f"M0 {HEIGHT}{''.join(steps)}V{HEIGHT}"
