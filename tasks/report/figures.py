"""Bars, and the curve of cluster sizes. The page's style decides their colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.report.formats import compact, plural
from windrow.tasks.report.svg import element, number, picture, text

Scale = Callable[[float], float]

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 44
CURVE_POINTS = 240


def bar(share: float, class_: str) -> Markup:
    """Return a bar that fills `share` (0 to 1) of the width it is given; the number stands beside it, in words."""
    width = f"{min(max(share, 0.004 if share > 0 else 0), 1) * 100:.1f}%"
    rect = element("rect", width=width, height="100%", rx=2.0, class_=class_)
    return element("svg", rect, class_="bar", aria_hidden="true")


def size_curve(pool: Int64Array, curated: Int64Array) -> Markup:
    """Draw cluster sizes, largest first, on logarithmic axes; clusters without samples have no place on them."""
    curves = [np.sort(sizes[sizes > 0])[::-1] for sizes in (pool, curated)]
    n_clusters = max(len(curve) for curve in curves)
    largest = max((int(curve[0]) for curve in curves if len(curve)), default=1)
    x = _logarithmic(n_clusters, LEFT, WIDTH - RIGHT)
    y = _logarithmic(largest, HEIGHT - BOTTOM, TOP)
    grid = _grid(x, y, _ticks(n_clusters), _ticks(largest))
    titles = axis_titles("clusters, largest first", "samples")
    lines = [
        _line(curve, x, y, name)
        for curve, name in zip(curves, ("line-pool", "line-curated"), strict=True)
        if len(curve)
    ]
    label = f"Sizes of {plural(n_clusters, 'cluster')}, largest first, in the pool and in the curated set"
    return picture(WIDTH, HEIGHT, label, *grid, *titles, *lines, style="plot")


def _line(curve: Int64Array, x: Scale, y: Scale, class_: str) -> Markup:
    ranks = np.unique(np.geomspace(1, len(curve), CURVE_POINTS).round().astype(int))
    points = " ".join(f"{number(x(rank))},{number(y(curve[rank - 1]))}" for rank in ranks)
    return element("polyline", points=points, class_=class_)


def _logarithmic(high: float, start: float, end: float) -> Scale:
    span = math.log10(max(high, 2))
    return lambda value: start + (end - start) * math.log10(value) / span


def _ticks(high: int) -> list[int]:
    """Powers of ten up to `high`, with 2 and 5 between them where there are few."""
    steps = (1,) if high >= 1000 else (1, 2, 5)
    ticks = [step * 10**power for power in range(len(str(high))) for step in steps]
    return [tick for tick in ticks if tick <= high]


def _grid(x: Scale, y: Scale, x_ticks: Sequence[int], y_ticks: Sequence[int]) -> list[Markup]:
    drawn = []
    for tick in y_ticks:
        drawn.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        drawn.append(text(LEFT - 8, y(tick) + 4, compact(tick), class_="tick end"))
    for tick in x_ticks:
        drawn.append(element("line", x1=x(tick), x2=x(tick), y1=TOP, y2=HEIGHT - BOTTOM, class_="grid"))
        drawn.append(text(x(tick), HEIGHT - BOTTOM + 16, compact(tick), class_="tick middle"))
    return drawn


def axis_titles(across: str, up: str, width: float = WIDTH, height: float = HEIGHT) -> list[Markup]:
    """Return the titles of both axes of a drawing of this size, margins as here."""
    middle = (TOP + height - BOTTOM) / 2
    turned = f"rotate(-90 14 {number(middle)})"
    return [
        text((LEFT + width - RIGHT) / 2, height - 6, across, class_="axis middle"),
        text(14, middle, up, class_="axis middle", transform=turned),
    ]
