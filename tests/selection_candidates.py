"""Samples to rank, as selection policies find them."""

import numpy as np

from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.selection_policy import Candidates


def candidates_of(n: int, expressions: tuple[str, ...] = ()) -> Candidates:
    """n samples in six clusters, of three classes, with ties among all that could break them."""
    rng = np.random.default_rng(n)
    fine = rng.integers(6, size=n).astype(np.int32)
    embeddings = rng.normal(size=(n, 5)).astype(np.float16)
    embeddings[n // 2 :] = embeddings[: n - n // 2]
    probabilities = rng.dirichlet([0.3] * 3, size=n).astype(np.float32)
    return Candidates(
        sample_ids=np.array([f"{number:032x}" for number in rng.permutation(n)]),
        paths=np.stack([fine, fine // 2], axis=1),
        distance=(rng.integers(0, 9, n) / 8).astype(np.float32),
        embeddings=embeddings,
        similarity=np.sort(rng.integers(0, 9, (n, 4)) / 8, axis=1)[:, ::-1].astype(np.float32),
        probabilities=SparseProbabilities.of(probabilities, 2),
        columns={expression: rng.random(n) for expression in expressions},
        targets=rng.normal(size=(7, 5)).astype(np.float16),
    )
