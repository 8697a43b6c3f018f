import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import (
    MARGIN,
    QUERY_BLOCK,
    ROWS_PER_CANDIDATE,
    UNSURE,
    NeighborGraph,
    _ceiling,
    _proven_keys,
    candidate_search,
    exact_search,
    neighbor_graph,
    rounding_error,
    search,
)

FEW = settings(max_examples=30, deadline=None)


def random_pool(seed, n, d, duplicates=0):
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal((n, d)).astype(np.float32)
    for _ in range(duplicates):
        pool[rng.integers(n)] = pool[rng.integers(n)]
    return pool


def brute_force(queries, base, k, exclude):
    units, base_units = unit_rows(queries)[0], unit_rows(base)[0]
    indices, similarity = [], []
    for unit, own in zip(units, exclude, strict=True):
        cosines = np.array([np.float32(float(np.sum(unit * other))) for other in base_units], dtype=np.float32) + 0
        order = [i for i in sorted(range(len(base)), key=lambda i: (-cosines[i], i)) if i != own][:k]
        indices.append(order + [-1] * (k - len(order)))
        similarity.append([*cosines[order], *[-np.inf] * (k - len(order))])
    return NeighborGraph(np.array(indices, dtype=np.int64), np.array(similarity, dtype=np.float32))


def same(a, b):
    return a.indices.tobytes() == b.indices.tobytes() and a.similarity.tobytes() == b.similarity.tobytes()


def test_four_points_find_each_other_by_angle_not_by_length():
    pool = np.array([[1, 0], [10, 10], [0, 0.1], [-3, 0]], dtype=np.float32)
    graph = neighbor_graph(pool, 3)
    assert graph.indices.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    half = np.float32(np.sqrt(0.5))
    np.testing.assert_allclose(graph.similarity[0], [half, 0, -1], atol=1e-7)
    assert graph.indices.dtype == np.int64 and graph.similarity.dtype == np.float32


@FEW
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 5), st.data())
def test_neighbours_are_those_of_a_brute_force_search(seed, n, d, data):
    k = data.draw(st.integers(1, n - 1))
    pool = random_pool(seed, n, d, duplicates=n // 2)
    pool[seed % n] = 0
    assert same(neighbor_graph(pool, k, block=7, base_block=5), brute_force(pool, pool, k, np.arange(n)))


@FEW
@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(1, 50))
def test_block_sizes_do_not_change_a_byte(seed, block, base_block):
    pool = random_pool(seed, 40, 33, duplicates=20)
    assert same(neighbor_graph(pool, 6, block=block, base_block=base_block), neighbor_graph(pool, 6))


def test_threads_do_not_change_a_byte():
    pool = random_pool(0, 1500, 200, duplicates=100)
    with threadpool_limits(1):
        one = neighbor_graph(pool, 10)
    assert same(one, neighbor_graph(pool, 10))


@FEW
@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 300))
def test_the_product_of_unit_rows_is_the_same_in_any_order_of_summation(seed, d, lead):
    units, _ = unit_rows(np.random.default_rng(seed).standard_cauchy((2, d)) * 10.0 ** (lead - 150))
    terms = units[0] * units[1]
    forwards, backwards = float(np.cumsum(terms)[-1]), float(np.cumsum(terms[::-1])[-1])
    assert forwards == backwards == float(units[0] @ units[1])
    assert abs(np.square(units).sum(axis=1) - 1).max() < 1e-6


@FEW
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_neighbours(seed):
    pool = random_pool(seed, 30, 8)
    order = np.random.default_rng(seed).permutation(30)
    plain, permuted = neighbor_graph(pool, 5), neighbor_graph(pool[order], 5)
    np.testing.assert_array_equal(order[permuted.indices], plain.indices[order])
    np.testing.assert_array_equal(permuted.similarity, plain.similarity[order])


def test_exact_duplicates_find_each_other_and_never_themselves():
    pool = np.repeat(random_pool(1, 1, 16), 50, axis=0)
    graph = neighbor_graph(pool, 4, block=8, base_block=16)
    assert graph.indices[0].tolist() == [1, 2, 3, 4]
    assert graph.indices[2].tolist() == [0, 1, 3, 4]
    assert graph.indices[49].tolist() == [0, 1, 2, 3]
    assert np.all(graph.similarity == 1)


def test_a_zero_vector_has_similarity_zero_with_everything():
    pool = random_pool(2, 6, 4)
    pool[3] = 0
    graph = neighbor_graph(pool, 3)
    assert graph.indices[3].tolist() == [0, 1, 2]
    assert graph.similarity[3].tolist() == [0, 0, 0]


def test_float16_embeddings_are_searched_as_the_numbers_they_are():
    pool = random_pool(3, 50, 20).astype(np.float16)
    assert same(neighbor_graph(pool, 5), neighbor_graph(pool.astype(np.float64), 5))


