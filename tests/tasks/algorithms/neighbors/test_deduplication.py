from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.neighbors.deduplication import TILE, near_duplicates


def brute_force(embeddings: np.ndarray, threshold: float, priority: np.ndarray, partition: np.ndarray) -> np.ndarray:
    x = embeddings.astype(np.float64)
    duplicate_of, kept = np.full(len(x), -1), []
    for i in np.lexsort((np.arange(len(x)), priority)):
        for j in kept:
            lengths = np.sqrt(x[i] @ x[i] * (x[j] @ x[j]))
            if partition[i] == partition[j] and lengths > 0 and np.float32(x[i] @ x[j] / lengths) >= threshold:
                duplicate_of[i] = j
                break
        else:
            kept.append(i)
    return duplicate_of


def clumped(n: int, d: int, n_clumps: int, spread: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n_clumps, d))[rng.integers(n_clumps, size=n)] + spread * rng.normal(size=(n, d))
    return (points * rng.uniform(0.1, 10, size=(n, 1))).astype(np.float32)


def test_of_three_vectors_the_second_repeats_the_first():
    embeddings = np.array([[1, 0], [2, 0], [0, 3]], dtype=np.float32)
    found = near_duplicates(embeddings, threshold=0.9)
    assert found.duplicate_of.tolist() == [-1, 0, -1]
    assert found.similarity.tolist() == [-1.0, 1.0, 0.0]


def test_the_lowest_priority_is_kept_and_only_kept_samples_drop_others():
    # 0 deg, 20 deg, 40 deg: neighbours are within the threshold, the ends are not
    angle = np.deg2rad([0, 20, 40])
    chain = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    threshold = float(np.cos(np.deg2rad(25)))
    assert near_duplicates(chain, threshold=threshold).duplicate_of.tolist() == [-1, 0, -1]
    assert near_duplicates(chain, threshold=threshold, priority=[1, 0, 2]).duplicate_of.tolist() == [1, -1, 1]
    assert near_duplicates(chain, threshold=threshold, priority=[2, 1, 0]).duplicate_of.tolist() == [-1, 2, -1]


def test_samples_are_compared_only_within_a_partition():
    embeddings = np.ones((4, 3), dtype=np.float32)
    found = near_duplicates(embeddings, threshold=0.5, partition=[7, 2, 7, 2])
    assert found.duplicate_of.tolist() == [-1, -1, 0, 1]
    assert found.similarity.tolist() == [-1.0, -1.0, 1.0, 1.0]


def test_a_zero_vector_is_a_duplicate_of_nothing():
    embeddings = np.array([[0, 0], [1, 1], [0, 0], [1, 1]], dtype=np.float32)
    assert near_duplicates(embeddings, threshold=1e-6).duplicate_of.tolist() == [-1, -1, -1, 1]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_equal_vectors_reach_a_threshold_of_one_and_others_do_not(dtype):
    unique = np.random.default_rng(0).normal(size=(40, 384)).astype(dtype)
    found = near_duplicates(np.concatenate([unique, unique * dtype(2)]), threshold=1.0, block=16)
    assert found.duplicate_of.tolist() == [-1] * 40 + list(range(40))
    assert np.all(found.similarity[40:] == 1)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 90),
    d=st.integers(1, 12),
    spread=st.sampled_from([0.0, 0.1, 0.5]),
    threshold=st.floats(0.3, 1.0),
    n_partitions=st.integers(1, 3),
    block=st.sampled_from([1, 7, 16, 1024]),
    seed=st.integers(0, 10**6),
)
def test_agrees_with_brute_force_for_every_block_size(n, d, spread, threshold, n_partitions, block, seed):
    rng = np.random.default_rng(seed)
    embeddings = clumped(n, d, 12, spread, seed)
    priority, partition = rng.integers(0, 5, n), rng.integers(0, n_partitions, n)
    found = near_duplicates(embeddings, threshold=threshold, priority=priority, partition=partition, block=block)
    assert np.array_equal(found.duplicate_of, brute_force(embeddings, threshold, priority, partition))


def test_every_dropped_sample_has_a_kept_neighbour_and_no_two_kept_ones_reach_the_threshold():
    n, threshold = TILE + 900, 0.95
    embeddings = clumped(n, 24, 6000, 0.08, seed=1)
    found = near_duplicates(embeddings, threshold=threshold)
    kept = found.duplicate_of < 0
    assert TILE > kept.sum() > 1000
    assert kept[found.duplicate_of[~kept]].all()
    assert (found.similarity[~kept] >= threshold).all()
    assert (found.similarity[kept] < threshold).all()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    among = np.tril(unit[kept] @ unit[kept].T, -1) - np.triu(np.ones(kept.sum()))
    assert among.max() < threshold + 1e-6
    np.testing.assert_allclose(found.similarity[kept], among.max(axis=1), atol=1e-5)
    dropped = np.einsum("ij,ij->i", unit[~kept], unit[found.duplicate_of[~kept]])
    np.testing.assert_allclose(found.similarity[~kept], dropped, atol=1e-5)


def test_more_kept_samples_than_a_tile_are_all_compared():
    unique = np.random.default_rng(0).normal(size=(TILE + 200, 24)).astype(np.float32)
    found = near_duplicates(np.concatenate([unique, unique[::-1]]), threshold=0.9999)
    assert found.duplicate_of.tolist() == [-1] * len(unique) + list(range(len(unique)))[::-1]


def test_no_embeddings_have_no_duplicates():
    assert near_duplicates(np.zeros((0, 4), dtype=np.float32), threshold=0.9).duplicate_of.tolist() == []


def test_bad_calls_are_refused():
    embeddings = np.ones((3, 2), dtype=np.float32)
    for threshold in (0, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"threshold: expected a cosine similarity in \(0, 1\], got"):
            near_duplicates(embeddings, threshold=threshold)
    with pytest.raises(ValueError, match=r"priority: expected shape \(3,\), got \(2,\)"):
        near_duplicates(embeddings, threshold=0.9, priority=[1, 2])
    with pytest.raises(ValueError, match=r"embeddings: expected numbers of shape \(n, d\), got float32 \(2,\)"):
        near_duplicates(embeddings[0], threshold=0.9)
    embeddings[2, 0] = np.inf
    with pytest.raises(ValueError, match="embeddings: row 2 is not finite"):
        near_duplicates(embeddings, threshold=0.9)
