import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.cores.affinity import affinity, affinity_of
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
