"""Two planes: near samples stay near in one, the other is that of the largest variance."""

import numpy as np
import pytest

from windrow.tasks.algorithms.neighbors.neighbor_embedding import neighbor_plane, principal_plane


def crowds(n: int, dim: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four far crowds, and the crowd of each row."""
    random = np.random.default_rng(seed)
    of = random.integers(0, 4, n)
    return (5 * np.eye(4, dim)[of] + random.normal(size=(n, dim)) * 0.2).astype(np.float16), of


@pytest.mark.parametrize("n_landmarks", [300, 80])
def test_nearest_neighbours_in_the_plane_are_of_the_same_crowd(n_landmarks: int) -> None:
    """Of those that t-SNE places, and of those that are placed among them."""
    embeddings, of = crowds(300)
    plane = neighbor_plane(embeddings, np.arange(n_landmarks), seed=0)
    away = np.linalg.norm(plane[:, None] - plane[None], axis=2) + np.diag(np.full(300, np.inf))
    near = np.argsort(away, axis=1)[:, :5]
    assert (of[near] == of[:, None]).mean() > 0.98
    again = neighbor_plane(embeddings, np.arange(n_landmarks), seed=0)
    assert np.array_equal(plane, again)


def test_a_sample_between_landmarks_that_lie_apart_goes_to_the_nearer_crowd() -> None:
    embeddings, of = crowds(200)
    landmarks = np.arange(0, 200, 2)
    plane = neighbor_plane(embeddings, landmarks, seed=1)
    middles = np.stack([plane[landmarks][of[landmarks] == crowd].mean(axis=0) for crowd in range(4)])
    others = np.arange(1, 200, 2)
    nearest = np.linalg.norm(plane[others][:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == of[others]).all()


def test_the_principal_plane_is_that_of_a_singular_value_decomposition() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(50, 6)) * np.arange(6, 0, -1)
    plane = principal_plane(rows, np.arange(50))
    values, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[1:]
    assert np.allclose(np.abs(plane), np.abs((rows - rows.mean(axis=0)) @ axes[:2].T), atol=1e-4)
    assert np.allclose(np.linalg.norm(plane, axis=0), values[:2], rtol=1e-5)


@pytest.mark.parametrize("rows", [np.zeros((2, 3)), np.ones((7, 3)), np.array([[1.0], [-1.0], [2.0], [3.0], [1.0]])])
def test_few_equal_or_one_dimensional_samples_have_places(rows: np.ndarray) -> None:
    everyone = np.arange(len(rows))
    for plane in (neighbor_plane(rows, everyone, seed=0), principal_plane(rows, everyone)):
        assert plane.shape == (len(rows), 2)
        assert np.isfinite(plane).all()
