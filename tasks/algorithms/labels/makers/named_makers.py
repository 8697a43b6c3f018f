"""The label makers by their names, each with its settings."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.label_makers import CLUSTERERS, LEARNERS, MAKERS, LabelMaker, MakerName
from windrow.tasks.algorithms.labels.makers.maker_settings import DEFAULT, MakerSettings
from windrow.tasks.algorithms.labels.makers.named_clusterers import cluster_maker, source_maker
from windrow.tasks.algorithms.labels.makers.named_learners import learner
from windrow.tasks.algorithms.labels.makers.zero_shot_maker import TextClasses, zero_shot_maker
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph


def maker(
    name: MakerName,
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    n_classes: int,
    settings: MakerSettings = DEFAULT,
    *,
    seed: int = 0,
    texts: TextClasses | None = None,
    sources: Int64Array | None = None,
) -> LabelMaker:
    """A maker by its name, as a function of labels (n,) and of the rows to predict.

    smoothed: prototypes, smoothed over the graph; transport: the probe, refined by SP2OT; iterative: the last of
    `iterative_rounds`; scan, depict, sela, swav, p2ot and sp2ot: `cluster_labels`, named by the labels; the others are
    the modules of their name. zero_shot needs texts, sources needs sources int64 (n,): where each sample came from,
    0 to n_sources - 1. What does not depend on the labels is computed on the first use and kept. Raises ValueError.
    """
    if name in LEARNERS:
        return learner(name, embeddings, graph, n_classes, settings, seed)
    if name in CLUSTERERS:
        return cluster_maker(name, embeddings, graph, n_classes, settings, seed)
    if name == "zero_shot":
        if texts is None or len(texts.prototypes) != n_classes:
            found = 0 if texts is None else len(texts.prototypes)
            raise ValueError(f"texts: zero_shot wants a text prototype of each of {n_classes} classes, got {found}")
        return zero_shot_maker(embeddings, texts, settings.zero_shot)
    if name == "sources":
        if sources is None:
            raise ValueError("sources: the maker 'sources' wants the source of each sample, got none")
        return source_maker(embeddings, sources, n_classes, settings, seed)
    raise ValueError(f"name must be one of {', '.join(MAKERS)}, got {name!r}")
