"""The embedding map: a projection of the pool and of the curated set into the plane, and its drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from windrow.tasks.algorithms.arrays import Float64Array
from windrow.tasks.report.drawings.figures import BOTTOM, LEFT, RIGHT, TOP, axis_titles
from windrow.tasks.report.drawings.svg import dots, element, picture
from windrow.tasks.report.formats import count, percent, shortened

COLOURS = 10
WIDTH, HEIGHT = 1056, 580
LABEL_HEIGHT, LETTER_WIDTH = 16.0, 8.0


@dataclass(frozen=True)
class EmbeddingMap:
    """Samples in a plane: among their neighbours, or on the first two principal components.

    `pool` (n, 2) and `curated` (m, 2) are samples of each, `labels` the classes of `curated`, `explained` the share of
    the variance along each component, None of a neighbour map. `n_pool` and `n_curated` are the sizes of the whole.
    """

    pool: Float64Array
    curated: Float64Array
    labels: tuple[str, ...]
    explained: tuple[float, float] | None
    n_pool: int
    n_curated: int

    def colours(self, order: Sequence[str]) -> dict[str, str]:
        """Return the style of each class: the first COLOURS of `order` have their own, the others share one."""
        there = set(self.labels)
        names = [name for name in order if name in there]
        names += sorted(there.difference(names))
        return {name: f"c{n}" if n < COLOURS else "other" for n, name in enumerate(names)}


def project(vectors: npt.NDArray[np.float32], n_fitted: int) -> tuple[Float64Array, tuple[float, float]]:
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
    titles = [f"component {n}: {percent(share)} of the variance" for n, share in enumerate(found.explained or (), 1)]
    edge = element("rect", x=LEFT, y=TOP, width=WIDTH - LEFT - RIGHT, height=HEIGHT - TOP - BOTTOM, class_="edge")
    label = (
        f"{count(len(found.pool))} samples of the pool and {count(len(found.curated))} of the curated set in a plane"
    )
    axes = axis_titles(titles[0], titles[1], WIDTH, HEIGHT) if titles else []
    return picture(WIDTH, HEIGHT, label, edge, *layers, *axes)


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


def _frame(points: Float64Array) -> Callable[[Float64Array], tuple[float, float]]:
    low, high = np.percentile(points, (0.5, 99.5), axis=0)
    middle, span = (low + high) / 2, np.maximum(high - low, 1e-9) * 1.08
    left, right, top, bottom = LEFT + 6, WIDTH - RIGHT - 6, TOP + 6, HEIGHT - BOTTOM - 6
    scale = min((right - left) / span[0], (bottom - top) / span[1])

    def place(point: Float64Array) -> tuple[float, float]:
        x = (left + right) / 2 + (point[0] - middle[0]) * scale
        y = (top + bottom) / 2 - (point[1] - middle[1]) * scale
        return float(min(max(x, left), right)), float(min(max(y, top), bottom))

    return place
