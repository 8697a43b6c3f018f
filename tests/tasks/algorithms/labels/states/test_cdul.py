"""CDUL's initial labels: the paper's arithmetic, and what becomes of it beside states that are known."""

import numpy as np
import pytest
from scipy.special import softmax

from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses
from windrow.tasks.algorithms.labels.states.cdul import CdulLabels, local_shares
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import NamedClasses, spread_states

N, DIM, GRID, N_CLASSES = 1500, 6, 3, 70


def test_a_snippet_that_is_surely_of_a_class_counts_and_else_the_least_sure_one() -> None:
    shares = np.array([[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4]]])
    np.testing.assert_allclose(local_shares(shares), [[0.7, 0.5, 0.1]])


def units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def pool() -> tuple[CdulLabels, np.ndarray]:
    """A pool whose snippets lie in another order, and of which one sample has none; and its labels by brute force."""
    rng = np.random.default_rng(0)
    whole, snippets = rng.standard_normal((N, DIM)), rng.standard_normal((N, GRID * GRID, DIM))
    prototypes, projection = rng.standard_normal((N_CLASSES, 4)), rng.standard_normal((DIM, 4)).astype(np.float32)
    order = rng.permutation(N)
    rows = np.argsort(order)
    rows[3] = -1
    texts = TextClasses(prototypes, projection, 20.0)
    labels = CdulLabels(whole, snippets[order].reshape(N, -1), rows, texts, 20.0)

    def shares(vectors: np.ndarray) -> np.ndarray:
        return softmax(20 * units(vectors @ projection) @ units(prototypes).T, axis=-1)

    of_snippets = shares(snippets)
    most = of_snippets.max(axis=1)
    twin = (shares(whole) + np.where(most >= 0.5, most, of_snippets.min(axis=1))) / 2
    twin[3] = np.nan
    return labels, twin


def test_labels_are_the_mean_of_what_the_whole_picture_and_its_snippets_say(
    pool: tuple[CdulLabels, np.ndarray],
) -> None:
    labels, twin = pool
    np.testing.assert_allclose(labels.of_classes(np.arange(N_CLASSES)), twin, atol=1e-5)


def test_some_classes_at_a_time_get_the_same_bytes_as_all_of_them(pool: tuple[CdulLabels, np.ndarray]) -> None:
    labels, _ = pool
    some = np.array([66, 2, 31])
    np.testing.assert_array_equal(labels.of_classes(some), labels.of_classes(np.arange(N_CLASSES))[:, some])


def test_what_does_not_fit_is_refused() -> None:
    rows, whole = np.zeros(4, np.int64), np.ones((4, 2))
    with pytest.raises(ValueError, match="two or more of them"):
        CdulLabels(whole, np.ones((4, 8)), rows, TextClasses(np.ones((1, 2))), 1.0)
    with pytest.raises(ValueError, match="snippets and snippet_rows must be"):
        CdulLabels(whole, np.ones((4, 7)), rows, TextClasses(np.eye(2)), 1.0)


def cloud(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray, NamedClasses]:
    """Points in which a class hardly shows, its truth (n, 1), and names that tell it much better, if not calibrated."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 1)) < 0.3
    points = rng.standard_normal((n, 4)).astype(np.float32) + 0.2 * truth
    by_name = (1 / (1 + np.exp(-rng.normal(np.where(truth, 0.5, -4.5), 1.2)))).astype(np.float32)
    return points, truth, NamedClasses(lambda numbers: by_name[:, numbers])


def known_of(truth: np.ndarray, n_known: int) -> KnownStates:
    states = np.full(truth.shape, UNKNOWN)
    states[:n_known] = truth[:n_known]
    return KnownStates.of_matrix(states)


def test_names_alone_give_probabilities_and_no_state_unless_they_are_believed() -> None:
    points, truth, named = cloud(0)
    nothing = known_of(truth, 0)
    (found,) = spread_states(points, nothing, StateRule(), named)
    assert found.method == "cdul"
    assert (found.state == UNKNOWN).all()
    assert found.why is not None
    assert "labels.multi.cdul.states" in found.why
    np.testing.assert_array_equal(found.probability, named.labels(np.array([0]))[:, 0])
    believed = NamedClasses(named.labels, is_believed=True)
    (said,) = spread_states(points, nothing, StateRule(promise=0.8), believed)
    np.testing.assert_array_equal(said.state == PRESENT, said.probability >= np.float32(0.8))
    np.testing.assert_array_equal(said.state == ABSENT, said.probability <= np.float32(1 - 0.8))


def test_known_states_stand_and_calibrate_the_names_where_these_are_closer_to_them() -> None:
    points, truth, named = cloud(1)
    (found,) = spread_states(points, known_of(truth, 600), StateRule(), named)
    assert "cdul" in found.method
    assert (found.state[:600] == truth[:600, 0]).all()
    said, there = found.state[600:], truth[600:, 0]
    assert (said == PRESENT).sum() > 300
    assert there[said == PRESENT].mean() >= 0.9
    assert (~there[said == ABSENT]).mean() >= 0.9
    held = np.clip(found.probability[600:], 1e-7, 1 - 1e-7)
    raw = np.clip(named.labels(np.array([0]))[600:, 0], 1e-7, 1 - 1e-7)
    losses = [-np.where(there, np.log(p), np.log(1 - p)).mean() for p in (held, raw)]
    assert losses[0] < 0.7 * losses[1]


def test_where_names_say_nothing_of_a_class_its_regression_decides() -> None:
    points, truth, _ = cloud(2)
    rng = np.random.default_rng(0)
    noise = NamedClasses(lambda numbers: rng.random((len(points), len(numbers))).astype(np.float32))
    points[:, 0] += 3 * truth[:, 0]
    (found,) = spread_states(points, known_of(truth, 600), StateRule(), noise)
    (without,) = spread_states(points, known_of(truth, 600), StateRule())
    assert found.method != "cdul"
    assert np.abs(found.probability - without.probability).mean() < 0.02
    unseen = NamedClasses(lambda numbers: np.full((len(points), len(numbers)), np.nan, np.float32))
    (alone,) = spread_states(points, known_of(truth, 600), StateRule(), unseen)
    np.testing.assert_array_equal(alone.state, without.state)
    np.testing.assert_array_equal(alone.probability, without.probability)


def test_where_each_says_a_part_both_together_are_taken_and_say_more() -> None:
    points, truth, named = cloud(4)
    points[:, 0] += 2 * truth[:, 0]
    (found,) = spread_states(points, known_of(truth, 600), StateRule(), named)
    assert found.method == "one-vs-rest and cdul"
    (alone,) = spread_states(points, known_of(truth, 600), StateRule())
    assert (found.state[600:] == PRESENT).sum() > (alone.state[600:] == PRESENT).sum()
    assert truth[600:, 0][found.state[600:] == PRESENT].mean() >= 0.9


def test_a_promise_stands_for_whichever_of_the_three_is_taken() -> None:
    """Of twenty draws a promise that may break in one of ten is seldom broken, though the best of three is chosen."""
    n_broken = 0
    for seed in range(20):
        points, truth, named = cloud(100 + seed)
        points[:, 0] += 2 * truth[:, 0]
        (found,) = spread_states(points, known_of(truth, 200), StateRule(promise=0.8), named)
        said, there = found.state[200:], truth[200:, 0]
        n_broken += bool((said == PRESENT).any() and there[said == PRESENT].mean() < 0.8)
    assert n_broken <= 4
