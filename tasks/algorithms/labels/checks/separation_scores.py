"""Two views of a wrong label that must not be fused: a large loss, and lying apart from the clean samples (LSA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import check_embeddings
from windrow.tasks.algorithms.labels.checks.label_noise import LabelJudgement
from windrow.tasks.algorithms.labels.checks.loss_mixture import judge_by_loss
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.folds import cross_fit


@dataclass(frozen=True)
class SeparationScores:
    """small_loss: by the loss alone. linear: by the side of a linear separator of the embeddings, seeded by the loss.

    Each has its own score and verdict. They disagree on purpose: the separator sees pictures of no class at all, and
    misses that simple clean pictures lie near them; the loss sees wrong classes, and takes hard pictures for those.
    """

    small_loss: LabelJudgement
    linear: LabelJudgement


def separation_scores(
    embeddings: npt.NDArray[Any], loss: npt.NDArray[Any], l2: float = 0.01, n_folds: int = 5, seed: int = 0
) -> SeparationScores:
    """Albert et al. 2023, An accurate detection is not all you need to combat label noise, without its training loop.

    A two-component Gaussian mixture on losses (n,) gives the seed; a logistic separator of its clean and noisy samples,
    cross-fitted so that no sample is placed by a separator that saw its own seed, gives the probability of the clean
    side, both sides with equal weight. The alternation epoch by epoch belongs to a training job, which takes one score
    and then the other. Where the seed has fewer than two samples on a side, the linear score is the small-loss score.
    """
    check_embeddings("embeddings", embeddings)
    if loss.shape != (len(embeddings),):
        raise ValueError(f"loss must have shape ({len(embeddings)},), got {loss.shape}")
    small_loss = judge_by_loss(loss, "gaussian")
    side = (~small_loss.noisy).astype(np.int64)
    if min(side.sum(), len(side) - side.sum()) < 2:
        return SeparationScores(small_loss, small_loss)
    clean = cross_fit(
        lambda training, rows: logistic_probe(embeddings, training, 2, l2=l2, rows=rows), side, 2, n_folds, seed
    )[:, 1]
    return SeparationScores(small_loss, LabelJudgement(clean, np.asarray(clean < 0.5)))
