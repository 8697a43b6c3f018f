"""Near-duplicates by the graph are those of all pairs, to the bit."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.neighbors import graph_duplicates as module
from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.algorithms.neighbors.graph_duplicates import graph_duplicates


def clumped(rng: np.random.Generator, n: int, n_clumps: int, spread: float) -> np.ndarray:
    points = rng.standard_normal((n_clumps, 8))[rng.integers(n_clumps, size=n)] + spread * rng.standard_normal((n, 8))
    points[rng.random(n) < 0.05] = 0
    return points.astype(np.float16)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(6, 150),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.05, 0.2, 1.0]),
    st.sampled_from([0.5, 0.9, 0.99, 1.0]),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from([0, 2000]),
    st.sampled_from([0, 3, 200]),
)
@example(0, 100, 1, 0.0, 0.99, 3, False, 2000, 0)
def test_the_graph_finds_what_all_pairs_find(
    seed: int, n: int, n_clumps: int, spread: float, threshold: float, k: int, parted: bool, most: int, n_apart: int
) -> None:
    rng = np.random.default_rng(seed)
    points = clumped(rng, n, n_clumps, spread)
    rows = np.flatnonzero(rng.random(n) < 0.8)
    by = {
        "priority": rng.integers(0, 1 + n // 2, len(rows)),
        "partition": rng.integers(0, 2, len(rows)) if parted else None,
        "apart": rng.integers(0, max(1, len(rows)), (n_apart if len(rows) else 0, 2)),
    }
    with patch.object(module, "MOST_CROWDED", most):
        found = graph_duplicates(points, threshold, neighbor_graph(points, k), rows, **by)
    wanted = near_duplicates(points[rows], threshold, **by)
    assert np.array_equal(found.duplicate_of, wanted.duplicate_of)
    dropped = wanted.duplicate_of >= 0
    assert found.similarity[dropped].tobytes() == wanted.similarity[dropped].tobytes()
    assert (found.similarity[~dropped] == -1).all()


def test_only_crowded_rows_are_compared() -> None:
    """Ten copies of one sample have more near-duplicates than the three neighbours that the graph keeps."""
    points = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float16)
    points[:10] = points[0]
    with patch.object(module.CosinePairs, "compare", autospec=True, side_effect=module.CosinePairs.compare) as compared:
        found = graph_duplicates(points, 0.99, neighbor_graph(points, 3), np.arange(300), priority=np.arange(300))
    assert found.duplicate_of[:10].tolist() == [-1, *[0] * 9]
    assert [call.args[2].tolist() for call in compared.call_args_list] == [list(range(10))]


def test_a_threshold_that_is_none_is_refused() -> None:
    points = np.eye(4, dtype=np.float32)
    with pytest.raises(ValueError, match="threshold: expected a cosine similarity"):
        graph_duplicates(points, 2.0, neighbor_graph(points, 2), np.arange(4), priority=np.arange(4))
