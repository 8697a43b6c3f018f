"""Every class that a sample may be, as often right as asked for: what the pipeline stores of conformal prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.pool_statistics import check_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, first_class, some_rows

SetScore = Literal["lac", "aps"]


@dataclass(frozen=True)
class ConformalConfig(Settings):
    """Sets of classes that hold the true one as often as asked for.

    `coverage`: the probability of that, at least, on average over draws of the labels.
    `score`: 'lac' makes the smallest sets, 'aps' larger ones where a sample is hard. `by_class`: the promise holds
    within every class, whatever the classes' shares, and needs coverage / (1 - coverage) labels of each class, 9 for
    0.9: with fewer the class is in every set; without it one promise for all, which holds where labels were drawn as
    the pool is. `failure_rate`: not on average but for all draws of labels except this share; null: on average.
    `most`: sets of more classes are null: they say too little for what they cost.
    """

    coverage: Annotated[float, Gt(0), Lt(1)] = 0.9
    score: SetScore = "lac"
    by_class: bool = True
    failure_rate: Annotated[float, Gt(0), Lt(1)] | None = None
    most: Annotated[int, Ge(1)] = 10


def possible_classes(
    held_out: Probabilities,
    labels: Int64Array,
    pool: Probabilities,
    config: ConformalConfig | None = None,
    predicted: Int64Array | None = None,
) -> ClassLists:
    """Return the classes that each row of pool (n, n_classes) may be, ascending; none where they are more than `most`.

    labels: int64 (n,), -1 where there is none; held_out (m, n_classes): out-of-sample probabilities of the m labelled
    rows, in their order, made as the pool's are. A row with a label may be that alone. The label given to another,
    predicted (n,) or the most probable class, the lowest of equals, is always in its set: more is covered, never less.
    """
    from windrow.tasks.algorithms.labels.deciding.conformal import fit_conformal, label_sets

    config = config or ConformalConfig()
    check_rows("pool", pool)
    label = first_class(pool) if predicted is None else predicted
    if labels.shape != (len(pool),) or label.shape != labels.shape:
        raise ValueError(f"labels and predicted must have shape ({len(pool)},), got {labels.shape} and {label.shape}")
    miss_rate = 1 - config.coverage
    known = labels[labels >= 0]
    rule = fit_conformal(held_out, known, miss_rate, config.score, config.by_class, config.failure_rate)
    shown = np.where(labels >= 0, labels, label)

    def members() -> Iterator[npt.NDArray[np.bool_]]:
        for rows in wide_blocks(*pool.shape):
            found = label_sets(some_rows(pool, rows), rule)
            inside = np.zeros((len(found), pool.shape[1]), dtype=np.bool_)
            inside[np.repeat(np.arange(len(found)), found.sizes), found.classes] = True
            inside[labels[rows] >= 0] = False
            inside[np.arange(len(inside)), shown[rows]] = True
            yield inside & (inside.sum(axis=1, keepdims=True) <= config.most)

    return ClassLists.of(members())
