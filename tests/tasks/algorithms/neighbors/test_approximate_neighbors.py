import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.neighbors.approximate_neighbors import (
    CELL_SIZE,
    MOST_SCANNED,
    _filled_cells,
    _graph_of,
    approximate_neighbor_graph,
    approximate_search,
    cell_count,
    learn_cells,
    recall_of,
    search_cells,
)
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph, search

N = 3000
FEW_CELLS = {"n_probe": 6, "n_checked": 200}


def clustered_pool(seed, n=N, d=16, n_clusters=30):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_clusters, d))
    return (centres[rng.integers(n_clusters, size=n)] + 0.5 * rng.standard_normal((n, d))).astype(np.float32)


def same(a, b):
    return a.indices.tobytes() == b.indices.tobytes() and a.similarity.tobytes() == b.similarity.tobytes()


def cosines(pool, graph):
    """The similarity that the exact search would give to each pair of the graph."""
    units = unit_rows(pool)[0]
    return (units[graph.indices] * units[:, None]).sum(axis=2).astype(np.float32)


def brute_force(pool, k, centroids, n_probe):
    """For each row the k best of the rows of the n_probe nearest cells, or of all rows where these have too few."""
    units = unit_rows(pool)[0]
    distance = np.square(units[:, None] - centroids[None].astype(np.float64)).sum(axis=2)
    near = np.argsort(distance, axis=1, kind="stable")
    most = MOST_SCANNED * n_probe * -(-len(pool) // len(centroids))
    indices, similarity = [], []
    for i in range(len(pool)):
        rows = np.concatenate([np.flatnonzero(near[:, 0] == cell) for cell in near[i, :n_probe]])[:most]
        rows = rows[rows != i]
        rows = rows if len(rows) >= k else np.delete(np.arange(len(pool)), i)
        cosines = (units[rows] @ units[i]).astype(np.float32) + 0
        best = np.lexsort((rows, -cosines))[:k]
        indices.append(rows[best])
        similarity.append(cosines[best])
    return NeighborGraph(np.array(indices), np.array(similarity))


def search_of(pool, k, centroids, n_probe):
    return _graph_of(pool, k, _filled_cells(pool, centroids, np.empty(0, np.int64)), n_probe)


def test_four_points_in_two_cells_find_those_of_the_cells_they_look_into():
    pool = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    centroids = np.array([[1, 0.05], [0.05, 1]], dtype=np.float32)
    assert search_of(pool, 1, centroids, 1).indices.tolist() == [[1], [0], [3], [2]]
    # A cell has no second neighbour, so the whole pool is searched for one.
    assert search_of(pool, 2, centroids, 1).indices.tolist() == [[1, 3], [0, 3], [3, 1], [2, 1]]
    assert same(search_of(pool, 3, centroids, 2), neighbor_graph(pool, 3))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 8))
def test_neighbours_are_the_best_of_the_nearest_cells(seed, k, n_probe):
    pool = clustered_pool(seed, n=400, d=6, n_clusters=8)
    centroids = unit_rows(pool[:8])[0].astype(np.float32)
    assert same(search_of(pool, k, centroids, n_probe), brute_force(pool, k, centroids, n_probe))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_with_every_cell_looked_into_it_is_the_exact_graph(seed, duplicates):
    pool = clustered_pool(seed, n=600)
    if duplicates:
        pool[100:108] = pool[0]
    assert same(search_of(pool, 5, unit_rows(pool[:12])[0].astype(np.float32), 12), neighbor_graph(pool, 5))


def test_similarities_are_those_of_the_exact_search_in_its_order():
    pool = clustered_pool(1)
    graph = approximate_neighbor_graph(pool, 10, **FEW_CELLS).graph
    np.testing.assert_array_equal(graph.similarity, cosines(pool, graph))
    assert (np.diff(graph.similarity, axis=1) <= 0).all()
    assert (graph.indices >= 0).all() and (graph.indices != np.arange(N)[:, None]).all()
    assert all(len(set(row)) == 10 for row in graph.indices.tolist())


def test_recall_is_the_share_of_the_exact_graph_and_grows_with_the_cells_looked_into():
    pool = clustered_pool(2)
    exact, recalls = neighbor_graph(pool, 10), []
    for n_probe in (1, 4, 16):
        found = approximate_neighbor_graph(pool, 10, n_probe=n_probe, n_checked=N)
        shared = (found.graph.indices[:, :, None] == exact.indices[:, None]).any(axis=2)
        assert found.recall == pytest.approx(np.mean(shared), abs=1e-9)
        recalls.append(found.recall)
    assert recalls[0] < recalls[1] < recalls[2]
    assert recalls[0] < 0.9 < 0.98 < recalls[2]


def test_threads_do_not_change_a_byte_and_the_seed_does():
    pool = clustered_pool(3, n=6000, d=40, n_clusters=5)
    with threadpool_limits(1):
        one = approximate_neighbor_graph(pool, 10, **FEW_CELLS)
    many = approximate_neighbor_graph(pool, 10, **FEW_CELLS)
    assert same(one.graph, many.graph) and one.recall == many.recall
    assert not same(many.graph, approximate_neighbor_graph(pool, 10, seed=1, **FEW_CELLS).graph)


