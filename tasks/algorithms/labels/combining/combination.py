"""What several makers say together: a weighted mean, an equal one, Dawid and Skene's vote, or DASO's blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.daso import blend, blend_shares
from windrow.tasks.algorithms.labels.combining.dawid_skene import DawidSkene, fit_dawid_skene
from windrow.tasks.algorithms.labels.folds import assign_folds, labelled_rows
from windrow.tasks.algorithms.labels.probabilities import ensemble

CombineBy = Literal["weighted", "equal", "dawid-skene", "daso"]
LINEAR = "probe"
SEMANTIC = ("prototypes", "smoothed")
# What makers count before their labels are seen, against 1 of every other: only propagation follows the pool where it
# bends, the others draw straight lines between classes and agree among themselves.
PRIOR: Mapping[str, float] = {"propagation": 2.0}


@dataclass(frozen=True)
class CombinedPredictions:
    """What makers say together, float32, rows summing to 1, and how many of them say so.

    held_out (m, n_classes): the labelled rows, in their order, by labels of others only; pool (n, n_classes): all.
    agreement: float32 (n,), the share of the makers whose most probable class is that of `pool`. weights: each maker's
    share of the whole by its name: under 'weighted' and 'equal' of the mean, under 'daso' of the average row, under
    'dawid-skene' its chance of being right where all classes are equally large, divided by the sum of these.
    """

    held_out: Float32Array
    pool: Float32Array
    agreement: Float32Array
    weights: Mapping[str, float]


def check_combination(by: CombineBy, makers: Sequence[str]) -> None:
    """Raise ValueError unless these makers can be combined so."""
    if by not in get_args(CombineBy):
        raise ValueError(f"combine_by: wants one of {', '.join(get_args(CombineBy))}, got {by!r}")
    if not makers or len(set(makers)) != len(makers):
        raise ValueError(f"combine: wants one or more different makers, got {list(makers)}")
    if by == "daso" and (len(makers) != 2 or LINEAR not in makers or not set(makers) & set(SEMANTIC)):
        raise ValueError(
            f"combine_by: daso wants {LINEAR} and one of {', '.join(SEMANTIC)} in combine, got {list(makers)}"
        )
    if by == "dawid-skene" and len(makers) < 2:
        raise ValueError(f"combine_by: dawid-skene wants two makers or more in combine, got {list(makers)}")


def combine_makers(
    held_out: Mapping[str, Float32Array],
    pool: Mapping[str, Float32Array],
    labels: Int64Array,
    by: CombineBy = "weighted",
    n_folds: int = 5,
    seed: int = 0,
) -> CombinedPredictions:
    """Combine the calibrated probabilities of makers, by name: held_out (m, n_classes) and pool (n, n_classes) each.

    labels: int64 (n,), -1 where there is none; held_out are its m labelled rows. by: 'weighted' is the geometric mean
    by `maker_weights` from PRIOR, 'equal' that with equal weights. 'dawid-skene' takes each maker's most probable class
    for a vote and learns from votes and labels how often each maker takes one class for another; of classes treated
    alike, as the makers treat them, the votes' probabilities are the answer. Those of a labelled row come from the
    other folds' labels; n_folds and seed deal these. It holds 32 bytes for each distinct pattern of votes and class.
    'daso' blends probe and prototypes by how often a class is predicted in the pool.
    """
    check_combination(by, list(pool))
    _check_shapes(held_out, pool, labels)
    if by == "dawid-skene":
        together = _dawid_skene(held_out, pool, labels, n_folds, seed)
    elif by == "daso":
        together = _daso(held_out, pool)
    else:
        together = _mean(held_out, pool, labels, by)
    return replace(together, agreement=agreement(list(pool.values()), together.pool.argmax(axis=1)))


def votes(probabilities: Sequence[Float32Array]) -> Int64Array:
    """Each maker's most probable class, the lowest of equals, int64 (n, n_makers); -1 where all shares are equal."""
    return np.stack(
        [np.where((p.max(axis=1) > p.min(axis=1)) | (p.shape[1] == 1), p.argmax(axis=1), -1) for p in probabilities],
        axis=1,
    )


