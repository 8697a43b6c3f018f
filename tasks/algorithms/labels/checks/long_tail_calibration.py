"""Long-tail calibration (RCAL): classes as Gaussians, the rare ones completed by their likest frequent ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Interval

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, unit_rows
from windrow.tasks.algorithms.labels.checks.confident_learning import judge_by_confidence
from windrow.tasks.algorithms.labels.folds import check_pool, cross_fit, labelled_rows
from windrow.tasks.algorithms.labels.judging.judged_labels import N_KEPT, Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

JITTER = 0.1  # the standard deviation added to draws in every direction, relative to the pool's


@dataclass(frozen=True)
class LongTailCalibration(Check):
    """`n_donors`: frequent classes that a rare one borrows from. `own_share`: what it keeps of its own mean and spread.

    `outlier_share`: of each class, left out of its statistics, the farthest from their nearest in the class.
    """

    n_donors: Annotated[int, Ge(1)] = 2
    own_share: Annotated[float, Interval(ge=0, le=1)] = 0.7
    outlier_share: Annotated[float, Interval(ge=0, le=0.5)] = 0.1

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the label's probability by the calibrated probe, and confident learning's verdict on it."""

        def maker(training: Int64Array, rows: Int64Array) -> Float32Array:
            settings = (self, given.l2, given.seed, rows)
            return tail_calibrated_probe(given.embeddings, training, given.n_classes, *settings)

        predicted = cross_fit(maker, given.labels, given.n_classes, given.n_folds, given.seed)
        kept = SparseProbabilities.of(predicted, min(N_KEPT, given.n_classes))
        return judge_by_confidence(kept, given.labels)


def tail_calibrated_probe(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    settings: LongTailCalibration | None = None,
    l2: float = 0.001,
    seed: int = 0,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Return probabilities (n, n_classes) of a probe on the labelled samples and on draws that fill every class up.

    Zhang et al. 2023, When noisy labels meet long tail dilemmas: each class is a Gaussian of its members without
    outliers; a class below the median size gets own_share of its own statistics and the rest of its n_donors nearest
    classes' from that size on, weighted by size; draws make all as large as the largest. Outliers here are those of
    the largest distance to their nearest members, where the paper has the local outlier factor, and the constants are
    ours: its were not at hand. A draw is the mean plus the members' deviations with normal weights, whose covariance is
    the members' own: no (d, d) matrix is made. l2: of the probe. seed: of the draws. A label maker: give it to
    cross_fit, and its probabilities judge labels as any others. Memory: draws of float32 (n_classes largest, d).
    """
    from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe

    check_pool(embeddings, labels)
    labelled = labelled_rows(labels, n_classes)
    chosen = LongTailCalibration() if settings is None else settings
    units = unit_rows(embeddings)[0].astype(np.float32)
    drawn, drawn_labels = _filled_up(units[labelled], labels[labelled], n_classes, chosen, seed)
    everything = np.concatenate([units, drawn])
    all_labels = np.concatenate([labels, drawn_labels])
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    return logistic_probe(everything, all_labels, n_classes, l2=l2, rows=wanted)


def _filled_up(
    units: Float32Array, labels: Int64Array, n_classes: int, chosen: LongTailCalibration, seed: int
) -> tuple[Float32Array, Int64Array]:
    counts = np.bincount(labels, minlength=n_classes)
    present = np.flatnonzero(counts)
    members = {label: _typical(units[labels == label], chosen.outlier_share) for label in present.tolist()}
    frequent = [label for label in members if counts[label] >= np.median(counts[present])]
    spread = float(units.std(axis=0, dtype=np.float64).mean())
    rng = np.random.default_rng(seed)
    drawn, drawn_labels = [np.empty((0, units.shape[1]), np.float32)], [np.empty(0, np.int64)]
    for label, own in members.items():
        n_missing = int(counts.max() - counts[label])
        parts = [(1.0, own)] if label in frequent else _blend(own, [members[donor] for donor in frequent], chosen)
        drawn.append(_draw(parts, n_missing, JITTER * spread, rng))
        drawn_labels.append(np.full(n_missing, label, dtype=np.int64))
    return np.concatenate(drawn), np.concatenate(drawn_labels)


def _typical(members: Float32Array, outlier_share: float) -> Float64Array:
    n_outliers = int(outlier_share * len(members))
    if not n_outliers:
        return members.astype(np.float64)
    near = neighbor_graph(members, min(5, len(members) - 1)).similarity.mean(axis=1)
    kept = np.sort(np.argsort(near, kind="stable")[n_outliers:])
    return members[kept].astype(np.float64)


def _blend(
    own: Float64Array, donors: list[Float64Array], chosen: LongTailCalibration
) -> list[tuple[float, Float64Array]]:
    """The classes whose statistics are mixed, with their shares, which sum to 1."""
    centre = own.mean(axis=0)
    distance = [float(np.square(donor.mean(axis=0) - centre).sum()) for donor in donors]
    nearest = [donors[place] for place in np.argsort(distance, kind="stable")[: chosen.n_donors]]
    total = sum(len(donor) for donor in nearest)
    shares = [(1 - chosen.own_share) * len(donor) / total for donor in nearest]
    return [(chosen.own_share, own), *zip(shares, nearest, strict=True)]


def _draw(parts: list[tuple[float, Float64Array]], n: int, jitter: float, rng: np.random.Generator) -> Float32Array:
    """n draws of the normal law of mean sum share mean_i and covariance sum share cov_i + jitter^2 I."""
    dim = parts[0][1].shape[1]
    draws = np.zeros((n, dim))
    for share, members in parts:
        centre = members.mean(axis=0)
        weights = rng.standard_normal((n, len(members))) * np.sqrt(share / len(members))
        draws += share * centre + weights @ (members - centre)
    return np.asarray(draws + jitter * rng.standard_normal((n, dim)), dtype=np.float32)
