import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.neighbors import (
    FEWEST_FOR_FAISS,
    UNSURE,
    NeighborGraph,
    _faiss_search,
    exact_search,
    neighbor_graph,
    search,
    unit_rows,
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
        (lambda: search(np.ones((1, 2)), np.ones((1, 2)), 1, block=0), "block and base_block must be positive"),
        (lambda: NeighborGraph(np.zeros((2, 1), np.int64), np.zeros((1, 2), np.float32)), "one shape"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("case", ["spread", "duplicates", "few values", "zero rows", "float32 near ties"])
@pytest.mark.parametrize("k", [1, 20])
def test_candidates_from_faiss_give_the_answer_of_the_exact_search(case: str, k: int) -> None:
    random = np.random.default_rng(7)
    vectors = random.normal(size=(FEWEST_FOR_FAISS + 300, 24)).astype(np.float32)
    if case == "duplicates":
        vectors[500:700] = vectors[0]
    if case == "few values":
        vectors = random.integers(-1, 2, vectors.shape).astype(np.float32)
    if case == "zero rows":
        vectors[100:150] = 0
    if case == "float32 near ties":
        vectors[1:] = vectors[0] + 1e-6 * vectors[1:]
    own = np.arange(len(vectors), dtype=np.int64)
    exact = exact_search(vectors, vectors, k, own)
    found = search(vectors, vectors, k, exclude=own)
    assert np.array_equal(found.indices, exact.indices)
    assert found.similarity.tobytes() == exact.similarity.tobytes()


def test_faiss_proves_most_rows_of_a_pool_without_ties_and_leaves_those_with_ties() -> None:
    vectors = np.random.default_rng(3).normal(size=(FEWEST_FOR_FAISS, 16)).astype(np.float32)
    vectors[:40] = vectors[0]
    keys = _faiss_search(vectors, vectors, 5, 17, np.arange(len(vectors)))
    unsure = keys[:, 0] == UNSURE
    assert unsure[:40].all()
    assert unsure[40:].mean() < 0.01
