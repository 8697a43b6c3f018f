"""How often each of several makers mistakes one class for another, learnt from their votes alone, and the labels then.

Dawid and Skene 1979, Maximum likelihood estimation of observer error-rates using the EM algorithm: a sample of class y
gets maker j's vote v with probability confusion[j, y, v], independently of the other makers. Samples with the same
votes have the same answer, so the EM runs over the distinct patterns of votes: few, and in an order of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array

TOLERANCE = 1e-9


@dataclass(frozen=True)
class DawidSkeneConfig:
    """How far the makers are trusted before their votes are counted, and when to stop.

    `smoothing`: votes given in advance to each cell of every confusion matrix; `trust`: to each cell of the diagonal on
    top of that, which keeps class and vote the same thing where little is known (with 1 and four anchors a class, the
    more likely of two ends was often a wrong one). `n_iters`: most iterations.
    """

    smoothing: float = 0.1
    trust: float = 10.0
    n_iters: int = 500

    def __post_init__(self) -> None:
        # With an empty cell the first vote that falls into it rules a class out, for good.
        if not self.smoothing > 0:
            raise ValueError(f"smoothing must be positive, got {self.smoothing}")
        if not self.trust >= 0:
            raise ValueError(f"trust must be from 0, got {self.trust}")
        if self.n_iters < 1:
            raise ValueError(f"n_iters must be positive, got {self.n_iters}")


@dataclass(frozen=True)
class DawidSkene:
    """What the votes say about the makers.

    prior: float64 (n_classes,); confusion: float64 (n_makers, n_classes, n_classes), [j, y, v] = p(maker j votes v |
    class y), rows sum to 1. objective: float64 (n_iters,), the log-likelihood of votes and anchors plus the logarithm
    of the smoothing's Dirichlet density (up to a constant) after each iteration; it never falls.
    """

    prior: Float64Array
    confusion: Float64Array
    objective: Float64Array

    def predict_proba(self, votes: Int64Array) -> Float32Array:
        """Probabilities (m, n_classes) of samples with these votes (m, n_makers); without any vote the prior's."""
        _check_votes(votes, len(self.prior))
        return _normalise(_log_joint(votes, np.log(self.prior), np.log(self.confusion)))[0].astype(np.float32)


def fit_dawid_skene(
    votes: Int64Array,
    n_classes: int,
    anchors: Int64Array | None = None,
    prior: Float64Array | None = None,
    config: DawidSkeneConfig | None = None,
) -> DawidSkene:
    """Confusion matrices that explain the votes best, by EM from the majority vote: no seed.

    With anchors also from what they alone say, and the more likely end is the answer: from a majority that is mostly
    wrong no few anchors would lead back.

    votes: int64 (n, n_makers), -1 where a maker abstains, which is taken to say nothing about the class. anchors: int64
    (n,), the class where it is known, -1 elsewhere; a maker's vote for an anchor must not have been made from that
    anchor's label (use `cross_fit`), or it looks infallible. prior: (n_classes,), positive, if the class frequencies
    are known: they are held; else they are learnt with the rest, with `smoothing` samples of each class in advance.
    Memory: some 32 bytes for each distinct pattern of votes and each class. The order of the samples does not matter.
    """
    config = config or DawidSkeneConfig()
    _check_votes(votes, n_classes)
    known = np.full(len(votes), -1, dtype=np.int64) if anchors is None else anchors
    if known.shape != (len(votes),) or not np.all((known >= -1) & (known < n_classes)):
        raise ValueError(f"anchors must be ({len(votes)},), each from -1 to {n_classes - 1}, got shape {known.shape}")
    if prior is not None and (prior.shape != (n_classes,) or not np.all(prior > 0)):
        raise ValueError(f"prior must be {n_classes} positive numbers, got {prior}")
    patterns, counts = np.unique(np.column_stack([votes, known]), axis=0, return_counts=True)
    table = _Patterns(patterns[:, :-1], counts.astype(np.float64), _certainty(patterns[:, -1], n_classes))
    fits = [_iterate(table, start, prior, config) for start in _starts(table)]
    return max(fits, key=lambda fit: float(fit.objective[-1]))


