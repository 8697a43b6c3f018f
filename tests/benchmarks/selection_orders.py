"""The rankings that bench_selection.py compares, of what the pipeline knows of a pool by its default settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from selection_pools import N_CLASSES, BenchPool, Images

import windrow.tasks.algorithms
from windrow.tasks.algorithms.clustering.estimator import HierarchicalKMeans
from windrow.tasks.algorithms.labels.deciding.belonging import belonging
from windrow.tasks.algorithms.labels.label_spreading import spread_labels
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.coarse_groups import coarse_groups
from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
from windrow.tasks.algorithms.neighbors.duplicate_threshold import propose_threshold
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.algorithms.neighbors.foreign_groups import foreign_score
from windrow.tasks.algorithms.neighbors.outliers import off_topic_score
from windrow.tasks.algorithms.selection.policies import POLICIES
from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.policies.class_balanced import ClassBalanced
from windrow.tasks.algorithms.selection.selection_policy import Candidates, SelectionPolicy

MAKERS = ("propagation", "smoothed", "smoothed_probe")
LEAST_BELONGING, DOUBTED_BELONGING, MOST_STRANGE, MOST_FOREIGN = 0.05, 0.2, 0.95, 4.0
DEFAULT = "class-balanced, the default"
UNLABELLED, BOUND, PRUNING = "class-balanced, no label", "equal per true class (bound)", "SemDeDup-like pruning"
STRANGERS_LAST = f"{UNLABELLED}, off_topic_score > 0.95 last"
FOREIGN_LAST = f"{UNLABELLED}, foreign_score > 4 last"
HARD = "1 - confidence"  # what `hard` asks the pool for
Known = dict[str, npt.NDArray[Any]]


GROUPED = ("clustering/*.py", "labels/**/*.py", "neighbors/exact_neighbors.py")
"""The algorithms that clusters, neighbours and labels come from."""
RANKED = (*GROUPED, "neighbors/d*.py", "selection/**/*.py", "worth/*.py")
"""Those that rankings and what they score come from, but for what tells strangers."""


@cache
def code(patterns: tuple[str, ...]) -> str:
    """A name of these algorithms of the product as they stand: what they found is kept under it."""
    found, root = hashlib.sha256(), Path(next(iter(windrow.tasks.algorithms.__path__)))
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        found.update(path.read_bytes())
    return found.hexdigest()


def remembered(folder: Path, inputs: Sequence[bytes], make: Callable[[], Known]) -> Known:
    """What `make` gives for the inputs, found in the folder where it was made before by the same code."""
    name = hashlib.sha256(code(GROUPED).encode())
    for each in inputs:
        name.update(hashlib.sha256(each).digest())
    path = folder / f"{name.hexdigest()[:32]}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **make())
    with np.load(path) as held:
        return dict(held)


def candidates_of(
    images: Images, pool: BenchPool, seed: int, kept: Path
) -> tuple[Candidates, npt.NDArray[np.float32] | None]:
    """What the pipeline knows of the pool by its default settings, and who belongs to the labelled classes."""
    embeddings = images.select[pool.rows]
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    labels = np.where(pool.given, images.labels[pool.rows], -1)
    inputs = [embeddings.tobytes(), str(seed).encode()]
    near = remembered(kept, [b"near", *inputs], lambda: _near(embeddings, seed))
    candidates = Candidates(
        sample_ids=np.array([hashlib.sha256(str(row).encode()).hexdigest()[:32] for row in pool.rows]),
        paths=near["paths"],
        distance=near["distance"],
        embeddings=embeddings,
        similarity=near["similarity"],
        columns={HARD: np.full(len(labels), np.nan)},
        targets=images.select[pool.test[:: max(1, len(pool.test) // 500)]],
    )
    if not pool.given.any():
        return candidates, None
    graph = NeighborGraph(near["indices"], near["similarity"])
    spread = remembered(kept, [b"spread", *inputs, labels.tobytes()], lambda: _spread(embeddings, graph, labels, seed))
    said = SparseProbabilities.of(spread["confidence"], 5)
    known = replace(candidates, probabilities=said, columns={HARD: 1.0 - said.probabilities[:, 0].astype(np.float64)})
    return known, spread["belonging"]


def _near(embeddings: npt.NDArray[np.float32], seed: int) -> Known:
    clusters, graph = HierarchicalKMeans(seed=seed).fit(embeddings), neighbor_graph(embeddings, 20)
    distance = clusters.distance_.astype(np.float32)
    near = {"indices": graph.indices, "similarity": graph.similarity}
    return {"paths": clusters.paths_, "distance": distance, **near}


def _spread(embeddings: npt.NDArray[np.float32], graph: NeighborGraph, labels: npt.NDArray[Any], seed: int) -> Known:
    spread = spread_labels(embeddings, graph, labels, N_CLASSES, MAKERS, MAKERS, seed=seed)
    return {"confidence": spread.confidence, "belonging": belonging(embeddings, graph, labels)}


def pruned(embeddings: npt.NDArray[Any], seed: int) -> npt.NDArray[np.int64]:
    """In a random order, the least similar to those before first: what pruning to a size by a threshold keeps."""
    order = np.random.default_rng(seed).permutation(len(embeddings))
    rows = embeddings[order]
    nearest = np.full(len(rows), -np.inf)
    for start in range(0, len(rows), 1024):
        block = rows[start : start + 1024] @ rows[: start + 1024].T
        late = np.arange(block.shape[1]) >= np.arange(start, start + len(block))[:, None]
        nearest[start : start + len(block)] = np.where(late, -np.inf, block).max(axis=1)
    return order[np.argsort(nearest, kind="stable")]


def repeated(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """What is dropped as a near-duplicate of another by the threshold that is proposed."""
    threshold = propose_threshold(neighbor_graph(embeddings, 1).similarity[:, 0]).threshold
    found: npt.NDArray[np.bool_] = near_duplicates(embeddings, threshold).duplicate_of >= 0
    return found


def rankings_of(
    images: Images, pool: BenchPool, seed: int, has_copies: bool, kept: Path
) -> dict[str, Callable[[], npt.NDArray[np.int64]]]:
    """The rankings to compare, each made when it is called: the rows, best first."""
    candidates, close = candidates_of(images, pool, seed, kept)
    truth, raw = images.labels[pool.rows], images.select[pool.rows]
    assert candidates.embeddings is not None
    units: npt.NDArray[np.float32] = candidates.embeddings
    unlabelled = replace(candidates, probabilities=None)
    policies: dict[str, tuple[SelectionPolicy, Candidates]] = {
        name: (policy(), candidates)
        for name, policy in POLICIES.items()
        if name != "random" and (candidates.probabilities is not None or name not in ("class-balanced", "hard"))
    }
    policies["balanced, the paper's 'r'"] = (Balanced(order="random"), candidates)
    policies[UNLABELLED] = (ClassBalanced(), unlabelled)

    def ranked(name: str, *last: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        policy, who = policies[name]
        return np.lexsort((policy.rank(who, seed).place, *last))

    def default() -> npt.NDArray[np.int64]:
        dropped = repeated(units) if has_copies else np.zeros(len(truth), np.bool_)
        if close is None:
            return ranked(UNLABELLED, foreign(raw), dropped)
        is_last = (close <= LEAST_BELONGING) | (foreign(raw) & (close <= DOUBTED_BELONGING))
        return ranked("class-balanced", is_last, dropped)

    return {
        **{name: partial(ranked, name) for name in policies},
        DEFAULT: default,
        STRANGERS_LAST: lambda: ranked(UNLABELLED, off_topic_score(coarse_groups(raw)) > MOST_STRANGE),
        FOREIGN_LAST: lambda: ranked(UNLABELLED, foreign(raw)),
        PRUNING: lambda: pruned(units, seed),
        BOUND: lambda: equal_shares(truth, seed),
    }


def foreign(embeddings: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """What the default puts last where no labels speak for it."""
    coarse = coarse_groups(embeddings)
    return foreign_score(coarse) > MOST_FOREIGN if coarse else np.zeros(len(embeddings), np.bool_)


def equal_shares(truth: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """The true classes in turn, at random within each; what is off topic last."""
    turn = np.empty(len(truth))
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    for label in np.unique(truth):
        mine = shuffled[truth[shuffled] == label]
        turn[mine] = np.arange(len(mine)) + (1e9 if label < 0 else 0)
    return np.argsort(turn, kind="stable")
