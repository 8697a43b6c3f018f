"""A graph that was extended is the graph that is made anew, whatever came and went."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.neighbors import extended_neighbors
from windrow.tasks.algorithms.neighbors.approximate_neighbors import approximate_neighbor_graph, recall_of
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.algorithms.neighbors.extended_neighbors import extend_graph


def bytes_of(graph: NeighborGraph) -> tuple[bytes, bytes]:
    return graph.indices.tobytes(), graph.similarity.tobytes()


def drawn(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    points = rng.integers(-2, 3, (n, 3)) if kind == "ties" else rng.standard_normal((n, 6))
    if kind == "copies":
        points[rng.integers(n, size=n // 2)] = points[0]
    return points.astype(np.float16)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["points", "ties", "copies"]),
    st.integers(12, 120),
    st.integers(0, 30),
    st.integers(0, 6),
    st.integers(0, 4),
)
@example(0, "copies", 100, 20, 0, 0)
def test_a_history_of_nights_ends_at_the_graph_of_the_last_pool(
    seed: int, kind: str, n: int, n_new: int, n_gone: int, n_replaced: int
) -> None:
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(10_000, n, replace=False))
    points = drawn(rng, n, kind)
    graph = neighbor_graph(points, 5)
    for _ in range(3):
        stay = np.sort(rng.permutation(len(ids))[min(n_gone, len(ids) - 8) :])
        replaced = rng.permutation(stay)[:n_replaced]
        place = np.full(len(ids), -1)
        tonight = points.copy()
        tonight[replaced] = drawn(rng, max(len(replaced), 1), kind)[: len(replaced)]
        came = rng.choice(np.setdiff1d(np.arange(10_000), ids), n_new, replace=False)
        ids_now = np.concatenate([ids[stay], came])
        order = np.argsort(ids_now)
        same = np.setdiff1d(stay, replaced)
        ids, points = (
            ids_now[order],
            np.concatenate([tonight[stay], drawn(rng, max(n_new, 1), kind)[:n_new]])[order],
        )
        place[same] = np.searchsorted(ids, ids_now[np.searchsorted(stay, same)])
        extended = extend_graph(points, 5, graph, place, len(points))
        assert extended is not None
        graph = extended
        assert bytes_of(graph) == bytes_of(neighbor_graph(points, 5))


def test_only_what_is_new_or_lost_a_neighbour_is_searched() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((3000, 8)).astype(np.float16)
    earlier = neighbor_graph(points[:-20], 5)
    place = np.arange(len(points) - 20)
    with patch.object(extended_neighbors, "search", wraps=extended_neighbors.search) as searched:
        found = extend_graph(points, 5, earlier, place, 20)
    assert found is not None
    assert [call.args[0].shape[0] for call in searched.call_args_list] == [20]
    assert bytes_of(found) == bytes_of(neighbor_graph(points, 5))


def test_where_more_is_new_than_is_worth_it_or_rows_had_fewer_neighbours_there_is_no_graph() -> None:
    points = np.random.default_rng(1).standard_normal((300, 8)).astype(np.float16)
    earlier, place = neighbor_graph(points[:-20], 5), np.arange(280)
    assert extend_graph(points, 5, earlier, place, 19) is None
    assert extend_graph(points, 4, earlier, place, 300) is None


def test_an_approximate_graph_keeps_what_it_had_and_misses_nothing_of_what_is_new() -> None:
    rng = np.random.default_rng(2)
    points = rng.standard_normal((8000, 16)).astype(np.float16)
    new = np.sort(rng.choice(8000, 200, replace=False))
    old = np.setdiff1d(np.arange(8000), new)
    earlier = approximate_neighbor_graph(points[old], 10, n_probe=8)
    assert earlier.recall < 0.9
    found, exact = extend_graph(points, 10, earlier.graph, old, 2000), neighbor_graph(points, 10)
    assert found is not None
    assert found.indices[new].tolist() == exact.indices[new].tolist()
    for row, true in zip(found.indices[old], exact.indices[old], strict=True):
        assert set(np.intersect1d(true, new)) <= set(row)
    assert (found.similarity[old] >= earlier.graph.similarity).all()
    assert recall_of(found, points, np.arange(0, 8000, 8)) > earlier.recall - 0.02


def test_places_that_are_none_are_refused() -> None:
    points = np.eye(8, dtype=np.float32)
    earlier = neighbor_graph(points, 3)
    for place in (np.arange(7), np.arange(8)[::-1], np.arange(1, 9)):
        with pytest.raises(ValueError, match="place must be int64"):
            extend_graph(points, 3, earlier, place, 8)
