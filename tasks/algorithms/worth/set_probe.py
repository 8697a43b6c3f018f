"""Probes that train on a set of samples and predict the evaluated ones: logistic regression, or nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.logistic_objective import HeldRows, minimise_logistic, unit_float32
from windrow.tasks.algorithms.labels.states.known_states import KnownStates
from windrow.tasks.algorithms.worth.state_probe import right_of_states

Probe = Literal["logistic", "knn"]
MOST_DIMS = 256
L2 = 1e-5
"""Penalty of the logistic probe. At 1e-3 it would rarely predict a rare class, which would flatter a balanced set."""
K, TEMPERATURE = 20, 0.07
"""Neighbours asked, and what their votes exp(cosine / temperature) are divided by (Wu et al. 2018)."""


@dataclass(frozen=True)
class JudgedPool:
    """What sets are drawn from and judged by.

    features: float32 (n, d), unit rows; labels: int64 (n,), what a trainer would be given, -1 where nothing; weights:
    float64 (n,), what each label weighs in training. evaluated: float32 (m, d), unit rows of samples that are in no
    set; truth: int64 (m,), their classes. Classes are numbers below n_classes.

    Where samples may be of several classes, `states`, of n samples, take the place of labels, which are all -1.
    evaluated are k samples then, `sample`, int64 (m,), says which of them each evaluated state is of, and truth is
    2 c + 1 where class c is present in it, 2 c where it is absent.
    """

    features: Float32Array
    labels: Int64Array
    weights: Float64Array
    evaluated: Float32Array
    truth: Int64Array
    n_classes: int
    states: KnownStates | None = None
    sample: Int64Array | None = None

    @property
    def asked(self) -> Int64Array:
        """Which evaluated sample each of truth is of, int64 (m,)."""
        return np.arange(len(self.truth)) if self.sample is None else self.sample

    def is_labelled(self) -> BoolArray:
        """Which samples have a label that a trainer would be given, or a state, bool (n,)."""
        return self.labels >= 0 if self.states is None else self.states.is_listed()

    def only(self, judges: BoolArray) -> JudgedPool:
        """The same, judged by some of the evaluated samples, bool (k,)."""
        kept = judges[self.asked]
        sample = None if self.sample is None else (np.cumsum(judges) - 1)[self.sample[kept]]
        return replace(self, evaluated=self.evaluated[judges], truth=self.truth[kept], sample=sample)


class SetProbe(Protocol):
    """What trains on a set and predicts the evaluated samples; `name` is told with what it found."""

    @property
    def name(self) -> str: ...

    def right(self, pool: JudgedPool, rows: Int64Array, class_weighted: bool, seed: int, /) -> BoolArray:
        """Whether it is right of each evaluated sample, bool (m,), after it trained on these rows of the pool."""
        ...


@dataclass(frozen=True)
class FeatureProbe:
    """A SetProbe on frozen features, the same for every seed: see `is_right`."""

    name: Probe

    def right(self, pool: JudgedPool, rows: Int64Array, class_weighted: bool, _seed: int, /) -> BoolArray:
        return is_right(pool, rows, self.name, class_weighted)


def judge_features(embeddings: npt.NDArray[Any], fitted_on: Int64Array) -> Float32Array:
    """Unit rows, float32 (n, min(d, 256)): projected, where d is more, on the leading directions of these rows.

    The directions are eigenvectors of the uncentred second moment, so cosines are kept as well as 256 numbers can.
    """
    if embeddings.shape[1] <= MOST_DIMS:
        return unit_float32(embeddings)
    with threadpool_limits(limits=1):  # threads would add up in another order, and wait for each other
        moment = np.zeros((embeddings.shape[1],) * 2)
        for block in row_blocks(len(fitted_on)):
            rows = unit_float32(embeddings[fitted_on[block]])
            moment += rows.T @ rows
        directions = np.linalg.eigh(moment)[1][:, -MOST_DIMS:].astype(np.float32)
        found = np.empty((len(embeddings), MOST_DIMS), np.float32)
        for block in row_blocks(len(embeddings)):
            found[block] = unit_float32(unit_float32(embeddings[block]) @ directions)
    return found


def is_right(pool: JudgedPool, rows: Int64Array, probe: Probe, class_weighted: bool) -> BoolArray:
    """Whether a probe that trained on these rows of the pool is right of each evaluated sample, bool (m,).

    Rows without a label teach nothing. class_weighted: every class of the set has the same weight in all; otherwise a
    sample weighs what its label does. A set without labels is right of nothing. Of states see `right_of_states`, by
    which the two of a class weigh the same however classes are weighted. Raises ValueError where a probe of states is
    not 'logistic'.
    """
    if pool.states is not None:
        if probe != "logistic":
            raise ValueError(f"probe: states are judged by 'logistic' alone, got {probe!r}")
        known = pool.states.take(rows)
        return right_of_states(pool.features[rows], known, pool.evaluated, pool.asked, pool.truth, L2)
    taught = rows[(pool.labels[rows] >= 0) & (pool.weights[rows] > 0)]
    if not len(taught):
        return np.zeros(len(pool.truth), np.bool_)
    classes, targets = np.unique(pool.labels[taught], return_inverse=True)
    weights = pool.weights[taught]
    if class_weighted:
        weights = weights / np.bincount(targets, weights)[targets]
    predict = _logistic if probe == "logistic" else _neighbors
    predicted = predict(pool.features[taught], targets, weights / weights.sum(), len(classes), pool.evaluated)
    found: BoolArray = classes[predicted] == pool.truth
    return found


def _logistic(
    features: Float32Array, targets: Int64Array, weights: Float64Array, n_classes: int, asked: Float32Array
) -> Int64Array:
    """The probe of fit_logistic_probe, with weights of samples."""
    held = HeldRows(features, targets, weights)
    table = minimise_logistic(held, (features.shape[1] + 1, n_classes), L2, shaped=True)
    found: Int64Array = (asked.astype(np.float64) @ table[:-1] + table[-1]).argmax(axis=1)
    return found


def _neighbors(
    features: Float32Array, targets: Int64Array, weights: Float64Array, n_classes: int, asked: Float32Array
) -> Int64Array:
    found, k = np.empty(len(asked), np.int64), min(K, len(features))
    for block in row_blocks(len(asked), 256):
        with threadpool_limits(limits=1):
            similarity = asked[block] @ features.T
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        close = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
        votes = np.exp((close - 1) / TEMPERATURE) * weights[nearest]
        counted = np.zeros((len(votes), n_classes))
        np.add.at(counted, (np.arange(len(votes))[:, None], targets[nearest]), votes)
        found[block] = counted.argmax(axis=1)
    return found
