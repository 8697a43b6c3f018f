"""The hierarchy as an icicle: a column a level, coarsest left; a cluster is as tall as its share of the pool."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.report.drawings.svg import element, picture, text
from windrow.tasks.report.facts import Level
from windrow.tasks.report.formats import count, percent, plural, shortened

WIDTH, HEIGHT, HEAD = 1056.0, 560.0, 24.0
LEVELS_DRAWN = 4
LEAST_HEIGHT = 3.0
TEXT_HEIGHT = 13.0
SHADES = 5
ROUND_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Block:
    """A drawn cluster, or several that are too small to be drawn apart. `column` 0 is the coarsest level."""

    column: int
    clusters: Int64Array
    n_pool: int
    n_curated: int
    top: float
    height: float

    @property
    def share(self) -> float:
        """Share of its samples that is in the curated set."""
        return self.n_curated / self.n_pool if self.n_pool else 0.0


def blocks(levels: Sequence[Level], height: float = HEIGHT) -> list[Block]:
    """Lay out the coarsest LEVELS_DRAWN levels (`levels` is finest first), largest first under each parent.

    Clusters lower than LEAST_HEIGHT are put together, a block a parent, so columns stay short.
    """
    shown = list(reversed(levels))[:LEVELS_DRAWN]
    n_samples = int(shown[0].pool.sum())
    if not n_samples:
        return []
    return list(_column(shown, 0, np.arange(len(shown[0].pool)), 0.0, height / n_samples))


def _column(levels: Sequence[Level], column: int, clusters: Int64Array, top: float, unit: float) -> Iterator[Block]:
    level = levels[column]
    order = clusters[np.argsort(-level.pool[clusters], kind="stable")]
    order = order[level.pool[order] > 0]
    tall = level.pool[order] * unit >= LEAST_HEIGHT
    small = order[~tall]
    for group in [*order[tall].reshape(-1, 1), *([small] if len(small) else [])]:
        n_pool, n_curated = int(level.pool[group].sum()), int(level.curated[group].sum())
        yield Block(column, group, n_pool, n_curated, top, n_pool * unit)
        if column + 1 < len(levels):
            children = np.flatnonzero(np.isin(levels[column + 1].parents, group))
            yield from _column(levels, column + 1, children, top, unit)
        top += n_pool * unit


def full_shade(drawn: Sequence[Block]) -> float:
    """Return the share selected that gets the fullest shade: a round number that 19 of 20 blocks do not exceed."""
    usual = float(np.percentile([block.share for block in drawn], 95)) if drawn else 1.0
    return next((share for share in ROUND_SHARES if usual <= share + 1e-9), 1.0)


def shade(share: float, full: float) -> str:
    """Return the style of a share: s0 is nothing selected, s5 is `full` or nearly."""
    return f"s{min(math.ceil(share / full * SHADES - 1e-9), SHADES)}"


def icicle(levels: Sequence[Level], names: Sequence[Mapping[int, str]]) -> Markup:
    """Draw the hierarchy. `names` says for each level, finest first, what its clusters mostly hold, if known."""
    drawn = blocks(levels)
    full = full_shade(drawn)
    shown = list(zip(reversed(levels), reversed(names), strict=True))[:LEVELS_DRAWN]
    width = WIDTH / len(shown)
    heads = [
        text(n * width + 2, 14, f"level {level.number}: {plural(len(level.pool), 'cluster')}", class_="tick")
        for n, (level, _) in enumerate(shown)
    ]
    parts = [_drawn(block, width, full, shown[block.column][1]) for block in drawn]
    label = f"{plural(len(levels), 'level')} of clusters; height is samples, shade the share that is in the curated set"
    return picture(WIDTH, HEIGHT + HEAD, label, *heads, *parts)


def _drawn(block: Block, width: float, full: float, names: Mapping[int, str]) -> Markup:
    style = shade(block.share, full)
    x, y = block.column * width, block.top + HEAD
    gap = 1.0 if block.height > 2 * LEAST_HEIGHT else 0.5
    where = {"x": x, "y": y, "width": width - 2, "height": max(block.height - gap, 0.5)}
    rect = element("rect", **where, class_=style)
    parts = [element("title", _title(block, names)), rect]
    if block.height >= TEXT_HEIGHT:
        middle, numbers = y + block.height / 2 + 3.5, f"{count(block.n_pool)} · {percent(block.share, 0)}"
        name = shortened(_name(block, names), max(int(width / 6.6) - len(numbers) - 3, 6))
        parts.append(text(x + 6, middle, name, class_=f"on-{style}"))
        parts.append(text(x + width - 8, middle, numbers, class_=f"on-{style} end"))
    return element("g", *parts)


def _name(block: Block, names: Mapping[int, str]) -> str:
    if len(block.clusters) > 1:
        return f"{count(len(block.clusters))} small ones"
    cluster = int(block.clusters[0])
    return f"{cluster} · {names[cluster]}" if cluster in names else f"{cluster}"


def _title(block: Block, names: Mapping[int, str]) -> str:
    many = len(block.clusters) > 1
    who = f"{plural(len(block.clusters), 'cluster')} too small to draw" if many else f"cluster {_name(block, names)}"
    return f"{who}: {plural(block.n_pool, 'sample')}, {count(block.n_curated)} selected ({percent(block.share)})"
