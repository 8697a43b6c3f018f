"""Two planes of a pool: its principal components, and a neighbour embedding, in which near samples stay near.

The neighbour embedding is scikit-learn's Barnes-Hut t-SNE (van der Maaten, "Accelerating t-SNE using tree-based
algorithms", JMLR 2014), begun at the principal components (Kobak and Berens, Nature Communications 2019). Above
LANDMARKS samples it is made of that many drawn ones, and the others are placed among their nearest landmarks, as
openTSNE begins to place new samples: the cost is one search among landmarks, not an embedding of all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array, row_blocks
from windrow.tasks.algorithms.neighbors.exact_neighbors import loaded_faiss

LANDMARKS = 6000
PERPLEXITY = 30.0
ITERATIONS = 500
NEAREST = 5
_BLOCK = 16_384


def principal_plane(embeddings: npt.NDArray[np.floating], fitted: Int64Array) -> Float32Array:
    """Project embeddings (n, dim) on the first two principal components of the rows `fitted`: (n, 2).

    Signs are those that make the largest loading of each positive, which the decomposition leaves open.
    """
    sample = embeddings[fitted].astype(np.float64)
    middle = sample.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((sample - middle).T).reshape(sample.shape[1], -1))
    axes = axes[:, ::-1][:, :2]
    axes *= np.where(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], 0) < 0, -1.0, 1.0)
    plane = np.zeros((len(embeddings), 2), np.float32)
    for rows in row_blocks(len(embeddings), _BLOCK):
        plane[rows, : axes.shape[1]] = (embeddings[rows].astype(np.float64) - middle) @ axes
    return plane


def neighbor_plane(embeddings: npt.NDArray[np.floating], landmarks: Int64Array, seed: int) -> Float32Array:
    """Place embeddings (n, dim) in a plane (n, 2) in which the cosine-nearest landmarks are near.

    `landmarks`: the rows that t-SNE places, ascending; all others are placed among NEAREST of these. One thread places
    them: the same seed gives the same plane on any number of cores.
    """
    units = _units(embeddings[landmarks])
    placed = _tsne(units, seed)
    plane = np.empty((len(embeddings), 2), np.float32)
    plane[landmarks] = placed
    others = np.setdiff1d(np.arange(len(embeddings)), landmarks, assume_unique=True)
    if len(others):
        index = loaded_faiss().IndexFlatIP(units.shape[1])
        index.add(units)
        for rows in row_blocks(len(others), _BLOCK):
            chosen = others[rows]
            similarity, near = index.search(_units(embeddings[chosen]), min(NEAREST, len(units)))
            plane[chosen] = _among(placed[near], similarity)
    return plane


def _tsne(units: Float32Array, seed: int) -> Float32Array:
    n = len(units)
    if n < 4:
        return np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (n - 1) / 3)
    # A pool of equal pictures has no components to begin at.
    begun = "pca" if min(units.shape) > 1 and np.ptp(units, axis=0).max() > 0 else "random"
    method = TSNE(2, perplexity=perplexity, max_iter=ITERATIONS, init=begun, random_state=seed)
    with threadpool_limits(1):
        return np.asarray(method.fit_transform(units), np.float32)


def _units(vectors: npt.NDArray[np.floating]) -> Float32Array:
    rows = vectors.astype(np.float32)
    return np.ascontiguousarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _among(places: Float32Array, similarity: Float32Array) -> Float32Array:
    """Places (m, 2) from those of the nearest landmarks (m, k, 2): the mean of the nearer ones, without far ones.

    What lies far from the others in the plane would draw a sample into the void between two groups.
    """
    middle = np.median(places, axis=1, keepdims=True)
    away = np.linalg.norm(places - middle, axis=2)
    near = away <= 2 * np.median(away, axis=1, keepdims=True) + 1e-6
    behind = similarity.max(axis=1, keepdims=True) - similarity
    weight = np.where(near, np.exp(-behind / np.maximum(behind.mean(axis=1, keepdims=True), 1e-6)), 0.0)
    return np.asarray((places * weight[..., None]).sum(axis=1) / weight.sum(axis=1, keepdims=True), np.float32)
