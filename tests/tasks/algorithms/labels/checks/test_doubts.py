import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noisy_labels import noisy_blobs

from windrow.tasks.algorithms.labels.checks.doubts import Doubts, doubts_of, homophily
from windrow.tasks.algorithms.labels.judging.judged_labels import probe_out_of_sample
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.transition_table import TransitionTable
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

LABELS = np.array([0, 0, 1, 1, 1, 0])


def table(n_likely: int) -> TransitionTable:
    """Of a table by which so many of the six labels are likelier wrong than right."""
    posterior = np.where(np.arange(6) < n_likely, 0.4, 0.5).astype(np.float32)
    return TransitionTable(np.eye(2), posterior, 1.0, 0.0)


def ring(n: int = 6) -> NeighborGraph:
    """Each sample with the next one for its only neighbour."""
    return NeighborGraph(((np.arange(n) + 1) % n)[:, None], np.ones((n, 1), np.float32))


PREDICTED = SparseProbabilities.of(np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 0, 1]], 2)  # 2 of 6 are as the next one


@pytest.mark.parametrize(
    ("n_pruned", "n_likely", "most"),
    # Of clean labels such a model would prune 0.6 (1 - 2/6) 6 = 2.4: 4 pruned are trusted by 1 / (1 + .6^4) = .89,
    # 3 by 1 / (1 + .8^4) = .71, 2 by 1 / (1 + 1.2^4) = .33.
    [(4, 1, 4), (3, 1, 2), (2, 0, 1), (1, 0, 0), (1, 4, 4), (4, 5, 5), (0, 3, 3), (0, 0, 0)],
)
def test_what_is_pruned_counts_as_far_as_the_model_knows_and_what_is_likely_wrong_counts(
    n_pruned: int, n_likely: int, most: int
) -> None:
    found = doubts_of(n_pruned, table(n_likely), PREDICTED, LABELS, ring())
    assert found.most == most
    assert found.contradicted.tolist() == [False, True, False, True, True, True]


def test_a_model_whose_neighbours_are_all_of_one_class_is_believed() -> None:
    alike = SparseProbabilities.of(np.eye(2, dtype=np.float32)[[1] * 6], 2)
    assert homophily(ring(), alike.classes[:, 0]) == 1
    assert doubts_of(1, table(0), alike, LABELS, ring()).most == 1


def test_what_a_model_knows_shows_whatever_share_of_the_labels_is_wrong() -> None:
    found = {}
    for rate in (0.0, 0.2, 0.4):
        vectors, labels, truth = noisy_blobs(n=300, rate=rate, seed=3)
        graph, predictions = neighbor_graph(vectors, 10), probe_out_of_sample(vectors, labels, 3, 0.001)
        first = predictions.classes[:, 0]
        found[rate] = homophily(graph, first)
        assert abs(found[rate] - (first == truth).mean()) < 0.1
    assert max(found.values()) - min(found.values()) < 0.1


def test_a_model_that_gives_every_label_itself_doubts_none() -> None:
    agreeing = SparseProbabilities.of(np.eye(2, dtype=np.float32)[LABELS], 2)
    found = doubts_of(6, table(6), agreeing, LABELS, ring())
    assert not found.lowest(np.zeros(6, np.float32)).any()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 30))
def test_what_is_left_of_a_verdict_is_its_lowest_contradicted_labels(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    score, contradicted, noisy = rng.integers(0, 9, 25).astype(np.float32), rng.random(25) < 0.6, rng.random(25) < 0.6
    said = Doubts(contradicted, most).bound(Judgement(score, noisy))
    may = noisy & contradicted
    assert said.noisy is not None and said.score is score
    assert said.noisy.sum() == min(most, may.sum()) and not (said.noisy & ~may).any()
    assert not said.noisy.any() or score[said.noisy].max() <= score[may & ~said.noisy].min(initial=9)


def test_a_method_without_a_verdict_stays_without() -> None:
    said = Judgement(np.zeros(3, np.float32))
    assert Doubts(np.ones(3, np.bool_), 3).bound(said) is said
