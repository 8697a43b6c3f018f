"""What every selection policy keeps to: a new one is tested by its line in POLICIES."""

from dataclasses import replace

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.policies import POLICIES
from windrow.tasks.algorithms.selection.ranking import inclusion_weights
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


def taken(candidates: Candidates, rows: np.ndarray) -> Candidates:
    """The same samples in another order."""
    said = candidates.probabilities
    assert said is not None and candidates.embeddings is not None and candidates.similarity is not None
    return replace(
        candidates,
        sample_ids=candidates.sample_ids[rows],
        paths=candidates.paths[rows],
        distance=candidates.distance[rows],
        embeddings=candidates.embeddings[rows],
        similarity=candidates.similarity[rows],
        probabilities=SparseProbabilities(said.classes[rows], said.probabilities[rows], said.n_classes),
        columns={name: values[rows] for name, values in candidates.columns.items()},
    )


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("n", [0, 1, 60])
def test_every_sample_has_one_rank_by_the_seed_alone_and_the_weights_add_up(name: str, n: int) -> None:
    policy = POLICIES[name]()
    candidates = candidates_of(n, policy.expressions)
    found, again = policy.rank(candidates, 3), policy.rank(candidates, 3)
    assert sorted(found.place.tolist()) == list(range(1, n + 1)) and found.place.dtype == np.int64
    assert found.place.tobytes() == again.place.tobytes()
    assert found.strata.dtype == np.int32 and len(found.strata) == n
    if n == 60:
        assert inclusion_weights(found.strata, found.place <= 20).sum() == pytest.approx(n)


@pytest.mark.parametrize("name", POLICIES)
def test_the_ranking_does_not_depend_on_the_order_in_which_the_samples_come(name: str) -> None:
    policy = POLICIES[name]()
    candidates, rows = candidates_of(60, policy.expressions), np.random.default_rng(1).permutation(60)
    assert policy.rank(taken(candidates, rows), 3).place.tolist() == policy.rank(candidates, 3).place[rows].tolist()


@pytest.mark.parametrize("name", ["balanced", "random"])
def test_another_seed_is_another_ranking(name: str) -> None:
    rankings = [POLICIES[name]().rank(candidates_of(60), seed).place.tobytes() for seed in range(8)]
    assert len(set(rankings)) > 4
