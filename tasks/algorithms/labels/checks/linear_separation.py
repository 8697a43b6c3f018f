"""Linear separation (LSA): wrong labels lie apart from the samples of small loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from windrow.tasks.algorithms.arrays import check_embeddings
from windrow.tasks.algorithms.labels.checks.loss_mixture import judge_by_loss, noise_posterior
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement


@dataclass(frozen=True)
class LinearSeparation(Check):
    """`l2`: of the line between samples of small and of large loss.

    It disagrees with `SmallLoss` on purpose, and the two must not be fused: the separator sees pictures of no class at
    all, and misses that simple clean pictures lie near them; the loss sees wrong classes, and takes hard pictures for
    those.
    """

    l2: Annotated[float, Gt(0)] = 0.01
    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the probability of the clean side as the score; noisy below one half."""
        return judge_by_side(given.embeddings, given.loss, self.l2, given.n_folds, given.seed)


def judge_by_side(
    embeddings: npt.NDArray[Any], loss: npt.NDArray[Any], l2: float = 0.01, n_folds: int = 5, seed: int = 0
) -> Judgement:
    """Return the side of a linear separator of the embeddings (n, d) on which each sample lies, seeded by losses (n,).

    Albert et al. 2023, An accurate detection is not all you need to combat label noise, without its training loop. A
    two-component Gaussian mixture on the losses gives the seed; a logistic separator of its clean and noisy samples,
    cross-fitted so that no sample is placed by a separator that saw its own seed, gives the probability of the clean
    side, both sides with equal weight. The alternation epoch by epoch belongs to a training job, which takes one score
    and then the other. Where the seed has fewer than two samples on a side, the score is that of the small losses.
    """
    from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe

    check_embeddings("embeddings", embeddings)
    if loss.shape != (len(embeddings),):
        raise ValueError(f"loss must have shape ({len(embeddings)},), got {loss.shape}")
    side = (noise_posterior(loss, "gaussian") <= 0.5).astype(np.int64)
    if min(side.sum(), len(side) - side.sum()) < 2:
        return judge_by_loss(loss, "gaussian")
    clean = cross_fit(
        lambda training, rows: logistic_probe(embeddings, training, 2, l2=l2, rows=rows), side, 2, n_folds, seed
    )[:, 1]
    return Judgement(clean, np.asarray(clean < 0.5))
