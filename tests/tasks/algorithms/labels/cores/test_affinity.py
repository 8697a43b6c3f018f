import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from windrow.tasks.algorithms.labels.cores.affinity import (
    LocalMatrix,
    affinity,
    affinity_of,
    normalised_affinity,
    spread_to_new,
)
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 30), st.integers(1, 5))
def test_some_rows_and_all_sums_are_those_of_the_whole(seed, n_rows, k):
    rng = np.random.default_rng(seed)
    graph = neighbor_graph(rng.standard_normal((30, 4)), k)
    rows = np.sort(rng.permutation(30)[:n_rows])
    whole = affinity(graph, 3.0).toarray()
    found, sums = affinity_of(graph, 3.0, rows)
    np.testing.assert_allclose(found.toarray(), whole[rows], rtol=1e-12)
    np.testing.assert_allclose(sums, whole.sum(axis=1), rtol=1e-12)


def test_a_slot_without_a_neighbour_weighs_nothing():
    graph = NeighborGraph(np.array([[1], [-1]]), np.array([[1.0], [-np.inf]], np.float32))
    found, sums = affinity_of(graph, 3.0, np.array([0, 1]))
    assert found.toarray().tolist() == [[0, 1], [1, 0]]
    assert sums.tolist() == [1, 1]


def on_a_line(*edges: tuple[int, int], n: int) -> NeighborGraph:
    """A graph of one neighbour a row, at cosine 1; rows without an edge have none."""
    indices, similarity = np.full((n, 1), -1), np.full((n, 1), -np.inf, np.float32)
    for row, other in edges:
        indices[row], similarity[row] = other, 1.0
    return NeighborGraph(indices, similarity)


SAID = np.array([[0.9, 0.1], [0.2, 0.8], [0, 0], [0, 0], [0, 0]], np.float32)


def test_a_new_row_hears_the_mean_of_its_neighbours_and_alpha_of_that_beside_its_own_label():
    graph = on_a_line((0, 2), (1, 2), n=5)  # 2 has two neighbours that were told, 3 and 4 none
    new, none = np.array([2, 3, 4]), np.full(5, -1)
    found = spread_to_new(graph, none, new, SAID, 0.9, 3.0)
    np.testing.assert_allclose(found, [[0.55, 0.45], [0.5, 0.5], [0.5, 0.5]], atol=1e-6)
    labelled = np.array([-1, -1, 1, 0, -1])
    found = spread_to_new(graph, labelled, new, SAID, 0.9, 3.0)
    np.testing.assert_allclose(found, [[0.9 * 0.55, 0.9 * 0.45 + 0.1], [1, 0], [0.5, 0.5]], atol=1e-6)


def test_new_rows_hear_each_other_and_what_is_told_of_the_others_stays():
    graph = on_a_line((2, 0), (3, 2), (4, 3), n=5)  # 0 - 2 - 3 - 4
    found = spread_to_new(graph, np.full(5, -1), np.array([2, 3, 4]), SAID, 0.9, 3.0)
    np.testing.assert_allclose(found, [[0.9, 0.1]] * 3, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(1, 8))
def test_products_in_the_local_order_are_to_the_bit_those_of_the_matrix(seed: int, n: int, k: int):
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal((n, 3)) + 9 * rng.integers(0, 3, (n, 1))  # several parts
    matrix = normalised_affinity(neighbor_graph(pool, min(k, n - 1)), 3.0)
    local, values = LocalMatrix.of(matrix), rng.standard_normal((n, 4))
    assert sorted(local.order.tolist()) == list(range(n))
    assert local.restored(local.matrix @ values[local.order]).tobytes() == (matrix @ values).tobytes()


def test_neighbours_lie_near_each_other():
    rng = np.random.default_rng(0)
    place = rng.permutation(2000)
    pool = np.stack([np.cos(place / 700), np.sin(place / 700)], axis=1)  # a curve, its points in any order
    matrix = normalised_affinity(neighbor_graph(pool, 10), 3.0)

    def apart(of: sparse.csr_array) -> float:
        entries = of.tocoo()
        return float(np.abs(entries.row - entries.col).mean())

    assert apart(LocalMatrix.of(matrix).matrix) < 10 < 300 < apart(matrix)


def test_a_matrix_with_long_indices_stays_as_it_is():
    matrix = normalised_affinity(neighbor_graph(np.eye(4) + 0.1, 2), 3.0)
    long = sparse.csr_array(
        (matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)), shape=(4, 4)
    )
    assert LocalMatrix.of(long).order.tolist() == [0, 1, 2, 3]
