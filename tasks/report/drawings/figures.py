"""Bars, and plots of lines over two axes. The page's style decides their colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.report.drawings.svg import element, number, picture, text
from windrow.tasks.report.formats import compact, percent, plural

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 44
CURVE_POINTS = 240
STEPS = 5


@dataclass(frozen=True)
class Axis:
    """An axis: its title, its ends, and its ticks as (value, words)."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Where between `start` and `end` a value lies."""
        low, high, at = (math.log10(each) if self.logarithmic else each for each in (self.low, self.high, value))
        return start + (end - start) * (at - low) / ((high - low) or 1)


@dataclass(frozen=True)
class Line:
    """Points (x, y) joined by a line; with `dots`, each is marked."""

    points: Sequence[tuple[float, float]]
    style: str
    dots: bool = False


def bar(share: float, class_: str) -> Markup:
    """Return a bar that fills `share` (0 to 1) of the width it is given; the number stands beside it, in words."""
    width = f"{min(max(share, 0.004 if share > 0 else 0), 1) * 100:.1f}%"
    rect = element("rect", width=width, height="100%", rx=2.0, class_=class_)
    return element("svg", rect, class_="bar", aria_hidden="true")


def linear(title: str, low: float, high: float, form: Callable[[float], str] = lambda v: percent(v, 0)) -> Axis:
    """Return an axis from `low` to `high` with STEPS equal steps."""
    values = [low + (high - low) * step / STEPS for step in range(STEPS + 1)]
    return Axis(title, low, high, tuple((value, form(value)) for value in values))


def counting(title: str, most: int) -> Axis:
    """Return an axis of counts from 0 to `most` or a little more, in round steps."""
    power = 10 ** max(0, len(str(most)) - 2)
    step = next(n * power for n in (1, 2, 5, 10, 20) if n * power * STEPS >= most)
    return linear(title, 0, step * STEPS, compact)


def named(title: str, names: Sequence[str]) -> Axis:
    """Return an axis with a name at 0, 1, 2, ..."""
    return Axis(title, -0.25, len(names) - 0.75, tuple(enumerate(names)))


def logarithmic(title: str, high: int, low: int = 1) -> Axis:
    """Return a logarithmic axis; its ticks are powers of ten, with 2 and 5 between them where there are few."""
    steps = (1,) if high >= 1000 * low else (1, 2, 5)
    ticks = [step * 10**power for power in range(len(str(high))) for step in steps]
    inside = tuple((tick, compact(tick)) for tick in ticks if low <= tick <= high)
    return Axis(title, low, max(high, 2 * low), inside, logarithmic=True)


def plot(
    label: str,
    x: Axis,
    y: Axis,
    *lines: Line,
    over: Sequence[Markup] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Markup:
    """Draw lines over two axes; `label` says in words what is to be seen, `over` is drawn on top."""
    drawn = (part for line in lines if len(line.points) for part in _line(line, x, y, width, height))
    parts = (*_grid(x, y, width, height), *axis_titles(x.title, y.title, width, height), *drawn, *over)
    return picture(width, height, label, *parts, style="plot")


def place(point: tuple[float, float], x: Axis, y: Axis, width: float, height: float) -> tuple[float, float]:
    """Where a point of a plot lies in its drawing."""
    return x.place(point[0], LEFT, width - RIGHT), y.place(point[1], height - BOTTOM, TOP)


def size_curve(pool: Int64Array, curated: Int64Array) -> Markup:
    """Draw cluster sizes, largest first, on logarithmic axes; clusters without samples have no place on them."""
    curves = [np.sort(sizes[sizes > 0])[::-1] for sizes in (pool, curated)]
    n_clusters = max(len(curve) for curve in curves)
    largest = max((int(curve[0]) for curve in curves if len(curve)), default=1)
    lines = [Line(_thinned(curve), style) for curve, style in zip(curves, ("line-pool", "line-curated"), strict=True)]
    label = f"Sizes of {plural(n_clusters, 'cluster')}, largest first, in the pool and in the curated set"
    return plot(label, logarithmic("clusters, largest first", n_clusters), logarithmic("samples", largest), *lines)


def _thinned(curve: Int64Array) -> list[tuple[float, float]]:
    if not len(curve):
        return []
    ranks = np.unique(np.geomspace(1, len(curve), CURVE_POINTS).round().astype(int))
    return [(float(rank), float(curve[rank - 1])) for rank in ranks]


def _line(line: Line, x: Axis, y: Axis, width: float, height: float) -> Iterator[Markup]:
    places = [place(point, x, y, width, height) for point in line.points]
    yield element("polyline", points=" ".join(f"{number(a)},{number(b)}" for a, b in places), class_=line.style)
    if line.dots:
        yield from (element("circle", cx=a, cy=b, r=4.0, class_=f"{line.style} dot") for a, b in places)


def _grid(x: Axis, y: Axis, width: float, height: float) -> Iterator[Markup]:
    for value, words in y.ticks:
        at = y.place(value, height - BOTTOM, TOP)
        yield element("line", x1=LEFT, x2=width - RIGHT, y1=at, y2=at, class_="grid")
        yield text(LEFT - 8, at + 4, words, class_="tick end")
    for value, words in x.ticks:
        at = x.place(value, LEFT, width - RIGHT)
        yield element("line", x1=at, x2=at, y1=TOP, y2=height - BOTTOM, class_="grid")
        yield text(at, height - BOTTOM + 16, words, class_="tick middle")


def axis_titles(across: str, up: str, width: float = WIDTH, height: float = HEIGHT) -> list[Markup]:
    """Return the titles of both axes of a drawing of this size, margins as here."""
    middle = (TOP + height - BOTTOM) / 2
    turned = f"rotate(-90 14 {number(middle)})"
    return [
        text((LEFT + width - RIGHT) / 2, height - 6, across, class_="axis middle"),
        text(14, middle, up, class_="axis middle", transform=turned),
    ]
