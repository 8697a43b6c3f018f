"""The drawings with axes: cluster sizes and the embedding map. Colours are classes, so the page's style decides them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from windrow.tasks.report.facts import Counts
from windrow.tasks.report.formats import compact, count, percent, plural, shortened
from windrow.tasks.report.svg import dots, element, number, picture, text

Coordinates = npt.NDArray[np.float64]
Scale = Callable[[float], float]

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 44
CURVE_POINTS = 240
COLOURS = 10


def bar(share: float, class_: str) -> Markup:
    """Return a bar that fills `share` (0 to 1) of the width it is given; the number stands beside it, in words."""
    width = f"{min(max(share, 0.004 if share > 0 else 0), 1) * 100:.1f}%"
    rect = element("rect", width=width, height="100%", rx=2.0, class_=class_)
    return element("svg", rect, class_="bar", aria_hidden="true")


def size_curve(pool: Counts, curated: Counts) -> Markup:
    """Draw cluster sizes, largest first, on logarithmic axes; clusters without samples have no place on them."""
    curves = [np.sort(sizes[sizes > 0])[::-1] for sizes in (pool, curated)]
    n_clusters = max(len(curve) for curve in curves)
    largest = max((int(curve[0]) for curve in curves if len(curve)), default=1)
    x = _logarithmic(n_clusters, LEFT, WIDTH - RIGHT)
    y = _logarithmic(largest, HEIGHT - BOTTOM, TOP)
    grid = _grid(x, y, _ticks(n_clusters), _ticks(largest))
    titles = _axis_titles("clusters, largest first", "samples")
    lines = [
        _line(curve, x, y, name)
        for curve, name in zip(curves, ("line-pool", "line-curated"), strict=True)
        if len(curve)
    ]
    label = f"Sizes of {plural(n_clusters, 'cluster')}, largest first, in the pool and in the curated set"
    return picture(WIDTH, HEIGHT, label, *grid, *titles, *lines, style="plot")


def _line(curve: Counts, x: Scale, y: Scale, class_: str) -> Markup:
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


def _axis_titles(across: str, up: str, width: float = WIDTH, height: float = HEIGHT) -> list[Markup]:
    middle = (TOP + height - BOTTOM) / 2
    turned = f"rotate(-90 14 {number(middle)})"
    return [
        text((LEFT + width - RIGHT) / 2, height - 6, across, class_="axis middle"),
        text(14, middle, up, class_="axis middle", transform=turned),
    ]


@dataclass(frozen=True)
class EmbeddingMap:
    """Samples in the plane of the first two principal components.

    `pool` (n, 2) and `curated` (m, 2) are samples of each, `labels` the classes of `curated`, `explained` the share of
    the variance along each axis. `n_pool` and `n_curated` are the sizes of the whole.
    """

    pool: Coordinates
    curated: Coordinates
    labels: tuple[str, ...]
    explained: tuple[float, float]
    n_pool: int
    n_curated: int

    def colours(self, order: Sequence[str]) -> dict[str, str]:
        """Return the style of each class: the first COLOURS of `order` have their own, the others share one."""
        there = set(self.labels)
        names = [name for name in order if name in there]
        names += sorted(there.difference(names))
        return {name: f"c{n}" if n < COLOURS else "other" for n, name in enumerate(names)}


def project(vectors: npt.NDArray[np.float32], n_fitted: int) -> tuple[Coordinates, tuple[float, float]]:
    """Project vectors (n, dim) on the first two principal components of the first `n_fitted` rows.

    Returns the coordinates (n, 2) and the shares of the variance. Signs are fixed by the largest loading, which an SVD
    leaves open.
    """
    centred = vectors.astype(np.float64) - vectors[:n_fitted].mean(axis=0, dtype=np.float64)
    _, values, axes = np.linalg.svd(centred[:n_fitted], full_matrices=False)
    axes, total = axes[:2], (values**2).sum()
    axes *= np.where(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], 1) < 0, -1.0, 1.0)
    plane = np.zeros((len(vectors), 2))
    plane[:, : len(axes)] = centred @ axes.T
    shares = [float(value**2 / total) if total > 0 else 0.0 for value in (*values[:2], 0.0, 0.0)]
    return plane, (shares[0], shares[1])


MAP_WIDTH, MAP_HEIGHT = 1056, 580
LABEL_HEIGHT, LETTER_WIDTH = 16.0, 8.0


def embedding_map(found: EmbeddingMap, order: Sequence[str]) -> Markup:
    """Draw the pool in grey and the curated set over it in the colours of its classes, largest class of `order` first.

    Both axes have one scale, so distances compare; the few points outside of the frame lie on its edge.
    """
    place = _frame(np.concatenate([found.pool, found.curated]))
    colours = found.colours(order)
    layers = [dots([place(row) for row in found.pool], "dots pool")]
    labels = np.asarray(found.labels, dtype=object)
    for style in dict.fromkeys(colours.values()):
        inside = [place(row) for row, name in zip(found.curated, found.labels, strict=True) if colours[name] == style]
        layers.append(dots(inside, f"dots {style}"))
    middles = {
        name: place(np.median(found.curated[labels == name], axis=0))
        for name, style in colours.items()
        if style != "other"
    }
    for name, (x, y) in apart(middles).items():
        dot = element("tspan", "\u25cf ", class_=f"ink-{colours[name]}")
        layers.append(element("text", dot, shortened(name, 18), x=x, y=y, class_="place middle"))
    first, second = (f"component {n}: {percent(share)} of the variance" for n, share in enumerate(found.explained, 1))
    edge = element(
        "rect", x=LEFT, y=TOP, width=MAP_WIDTH - LEFT - RIGHT, height=MAP_HEIGHT - TOP - BOTTOM, class_="edge"
    )
    label = (
        f"{count(len(found.pool))} samples of the pool and {count(len(found.curated))} of the curated set in a plane"
    )
    return picture(MAP_WIDTH, MAP_HEIGHT, label, edge, *layers, *_axis_titles(first, second, MAP_WIDTH, MAP_HEIGHT))


def apart(places: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Move labels down, from the top on, until none covers another."""
    moved: dict[str, tuple[float, float]] = {}
    for name, (x, y) in sorted(places.items(), key=lambda item: (item[1][1], item[0])):
        for other, (other_x, other_y) in sorted(moved.items(), key=lambda item: item[1][1]):
            wide = (min(len(name), 18) + min(len(other), 18) + 4) / 2 * LETTER_WIDTH
            if abs(other_x - x) < wide and abs(other_y - y) < LABEL_HEIGHT:
                y = other_y + LABEL_HEIGHT
        moved[name] = (x, y)
    return moved


def _frame(points: Coordinates) -> Callable[[Coordinates], tuple[float, float]]:
    low, high = np.percentile(points, (0.5, 99.5), axis=0)
    middle, span = (low + high) / 2, np.maximum(high - low, 1e-9) * 1.08
    left, right, top, bottom = LEFT + 6, MAP_WIDTH - RIGHT - 6, TOP + 6, MAP_HEIGHT - BOTTOM - 6
    scale = min((right - left) / span[0], (bottom - top) / span[1])

    def place(point: Coordinates) -> tuple[float, float]:
        x = (left + right) / 2 + (point[0] - middle[0]) * scale
        y = (top + bottom) / 2 - (point[1] - middle[1]) * scale
        return float(np.clip(x, left, right)), float(np.clip(y, top, bottom))

    return place
