"""What a model of the labels that there are cannot decide, from every corner of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.queries.label_query import LabelQuery, Picks, clusters_of


@dataclass(frozen=True)
class Uncertain(LabelQuery):
    """The least margin between the two most probable classes of a logistic probe: for many labels.

    Scheffer, Decomain and Wrobel 2001 (Active hidden Markov models); spread over the pool as in Zhdanov 2019 (Diverse
    mini-batch active learning, arXiv 1901.05954): of `breadth` times as many candidates of least margin, one for each
    of n k-means clusters, its least. The score is the margin, from 0 to 1. `breadth`: 1 takes the least margins as they
    come, which may be of one kind.
    """

    breadth: Annotated[int, Ge(1)] = 5

    def _pick(self, units: Float32Array, labels: Int64Array, n: int, seed: int) -> Picks:
        classes, target = np.unique(labels[labels >= 0], return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"wants labels of two classes to be uncertain between, got {len(classes)}")
        known = labels.copy()
        known[labels >= 0] = target
        open_rows = np.flatnonzero(labels < 0)
        two = np.partition(logistic_probe(units, known, len(classes), rows=open_rows), -2, axis=1)[:, -2:]
        margin = (two[:, 1] - two[:, 0]).astype(np.float64)
        order = np.argsort(margin, kind="stable")[: self.breadth * n]
        cluster = clusters_of(units[open_rows[order]], n, seed)
        _, first = np.unique(cluster, return_index=True)
        rest = np.setdiff1d(np.arange(len(order)), first)[: n - len(first)]  # fewer clusters, where samples are equal
        places = np.sort(np.concatenate([first, rest]))
        chosen = order[places]
        return Picks(open_rows[chosen], margin[chosen], np.bincount(cluster)[cluster[places]])
