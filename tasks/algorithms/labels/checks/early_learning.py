"""Early-learning targets (ELR): what the predictions said before the labels were memorised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given


@dataclass(frozen=True)
class EarlyLearning(Check):
    """`beta`: how slowly the target follows the predictions, 0 for those of the last epoch."""

    beta: Annotated[float, Interval(ge=0, lt=1)] = 0.7
    needs = ("features",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the target's probability of the label, and where the target is another class."""
        # The first run once more: its targets need all classes' probabilities, of which a recording keeps none.
        return judge_by_target(early_learning_targets(softmax_epochs(given.epochs(0)), self.beta), given.labels)


def early_learning_targets(predictions: Iterable[npt.NDArray[np.floating]], beta: float = 0.7) -> Float32Array:  # type: ignore[type-arg]
    """Return the momentum average t <- beta t + (1 - beta) p of each epoch's probabilities (n, n_classes).

    Rows sum to 1. Liu et al. 2020, Early-learning regularization prevents memorization of noisy labels, equation 7,
    from the first epoch's p instead of from 0, so that rows sum to 1 at once. The target is the corrected soft label.
    State of the method: one float64 (n, n_classes), 8 n n_classes bytes. Raises ValueError without an epoch.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be from 0 to below 1, got {beta}")
    target = None
    for probabilities in predictions:
        if target is None:
            target = probabilities.astype(np.float64)
            continue
        if probabilities.shape != target.shape:
            raise ValueError(f"predictions must all have shape {target.shape}, got {probabilities.shape}")
        target *= beta
        target += (1.0 - beta) * probabilities
    if target is None:
        raise ValueError("predictions must hold one epoch or more, got none")
    return target.astype(np.float32)


def judge_by_target(targets: Float32Array, labels: Int64Array) -> Judgement:
    """Return the target's probability of the label as the score; noisy where the target's first class is another."""
    check_given(labels, targets.shape[1], len(targets))
    own = targets[np.arange(len(labels)), labels]
    return Judgement(own.astype(np.float32), np.asarray(targets.argmax(axis=1) != labels))


def softmax_epochs(epochs: Iterable[Float32Array]) -> Iterable[Float32Array]:
    """Yield each epoch's logits (n, n_classes) as probabilities."""
    for logits in epochs:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        yield powers / powers.sum(axis=1, keepdims=True)
