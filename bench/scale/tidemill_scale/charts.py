"""The picture of docs/scale.md, as SVG that stands alone, by day and by night."""

import math
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

from tidemill_runtime.html import Child, node
from tidemill_scale.bottlenecks import ALL
from tidemill_scale.tables import NAMES, PLANS

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 268, 16, 34
LABEL_HEIGHT = 15
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1d2329 } .quiet { fill: #68727c } .axis { stroke: #e2e6ea }
path { fill: none; stroke-width: 2 } .end { stroke: #b3382c; stroke-width: 1; stroke-dasharray: 4 3 }
.a { stroke: #2f6ea5 } .b { stroke: #b8652a } .c { stroke: #3a7d5d } .d { stroke: #7a559c }
.e { stroke: #b07a1e } .f { stroke: #8b949c } .page { fill: #ffffff }
@media (prefers-color-scheme: dark) {
text { fill: #e4e7ea } .quiet { fill: #98a2ab } .axis { stroke: #2c3238 } .end { stroke: #e27b70 }
.a { stroke: #74aede } .b { stroke: #e0985f } .c { stroke: #6fb893 } .d { stroke: #b795d6 }
.e { stroke: #d8a84e } .f { stroke: #a6afb7 } .page { fill: #15181b } }
"""
COLOURS = "abcdef"
LEAST, MOST = 0.01, 1000

Point = tuple[float, float]


def bottlenecks() -> str:
    """Draw how much of what gives way first every size uses, on a logarithmic axis."""
    first = sorted(ALL, key=lambda each: -max(each.share(plan) for plan in PLANS[:4]))[: len(COLOURS)]
    across = [LEFT + index * (WIDTH - LEFT - RIGHT) / (len(PLANS) - 1) for index in range(len(PLANS))]
    decades = range(round(math.log10(LEAST)), round(math.log10(MOST)) + 1)
    marks: list[Child] = [_grid(_down(10.0**decade), f"{10.0**decade:g}") for decade in decades]
    marks += [_text(x, HEIGHT - 12, name, "middle") for x, name in zip(across, NAMES, strict=True)]
    marks.append(_line([(LEFT, _down(1)), (WIDTH - RIGHT, _down(1))], "end"))
    ends = []
    for colour, each in zip(COLOURS, first, strict=True):
        downs = [_down(each.share(plan)) for plan in PLANS]
        marks.append(_line(list(zip(across, downs, strict=True)), colour))
        ends.append((downs[-1], each.what))
    marks += _labels(ends)
    return _picture(marks, "How much of each bound every size uses; above 1 it does not hold")


def _picture(marks: Iterable[Child], title: str) -> str:
    svg = node(
        "svg",
        node("title", title),
        node("style", STYLE),
        node("rect", class_="page", width=str(WIDTH), height=str(HEIGHT)),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        role="img",
    )
    return tostring(svg, encoding="unicode") + "\n"


def _down(share: float) -> float:
    height = math.log10(MOST / LEAST)
    place = math.log10(min(MOST, max(LEAST, share)) / LEAST) / height
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _grid(down: float, label: str) -> Element:
    line = _line([(LEFT, down), (WIDTH - RIGHT, down)], "axis")
    return node("g", line, _text(LEFT - 8, down + 4, label, "end"))


def _labels(ends: Sequence[tuple[float, str]]) -> Iterable[Child]:
    """Write what each line is, beside its end; no two lie over each other."""
    below = 0.0
    for (down, what), colour in sorted(zip(ends, COLOURS, strict=False)):
        place = max(down + 4, below + LABEL_HEIGHT)
        below = place
        x = WIDTH - RIGHT + 10
        yield _line([(x, place - 4), (x + 12, place - 4)], colour)
        yield _text(x + 18, place, what, "start", "")


def _text(x: float, y: float, text: str, anchor: str, class_: str = "quiet") -> Element:
    return node("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=class_)


def _line(points: Sequence[Point], class_: str) -> Element:
    return node("path", d="M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)
