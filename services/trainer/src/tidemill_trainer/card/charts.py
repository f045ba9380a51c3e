"""Charts as inline SVG: axes, and what is drawn between them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from tidemill_runtime.figures import figure
from tidemill_runtime.html import Child, node

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 36
TICKS = 5
STEPS = (1, 2, 5, 10)

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """A range of numbers, with round ones to read it by."""

    low: float
    high: float
    title: str = ""
    is_whole: bool = False

    @classmethod
    def around(cls, values: Iterable[float], title: str = "", *, is_whole: bool = False) -> "Axis":
        """Return an axis that has room for all values, which are finite."""
        known = [*values] or [0.0, 1.0]
        low, high = min(known), max(known)
        margin = (high - low) * 0.04 or abs(low) * 0.1 or 1.0
        return cls(low - margin, high + margin, title, is_whole)

    def place(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return round numbers within the range."""
        rough = (self.high - self.low) / TICKS
        unit = 10 ** math.floor(math.log10(rough))
        step = next(unit * each for each in STEPS if unit * each >= rough * 0.999)
        step = max(step, 1.0) if self.is_whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True)
class Plot:
    """A pair of axes on a canvas of so many units."""

    x: Axis
    y: Axis
    width: int = 360
    height: int = 240

    def at(self, x: float, y: float) -> Point:
        """Return where a point lies on the canvas."""
        across = LEFT + self.x.place(x) * (self.width - LEFT - RIGHT)
        down = self.height - BOTTOM - self.y.place(y) * (self.height - TOP - BOTTOM)
        return round(across, 2), round(down, 2)

    def draw(self, *marks: Child, title: str) -> Element:
        """Put marks between the axes; the title is for those who cannot see it."""
        label = {"role": "img", "aria_label": title}
        box = f"0 0 {self.width} {self.height}"
        style = f"max-width:{self.width}px"
        return node("svg", *self._frame(), *marks, class_="plot", viewBox=box, style=style, **label)

    def line(self, points: Sequence[Point], class_: str) -> Element:
        """Join points."""
        return node("path", d="M" + "L".join(_pair(self.at(*point)) for point in points), class_=class_)

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], class_: str) -> Element:
        """Fill what lies between two lines."""
        there = [self.at(x, y) for x, y in zip(xs, low, strict=True)]
        back = [self.at(x, y) for x, y in zip(reversed(xs), reversed(high), strict=True)]
        return node("path", d="M" + "L".join(map(_pair, [*there, *back])) + "Z", class_=class_)

    def dot(self, x: float, y: float, class_: str, *, radius: float = 3, title: str = "") -> Element:
        """Mark a point; the title shows when it is pointed at."""
        across, down = self.at(x, y)
        place = {"cx": f"{across:g}", "cy": f"{down:g}", "r": f"{radius:.3g}"}
        return node("circle", *([node("title", title)] if title else []), class_=class_, **place)

    def whisker(self, x: float, low: float, high: float) -> Element:
        """Draw an interval upright."""
        return self.line([(x, low), (x, high)], "whisker")

    def level(self, y: float, class_: str = "rule") -> Element:
        """Draw a line across."""
        return self.line([(self.x.low, y), (self.x.high, y)], class_)

    def upright(self, x: float) -> Element:
        """Draw a line from bottom to top."""
        return self.line([(x, self.y.low), (x, self.y.high)], "rule")

    def _frame(self) -> Iterator[Element]:
        for tick in self.y.ticks():
            left, down = self.at(self.x.low, tick)
            yield self.level(tick, "grid")
            yield _text(left - 6, down + 3.5, _tick(tick, self.y), "end")
        bottom = self.height - BOTTOM
        for tick in self.x.ticks():
            across, _ = self.at(tick, self.y.low)
            yield _text(across, bottom + 14, _tick(tick, self.x), "middle")
        yield self.level(self.y.low, "axis-line")
        yield _text((LEFT + self.width - RIGHT) / 2, self.height - 4, self.x.title, "middle")
        if self.y.title:
            middle = (TOP + bottom) / 2
            yield _text(11, middle, self.y.title, "middle", transform=f"rotate(-90 11 {middle:g})")


def forest(low: float, value: float, high: float, axis: Axis, rule: float | None = None) -> Element:
    """Draw an interval around its value on a line of its own, with a rule to hold it against."""
    ends = [min(max(axis.place(number), 0), 1) * 100 for number in (low, value, high)]
    marks = [
        node("path", d=f"M{ends[0]:.4g} 7H{ends[2]:.4g}", class_="whisker"),
        node("path", d=f"M{ends[1]:.4g} 3V11", class_="value"),
    ]
    if rule is not None:
        marks.insert(0, node("path", d=f"M{min(max(axis.place(rule), 0), 1) * 100:.4g} 0V14", class_="rule"))
    return node("svg", *marks, class_="forest", viewBox="0 0 100 14", preserveAspectRatio="none")


def bar(part: float) -> Element:
    """Draw a part of the whole as the length of a bar."""
    return node("i", class_="new", style=f"width:{min(max(part, 0), 1):.2%}")


def _tick(value: float, axis: Axis) -> str:
    if abs(value) < (axis.high - axis.low) * 1e-9:
        return "0"
    return f"{value:.4g}" if abs(value) < 1000 else figure(float(f"{value:.6g}"))


def _text(x: float, y: float, text: str, anchor: str, **attributes: str) -> Element:
    return node("text", text, x=f"{x:.4g}", y=f"{y:.4g}", text_anchor=anchor, **attributes)


def _pair(point: Point) -> str:
    return f"{point[0]:g} {point[1]:g}"
