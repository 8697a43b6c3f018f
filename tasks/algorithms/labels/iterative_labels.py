"""Self-training in rounds: labels from predictions, a probe from labels, predictions from the probe, and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.cores.self_training import Rounds, self_train
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Maker, Need, NotNegative, Positive, Share
from windrow.tasks.algorithms.labels.makers import ONE_PASS


@dataclass(frozen=True)
class IterativeLabels(Maker):
    """Rounds of soft pseudo-labels: each probe learns the last one's probabilities, and the labels that are known.

    Arazo et al. 2020, Pseudo-labeling and confirmation bias in deep semi-supervised learning, on stored embeddings and
    without its mixup; the terms are those of its section 3.1. Beside its start it has no seed, and the order of the
    samples does not matter.

    `start`: the name of the maker whose predictions the first round learns.
    `start_settings`: of that maker, the fields that are not its defaults.
    `n_rounds`: probes, one after the other.
    `labelled_share`: of a fit's weight, for the labelled samples, each class the same.
    `l2`: of each fit's weights.
    `balance`: of the classes, in each fit.
    `entropy`: against unsure predictions, in each fit.
    `max_iters`: of each fit.
    """

    start: str = "probe"
    start_settings: Mapping[str, Any] = field(default_factory=dict)
    n_rounds: Count = 3
    labelled_share: Share = 0.16
    l2: Positive = 0.001
    balance: NotNegative = 0.8
    entropy: NotNegative = 0.4
    max_iters: Count = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first()

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("labels", *(need for need in self.first().needs if need != "labels"))

    def first(self) -> Maker:
        """The maker that the rounds start from. Raises ValueError."""
        if self.start not in ONE_PASS:
            raise ValueError(f"start: wants one of {', '.join(ONE_PASS)}, got {self.start!r}")
        try:
            return TypeAdapter(ONE_PASS[self.start]).validate_python(dict(self.start_settings))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, ("start_settings", *first["loc"])))
            raise ValueError(f"{place}: {first['msg']}, got {first['input']!r}") from None

    def basis(self) -> dict[str, Any]:
        return {**asdict(self), "start_settings": self.first().basis()}

    def fit(self, pool: LabelPool) -> Predict:
        start = self.first().fit(pool)
        return lambda labels, rows: self.trained(pool, start, labels).probabilities[rows]

    def rounds(self, pool: LabelPool, labels: Int64Array) -> list[Float32Array]:
        """What each round predicts for the pool: the start (round 0), then n_rounds probes in turn.

        The last is the maker's prediction, its ten most probable classes a sample.
        """
        return [each.dense() for each in self.trained(pool, self.first().fit(pool), labels).kept]

    def trained(self, pool: LabelPool, start: Predict, labels: Int64Array) -> Rounds:
        """The rounds that begin with what `start` predicts. Raises ValueError."""
        first = start(labels, np.arange(len(labels)))
        check_pool(first, labels)
        known = labelled_rows(labels, pool.n_classes)
        weights = label_weights(labels, self.labelled_share)
        one_hot = np.eye(pool.n_classes, dtype=np.float32)[labels[known]]

        def relabel(_: int, probabilities: Float32Array) -> tuple[Float32Array, Float64Array]:
            targets = probabilities.copy()
            targets[known] = one_hot
            return targets, weights

        config = SoftProbeConfig(self.l2, self.balance, self.entropy, self.max_iters)
        return self_train(pool.embeddings, first, relabel, self.n_rounds, config)


def label_weights(labels: Int64Array, labelled_share: float) -> Float64Array:
    """Weights (n,) of sum 1: labelled_share for the labelled samples, equal for each class, the rest for the others.

    With all samples labelled, or none, they have all the weight.
    """
    known = labels >= 0
    counts = np.bincount(labels[known], minlength=1)
    weights = np.zeros(len(labels))
    weights[known] = labelled_share / (int(np.count_nonzero(counts)) * counts[labels[known]])
    weights[~known] = (1 - labelled_share) / max(int(np.count_nonzero(~known)), 1)
    return np.asarray(weights / weights.sum())