def test_threads_do_not_change_which_of_nearly_equally_near_cells_are_looked_into():
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((3000, 128))
    centroids = unit_rows(pool[0] + 1e-5 * rng.standard_normal((2800, 128)))[0].astype(np.float32)
    with threadpool_limits(1):
        one = search_of(pool, 1, centroids, 40)
    assert same(one, search_of(pool, 1, centroids, 40))


def test_a_small_pool_gets_the_exact_graph():
    pool = clustered_pool(4, n=CELL_SIZE * 6)
    found = approximate_neighbor_graph(pool, 5, n_probe=6)
    assert same(found.graph, neighbor_graph(pool, 5)) and found.recall == 1.0


def test_very_many_duplicates_find_each_other_and_zero_rows_find_k_rows():
    pool = clustered_pool(5)
    pool[1000:2500] = pool[0]
    pool[2500:2600] = 0
    found = approximate_neighbor_graph(pool, 10, **FEW_CELLS)
    assert (found.graph.similarity[1000:2500] == 1).all()
    assert found.graph.indices[1500].tolist() == [0, *range(1000, 1009)]
    assert (found.graph.similarity[2500:2600] == 0).all() and (found.graph.indices >= 0).all()


def test_a_cell_of_duplicates_is_scanned_no_further_than_the_limit():
    pool = np.ones((1200, 4), dtype=np.float32)
    pool[:11, 0] = np.arange(2, 13)
    faiss.cvar.indexIVF_stats.reset()
    graph = search_of(pool, 3, unit_rows(pool[:12])[0].astype(np.float32), 2)
    assert faiss.cvar.indexIVF_stats.ndis <= MOST_SCANNED * 2 * 100 * 1200 < 1200 * 1189
    assert graph.indices[1000].tolist() == [11, 12, 13]


def test_float16_embeddings_are_searched_as_the_numbers_they_are():
    pool = clustered_pool(6).astype(np.float16)
    found = approximate_neighbor_graph(pool, 5, **FEW_CELLS)
    assert same(found.graph, approximate_neighbor_graph(pool.astype(np.float64), 5, **FEW_CELLS).graph)


def test_any_neighbour_as_near_as_the_last_counts_for_the_recall():
    pool = np.ones((20, 3), dtype=np.float32)
    graph = NeighborGraph(np.full((20, 1), 19), np.ones((20, 1), dtype=np.float32))
    assert recall_of(graph, pool, np.arange(19)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: approximate_neighbor_graph(np.ones((3, 2)), 3), "k must be from 1 to 2 for 3 embeddings, got 3"),
        (lambda: approximate_neighbor_graph(np.ones((3, 2)), 1, n_probe=0), "n_probe must be at least 1, got 0"),
        (lambda: approximate_neighbor_graph(np.ones((3, 2)), 1, n_checked=0), "n_checked must be at least 1, got 0"),
        (lambda: approximate_neighbor_graph(np.ones(3), 1), r"embeddings must have shape \(n, d\), got \(3,\)"),
        (lambda: approximate_neighbor_graph(np.full((3, 2), np.nan), 1), "embeddings must be finite, row 0 is not"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_blocks_of_the_order_of_cells_give_the_rows_of_the_whole_graph_and_others_are_refused():
    pool = clustered_pool(4, n=5000)
    whole = approximate_neighbor_graph(pool, 5, n_probe=6, n_checked=50)
    cells = learn_cells(pool, n_probe=6, n_checked=50)
    assert len(cells.centroids) == cell_count(5000) and recall_of(whole.graph, pool, cells.checked) == whole.recall
    for block in (slice(0, 2048), slice(2048, 4096), slice(4096, 5000)):
        rows = cells.order[block]
        expected = NeighborGraph(whole.graph.indices[rows], whole.graph.similarity[rows])
        assert same(search_cells(pool, 5, cells, block, n_probe=6), expected)
    for start, stop in ((100, 2048), (0, 2047)):
        with pytest.raises(ValueError, match=f"multiples of 1024, or to the end, got {start} and {stop}"):
            search_cells(pool, 5, cells, slice(start, stop))
    assert learn_cells(pool, n_probe=cell_count(5000)) is None


@given(seed=st.integers(0, 1000), n_probe=st.integers(1, 40), excluded=st.booleans())
@settings(max_examples=20, deadline=None)
def test_other_rows_find_about_what_the_exact_search_finds(seed, n_probe, excluded):
    rng = np.random.default_rng(seed)
    base, queries = (rng.standard_normal((n, 6)).astype(np.float32) for n in (1200, 90))
    own = rng.integers(-1, 1200, size=90) if excluded else np.full(90, -1)
    queries[own >= 0] = base[own[own >= 0]]
    exact = search(queries, base, 4, exclude=own)
    found = approximate_search(queries, base, 4, own, n_probe=n_probe)
    assert (found.indices != own[:, None]).all()
    assert (found.similarity <= exact.similarity).all()
    if n_probe >= 1200 // 64:
        assert found.indices.tolist() == exact.indices.tolist()
        assert found.similarity.tolist() == exact.similarity.tolist()


def test_a_query_with_fewer_than_k_rows_left_gets_none():
    base = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    own = np.arange(200)
    found = approximate_search(base, base, 200, own, n_probe=1)
    assert (found.indices[:, -1] == -1).all()
    assert sorted(found.indices[7, :-1].tolist()) == [row for row in range(200) if row != 7]
