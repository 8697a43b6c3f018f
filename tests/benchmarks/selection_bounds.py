"""Rankings that know the true classes, each by one road that a real selection takes: how far that road could lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from selection_orders import candidates_of, remembered
from selection_pools import N_CLASSES, BenchPool, Images
from sklearn.linear_model import LogisticRegression

from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.leaf_order import density_keys, uniform_numbers
from windrow.tasks.algorithms.selection.policies.class_balanced import ClassBalanced
from windrow.tasks.algorithms.selection.policies.diverse import Diverse
from windrow.tasks.algorithms.selection.selection_policy import Candidates

Floats, Rows = npt.NDArray[np.float64], npt.NDArray[np.int64]
FOLDS, C = 5, 10.0


def bounds_of(images: Images, pool: BenchPool, seed: int, kept: Path) -> dict[str, Callable[[], Rows]]:
    """The rankings, each made when it is called: the rows, best first; off-topic ones last if that is known."""
    candidates, truth = candidates_of(images, pool, seed, kept)[0], images.labels[pool.rows]
    assert candidates.embeddings is not None and candidates.similarity is not None
    units, similarity = candidates.embeddings, candidates.similarity
    uniform = uniform_numbers(candidates, seed)

    def held_out(weights: str | None = None) -> Floats:
        inputs = [b"held out", str(weights).encode(), units.tobytes(), truth.tobytes(), str(seed).encode()]
        return remembered(kept, inputs, lambda: {"said": probabilities_held_out(units, truth, seed, weights)})["said"]

    def likeness() -> Floats:
        means = np.stack([units[truth == label].mean(axis=0) for label in range(N_CLASSES)])
        return np.asarray((units * means[np.maximum(truth, 0)]).sum(axis=1), np.float64)

    found: dict[str, Callable[[], Rows]] = {
        "labels of all others: equal counts": lambda: _class_balanced(candidates, held_out(), truth < 0, seed),
        "labels of all others: greedy": lambda: greedy(held_out(), uniform, truth < 0),
        "labels of all others, classes weighted alike: equal counts": lambda: _class_balanced(
            candidates, held_out("balanced"), truth < 0, seed
        ),
        "labels of all others, classes weighted alike: greedy": lambda: greedy(
            held_out("balanced"), uniform, truth < 0
        ),
        "true classes, like the class's mean first": lambda: in_turn(-likeness(), truth),
        "true classes, unlike it first": lambda: in_turn(likeness(), truth),
        "true classes, inverse density": lambda: in_turn(density_keys(similarity, uniform, 20, 32.0), truth),
        "true classes, farthest first": lambda: in_turn(_farthest(candidates, truth, seed), truth),
    }
    for level, clusters in enumerate(candidates.paths.T, 1):
        name = f"make-up of the clusters of level {level}"
        found[f"{name}: equal per main class"] = partial(_per_main_class, clusters, truth, uniform)
        found[f"{name}: greedy"] = partial(_by_make_up, clusters, truth, uniform)
    return found


def _per_main_class(clusters: npt.NDArray[Any], truth: Rows, uniform: Floats) -> Rows:
    return in_turn(uniform, composition(clusters, truth)[:, :-1].argmax(axis=1)[clusters])


def _by_make_up(clusters: npt.NDArray[Any], truth: Rows, uniform: Floats) -> Rows:
    return greedy_over_clusters(composition(clusters, truth), clusters, uniform)


def probabilities_held_out(embeddings: npt.NDArray[Any], truth: Rows, seed: int, weights: str | None) -> Floats:
    """Probabilities of the classes, (n, N_CLASSES), by a regression on the true labels of all but a sample's fifth."""
    fold = np.random.default_rng([seed, 5]).permutation(len(truth)) % FOLDS
    found = np.zeros((len(truth), N_CLASSES))
    for held in range(FOLDS):
        taught = (fold != held) & (truth >= 0)
        fitted = LogisticRegression(C=C, max_iter=1000, tol=1e-3, class_weight=weights).fit(
            embeddings[taught], truth[taught]
        )
        found[np.ix_(fold == held, fitted.classes_)] = fitted.predict_proba(embeddings[fold == held])
    return found


def greedy(probabilities: Floats, uniform: Floats, last: npt.NDArray[np.bool_]) -> Rows:
    """Next is what adds most to the sum of log(expected count) over the classes, two fifths of all; the rest at random.

    last: what is passed over while there is another.
    """
    counts, left = np.full(probabilities.shape[1], 0.5), ~last
    taken = np.empty(min(int(left.sum()), 2 * len(probabilities) // 5 + 1), np.int64)
    for place in range(len(taken)):
        taken[place] = best = int(np.where(left, probabilities @ (1 / counts), -1).argmax())
        left[best] = False
        counts += probabilities[best]
    rest = np.ones(len(probabilities), np.bool_)
    rest[taken] = False
    rest_rows = np.flatnonzero(rest)
    return np.r_[taken, rest_rows[np.lexsort((uniform[rest_rows], last[rest_rows]))]]


def composition(clusters: npt.NDArray[Any], truth: Rows) -> Floats:
    """Shares of the classes in each cluster, (n_clusters, N_CLASSES + 1); the last is what is off topic."""
    counts = np.zeros((int(clusters.max()) + 1, N_CLASSES + 1))
    np.add.at(counts, (clusters, np.where(truth < 0, N_CLASSES, truth)), 1)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def greedy_over_clusters(made_of: Floats, clusters: npt.NDArray[Any], uniform: Floats) -> Rows:
    """Next is a random sample of the cluster that adds most to the sum of log(expected count) over the classes."""
    members = [rows[np.argsort(uniform[rows])] for rows in (np.flatnonzero(clusters == c) for c in range(len(made_of)))]
    left, counts = np.array([len(rows) for rows in members]), np.full(N_CLASSES, 0.5)
    found = np.empty(len(clusters), np.int64)
    for place in range(len(found)):
        best = int(np.where(left > 0, made_of[:, :-1] @ (1 / counts), -1).argmax())
        found[place] = members[best][len(members[best]) - left[best]]
        left[best] -= 1
        counts += made_of[best, :-1]
    return found


def in_turn(keys: Floats, groups: Rows) -> Rows:
    """The groups take turns, each with its lowest key first; group -1 comes last."""
    order = np.lexsort((keys, groups))
    ordered = groups[order]
    start = np.searchsorted(ordered, ordered)
    turn = np.empty(len(groups))
    turn[order] = np.arange(len(groups)) - start
    return np.lexsort((keys, turn, groups < 0))


def _class_balanced(candidates: Candidates, said: Floats, last: npt.NDArray[np.bool_], seed: int) -> Rows:
    known = replace(candidates, probabilities=SparseProbabilities.of(said.astype(np.float32), 5))
    return np.lexsort((ClassBalanced().rank(known, seed).place, last))


def _farthest(candidates: Candidates, truth: Rows, seed: int) -> Floats:
    """Places in the farthest-first order of each class, (n,)."""
    found = np.zeros(len(truth))
    for label in range(N_CLASSES):
        rows = np.flatnonzero(truth == label)
        found[rows] = Diverse().rank(candidates.at(rows), seed).place
    return found