def agreement(probabilities: Sequence[Float32Array], answer: Int64Array) -> Float32Array:
    """The share of makers (n, n_classes) whose vote is the class in answer (n,): float32 (n,)."""
    return np.asarray((votes(probabilities) == answer[:, None]).mean(axis=1), dtype=np.float32)


def _mean(
    held_out: Mapping[str, Float32Array], pool: Mapping[str, Float32Array], labels: Int64Array, by: CombineBy
) -> CombinedPredictions:
    apart = [held_out[name] for name in pool]
    weights = np.full(len(pool), 1 / len(pool))
    if by == "weighted":
        from windrow.tasks.algorithms.labels.combining.maker_weights import maker_weights

        weights = maker_weights(apart, labels[labels >= 0], prior=[PRIOR.get(name, 1.0) for name in pool])
    return _combined(
        ensemble(apart, list(weights), "geometric"),
        ensemble(list(pool.values()), list(weights), "geometric"),
        pool,
        weights,
    )


def _daso(held_out: Mapping[str, Float32Array], pool: Mapping[str, Float32Array]) -> CombinedPredictions:
    semantic = next(name for name in SEMANTIC if name in pool)
    shares = blend_shares(pool[LINEAR])
    mean = float(shares[pool[LINEAR].argmax(axis=1)].mean()) if len(pool[LINEAR]) else 0.0
    weights = np.array([1 - mean if name == LINEAR else mean for name in pool])
    return _combined(
        blend(held_out[LINEAR], held_out[semantic], shares=shares),
        blend(pool[LINEAR], pool[semantic], shares=shares),
        pool,
        weights,
    )


def _dawid_skene(
    held_out: Mapping[str, Float32Array], pool: Mapping[str, Float32Array], labels: Int64Array, n_folds: int, seed: int
) -> CombinedPredictions:
    n_classes = next(iter(pool.values())).shape[1]
    known = np.flatnonzero(labels >= 0)
    cast = votes(list(pool.values()))
    # A maker has learnt from the label of a labelled row: only what it said without that is a vote.
    honest = cast.copy()
    honest[known] = votes([held_out[name] for name in pool])
    apart = np.empty((len(known), n_classes), dtype=np.float32)
    folds = assign_folds(labels, n_folds, seed)
    for fold in np.unique(folds[known]):
        left_out = folds == fold
        fitted = _even(fit_dawid_skene(honest, n_classes, np.where(left_out, -1, labels)))
        apart[left_out[known]] = fitted.predict_proba(honest[left_out])
    fitted = _even(fit_dawid_skene(honest, n_classes, labels))
    right = np.trace(fitted.confusion, axis1=1, axis2=2)
    return _combined(apart, fitted.predict_proba(cast), pool, right / right.sum())


def _even(fitted: DawidSkene) -> DawidSkene:
    """Makers treat classes alike: what is combined of them must too, until the pool's shares come in."""
    return replace(fitted, prior=np.full(len(fitted.prior), 1 / len(fitted.prior)))


def _combined(
    held_out: Float32Array, together: Float32Array, pool: Mapping[str, Float32Array], weights: Float64Array
) -> CombinedPredictions:
    nobody = np.zeros(len(together), dtype=np.float32)
    return CombinedPredictions(held_out, together, nobody, dict(zip(pool, weights.tolist(), strict=True)))


def _check_shapes(held_out: Mapping[str, Float32Array], pool: Mapping[str, Float32Array], labels: Int64Array) -> None:
    n_classes = next(iter(pool.values())).shape[-1]
    n_labelled = len(labelled_rows(labels, n_classes))
    if set(held_out) != set(pool):
        raise ValueError(f"held_out and pool must be of the same makers, got {sorted(held_out)} and {sorted(pool)}")
    for name in pool:
        if pool[name].shape != (len(labels), n_classes) or held_out[name].shape != (n_labelled, n_classes):
            raise ValueError(
                f"{name} must be ({len(labels)}, {n_classes}) of the pool and ({n_labelled}, {n_classes}) held out, "
                f"got {pool[name].shape} and {held_out[name].shape}"
            )