@dataclass(frozen=True)
class _Patterns:
    """Distinct votes (p, n_makers), how many samples have each (p,), and log p(class | anchor) (p, n_classes)."""

    votes: Int64Array
    counts: Float64Array
    certain: Float64Array


def _certainty(anchors: Int64Array, n_classes: int) -> Float64Array:
    return np.where((anchors[:, None] == np.arange(n_classes)) | (anchors[:, None] < 0), 0.0, -np.inf)


def _starts(table: _Patterns) -> list[Float64Array]:
    """Beliefs to start from: the majority's; and, with anchors, the anchors' alone."""
    anchored = ~np.all(table.certain == 0, axis=1, keepdims=True)
    majority = _normalise(np.log(_vote_shares(table.votes, table.certain.shape[1])) + table.certain)[0]
    return [majority, np.where(anchored, majority, 0.0)] if anchored.any() else [majority]


def _iterate(
    table: _Patterns, belief: Float64Array, prior: Float64Array | None, config: DawidSkeneConfig
) -> DawidSkene:
    added = config.smoothing + config.trust * np.eye(belief.shape[1])
    objective: list[float] = []
    while True:
        mass = belief * table.counts[:, None]
        frequency = mass.sum(axis=0) + config.smoothing if prior is None else prior
        log_prior = np.log(frequency / frequency.sum())
        log_confusion = np.log(_confusion(table.votes, mass, added))
        belief, evidence = _normalise(_log_joint(table.votes, log_prior, log_confusion) + table.certain)
        density = (added * log_confusion).sum() + (config.smoothing * log_prior.sum() if prior is None else 0.0)
        objective.append(float((table.counts * evidence).sum() + density))
        gain = objective[-1] - objective[-2] if len(objective) > 1 else np.inf
        if len(objective) == config.n_iters or gain <= TOLERANCE * abs(objective[-1]):
            return DawidSkene(np.exp(log_prior), np.exp(log_confusion), np.array(objective))


def _vote_shares(votes: Int64Array, n_classes: int) -> Float64Array:
    """Each class's share of the votes; a tenth of a vote for every class, so that none is ruled out at the start."""
    shares = np.full((len(votes), n_classes), 0.1)
    for column in votes.T:
        voted = np.flatnonzero(column >= 0)
        shares[voted, column[voted]] += 1.0
    return shares


def _confusion(votes: Int64Array, mass: Float64Array, added: Float64Array) -> Float64Array:
    table = np.repeat(added[None], votes.shape[1], axis=0)
    for maker, column in enumerate(votes.T):
        np.add.at(table[maker].T, column[column >= 0], mass[column >= 0])
    return np.asarray(table / table.sum(axis=2, keepdims=True))


def _log_joint(votes: Int64Array, log_prior: Float64Array, log_confusion: Float64Array) -> Float64Array:
    joint = np.repeat(log_prior[None], len(votes), axis=0)
    for maker, column in enumerate(votes.T):
        joint += np.where(column[:, None] >= 0, log_confusion[maker].T[np.maximum(column, 0)], 0.0)
    return joint


def _normalise(joint: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Shares (n, n_classes) of exp(joint), and the logarithm of its sum (n,)."""
    largest = joint.max(axis=1, keepdims=True)
    powers = np.exp(joint - largest)
    total = powers.sum(axis=1, keepdims=True)
    return powers / total, (largest + np.log(total))[:, 0]


def _check_votes(votes: Int64Array, n_classes: int) -> None:
    if votes.ndim != 2 or not votes.shape[1] or votes.dtype != np.int64:
        raise ValueError(f"votes must be int64 (n, n_makers), got {votes.dtype} of shape {votes.shape}")
    if votes.size and not -1 <= votes.min() <= votes.max() < n_classes:
        raise ValueError(f"votes must be from -1 to {n_classes - 1}, got {votes.min()} to {votes.max()}")