def test_a_query_whose_only_neighbour_is_excluded_finds_nothing():
    graph = search(np.ones((2, 3)), np.ones((1, 3)), 1, exclude=np.array([0, -1]))
    assert graph.indices.tolist() == [[-1], [0]]
    assert graph.similarity.tolist() == [[-np.inf], [1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neighbor_graph(np.ones((3, 2)), 3), "k must be from 1 to 2 for 3 embeddings, got 3"),
        (lambda: neighbor_graph(np.ones(3), 1), r"embeddings must have shape \(n, d\), got \(3,\)"),
        (lambda: neighbor_graph(np.array([[1.0], [np.nan]]), 1), "embeddings must be finite, row 1 is not"),
        (lambda: search(np.ones((1, 2)), np.ones((1, 3)), 1), "queries have 2 dimensions and base 3"),
        (lambda: search(np.ones((1, 2)), np.ones((1, 2)), 2), "k must be from 1 to 1"),
        (lambda: search(np.ones((1, 2)), np.ones((1, 2)), 1, np.array([0, 0])), "exclude must have shape"),
        (lambda: search(np.ones((1, 2)), np.ones((1, 2)), 1, block=0), "block, base_block and tile must be positive"),
        (lambda: NeighborGraph(np.zeros((2, 1), np.int64), np.zeros((1, 2), np.float32)), "one shape"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def tied_pool(kind, seed, n, d):
    """A pool of n vectors in which float32 cannot tell many neighbours apart, or arithmetic on paper cannot either."""
    rng = np.random.default_rng(seed)
    pool = random_pool(seed, n, d, duplicates=n // 2 if kind == "duplicates" else 0)
    if kind == "few values":
        pool = rng.integers(-1, 2, (n, d)).astype(np.float32)
    if kind == "zero rows":
        pool[rng.random(n) < 0.5] = 0
    if kind == "near ties":
        pool = pool[0] + np.float32(1e-6) * pool
    if kind == "opposites":
        pool[n // 2 :] = -pool[: n - n // 2]
    return pool


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["spread", "duplicates", "few values", "zero rows", "near ties", "opposites"]),
    st.integers(0, 10_000),
    st.integers(2, 120),
    st.integers(1, 40),
    st.integers(1, 130),
    st.sampled_from([1, 2]),
    st.data(),
)
def test_candidates_from_faiss_give_the_bytes_of_the_exact_search(kind, seed, n, d, tile, threads, data):
    pool = tied_pool(kind, seed, n, d)
    k = data.draw(st.integers(1, n))
    exclude = np.random.default_rng(seed).integers(-1, n, n)
    with threadpool_limits(threads):
        found = candidate_search(pool, pool, k, exclude, block=33, tile=tile)
    assert same(found, exact_search(pool, pool, k, exclude))


@pytest.mark.parametrize("kind", ["spread", "duplicates", "few values", "zero rows", "near ties"])
def test_a_pool_that_is_large_enough_for_faiss_gets_the_bytes_of_the_exact_search(kind):
    k = 3
    pool = tied_pool(kind, 7, ROWS_PER_CANDIDATE * (k + MARGIN) + QUERY_BLOCK, 24)
    exact = exact_search(pool, pool, k, np.arange(len(pool)))
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert same(neighbor_graph(pool, k), exact)


@pytest.mark.parametrize("k", [1, 4])
def test_queries_other_than_the_base_find_what_the_exact_search_finds(k):
    base, queries = random_pool(4, 1200, 40, duplicates=300), random_pool(5, 70, 40)
    queries[:20] = base[:20]
    none = np.full(len(queries), -1, dtype=np.int64)
    assert same(search(queries, base, k), exact_search(queries, base, k, none))


def test_rows_without_ties_are_proven_and_rows_with_ties_are_not():
    pool = random_pool(3, 2000, 16)
    pool[:40] = pool[0]
    for tile in (2000, 700):
        unsure = _proven_keys(pool, pool, 5, np.arange(len(pool)), block=512, tile=tile)[:, 0] == UNSURE
        assert unsure[:40].all()
        assert unsure[40:].mean() < 0.01


@FEW
@given(st.integers(0, 10_000), st.integers(1, 600), st.booleans())
def test_faiss_is_off_by_less_than_the_rounding_error(seed, d, positive):
    pool = random_pool(seed, 60, d)
    units = unit_rows(np.abs(pool) if positive else pool)[0]
    value, column = faiss.knn(
        units.astype(np.float32), units.astype(np.float32), len(units), metric=faiss.METRIC_INNER_PRODUCT
    )
    exact = np.take_along_axis(units @ units.T, column, axis=1)
    assert np.abs(value - exact.astype(np.float32)).max() < rounding_error(d)


def test_values_that_are_not_of_float32_arithmetic_prove_nothing():
    exact = np.array([[0.9, 0.5], [0.9, 0.5]])
    value = exact.astype(np.float32)
    value[1, 0] += np.float32(1e-3)
    column = np.array([[0, 1], [0, 1]])
    assert _ceiling(value, exact, column, 8).tolist() == [0.5 + rounding_error(8), np.inf]


def test_places_that_no_candidate_fills_do_not_count_against_the_others():
    lowest = np.finfo(np.float32).min
    ceiling = _ceiling(np.array([[0.9, lowest]], np.float32), np.array([[0.9, 0.0]]), np.array([[0, -1]]), 8)
    assert ceiling[0] < -1
