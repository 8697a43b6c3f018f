import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, search
from windrow.tasks.algorithms.selection import retrieval
from windrow.tasks.algorithms.selection.retrieval import retrieve


def points(*degrees: float) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


def test_every_seed_brings_its_nearest_before_any_brings_its_second() -> None:
    pool = points(1, 2, 3, 95, 170)
    assert retrieve(pool, points(0, 90), 5).tolist() == [0, 3, 1, 4, 2]
    assert retrieve(pool, points(90, 0), 5).tolist() == [0, 3, 1, 4, 2]


@settings(max_examples=15)
@given(seed=st.integers(0, 999), n=st.integers(1, 40), m=st.integers(1, 7))
def test_after_a_round_the_prefix_is_the_nearest_of_every_seed_and_a_smaller_size_is_a_prefix(
    seed: int, n: int, m: int
) -> None:
    rng = np.random.default_rng(seed)
    pool, seeds = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    order = retrieve(pool, seeds, n)
    assert sorted(order) == list(range(n))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (pool, seeds)]
    nearest = np.argsort(-(unit[1] @ unit[0].T), axis=1)
    for k in range(1, n + 1):
        served = set(nearest[:, :k].ravel())
        assert set(order[: len(served)]) == served
    size = int(rng.integers(0, n + 1))
    assert retrieve(pool, seeds, size).tolist() == order[:size].tolist()
    assert retrieve(pool, seeds[::-1], n).tolist() == order.tolist()


def test_seeds_that_say_the_same_fill_the_size_all_the_same() -> None:
    pool = points(*range(12))
    assert retrieve(pool, points(*[0] * 6), 9).tolist() == list(range(9))


def test_few_seeds_are_held_at_once_where_each_brings_much(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, held = np.random.default_rng(0), []
    pool, seeds = rng.normal(size=(40, 3)), rng.normal(size=(9, 3))
    order = retrieve(pool, seeds, 40)

    def counted(queries: np.ndarray, base: np.ndarray, k: int) -> NeighborGraph:
        held.append(len(queries) * k)
        return search(queries, base, k)

    monkeypatch.setattr(retrieval, "search", counted)
    monkeypatch.setattr(retrieval, "MOST_HELD", 50)
    assert retrieve(pool, seeds, 40).tolist() == order.tolist()
    assert max(held) <= 50


def test_a_bad_call_is_refused() -> None:
    with pytest.raises(ValueError, match="seeds: wants one or more, got none"):
        retrieve(points(0), np.empty((0, 2)), 1)
    with pytest.raises(ValueError, match="size: wants 0 or more, got -1"):
        retrieve(points(0), points(0), -1)
    with pytest.raises(ValueError, match="queries have 3 dimensions and base 2"):
        retrieve(points(0), np.ones((1, 3)), 1)
