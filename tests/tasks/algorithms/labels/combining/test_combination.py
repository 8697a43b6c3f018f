"""Ways to combine what several makers say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import random_pool

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.combining.cautious_temperature import cautious_temperature
from windrow.tasks.algorithms.labels.combining.combination import agreement, check_combination, combine_makers, votes
from windrow.tasks.algorithms.labels.combining.daso import blend
from windrow.tasks.algorithms.labels.combining.dawid_skene import fit_dawid_skene
from windrow.tasks.algorithms.labels.combining.prior_correction import correct_prior
from windrow.tasks.algorithms.labels.label_spreading import combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.probabilities import ensemble
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

FEW = settings(max_examples=15, deadline=None)
WAYS = ["weighted", "equal", "dawid-skene", "daso"]


def simulated(seed, accuracies, n=200, n_classes=3, n_labelled=30):
    """Makers that are right this often: held_out, pool, labels, truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    labels = np.full(n, -1)
    labels[:n_labelled] = truth[:n_labelled]
    pool = {}
    for name, accuracy in accuracies.items():
        said = np.where(rng.random(n) < accuracy, truth, (truth + rng.integers(1, n_classes, size=n)) % n_classes)
        noise = rng.dirichlet(np.full(n_classes, 2.0), size=n)
        pool[name] = (0.6 * np.eye(n_classes)[said] + 0.4 * noise).astype(np.float32)
    return {name: each[:n_labelled].copy() for name, each in pool.items()}, pool, labels, truth


def right(found, truth):
    return (found.pool.argmax(axis=1) == truth).mean()


def test_weighted_is_what_the_pipeline_combines_by_to_the_bit():
    x, labels = random_pool(0, labelled=15)
    graph = neighbor_graph(x, 8)
    predictions = {
        name: predict(MAKERS[name]().fit(LabelPool(x, 3, graph)), labels, 3) for name in ("probe", "propagation")
    }
    before = combine_predictions(predictions, labels, ("probe", "propagation"))
    held_out, pool, known = {}, {}, labels[labels >= 0]
    for name, each in predictions.items():
        temperature = fit_temperature(each.held_out, known)
        held_out[name] = apply_temperature(each.held_out, temperature)
        pool[name] = apply_temperature(each.pool, temperature)
    found = combine_makers(held_out, pool, labels)
    softer = cautious_temperature({name: each.held_out for name, each in predictions.items()}, known, 3)
    after = correct_prior(found.held_out, labels, found.pool, softer)
    assert found.weights == before.weights
    np.testing.assert_array_equal(after.pool[labels < 0], before.confidence[labels < 0])


@FEW
@given(st.integers(0, 1000), st.sampled_from(WAYS))
def test_rows_sum_to_one_weights_too_and_permuting_the_pool_permutes_the_answer(seed, by):
    held_out, pool, labels, _ = simulated(seed, {"probe": 0.8, "smoothed": 0.6})
    found = combine_makers(held_out, pool, labels, by)
    for each in (found.held_out, found.pool):
        assert each.dtype == np.float32
        np.testing.assert_allclose(each.sum(axis=1), 1, atol=1e-5)
    assert sum(found.weights.values()) == pytest.approx(1) and list(found.weights) == ["probe", "smoothed"]
    order = np.concatenate([np.arange(30), 30 + np.random.default_rng(seed).permutation(170)])
    moved = combine_makers(held_out, {name: each[order] for name, each in pool.items()}, labels[order], by)
    np.testing.assert_allclose(moved.pool, found.pool[order], atol=1e-6)
    np.testing.assert_array_equal(moved.agreement, found.agreement[order])


def test_dawid_skene_listens_to_the_one_that_is_right_among_many_that_guess():
    accuracies = {"probe": 0.95, "knn": 0.4, "smoothed": 0.4, "spectral": 0.4}
    held_out, pool, labels, truth = simulated(1, accuracies, n=600)
    learned = combine_makers(held_out, pool, labels, "dawid-skene")
    assert right(learned, truth) > right(combine_makers(held_out, pool, labels, "equal"), truth) + 0.1
    assert max(learned.weights, key=learned.weights.get) == "probe"


def test_dawid_skene_treats_classes_alike_and_holds_labels_out():
    held_out, pool, labels, _ = simulated(2, {"probe": 0.9, "knn": 0.9})
    found = combine_makers(held_out, pool, labels, "dawid-skene")
    cast = votes([pool["probe"], pool["knn"]])
    fitted = fit_dawid_skene(cast, 3, labels)
    joint = np.prod([fitted.confusion[j][:, cast[:, j]].T for j in range(2)], axis=0)
    np.testing.assert_allclose(found.pool, joint / joint.sum(axis=1, keepdims=True), atol=1e-5)
    # The one label of a class among the held out ones cannot have taught what it is.
    alone = np.where(labels == 2, -1, labels)
    alone[np.flatnonzero(labels == 2)[0]] = 2
    rows = alone[labels >= 0] >= 0
    some = {name: each[rows] for name, each in held_out.items()}
    swapped = alone.copy()
    swapped[alone == 2] = 1
    place = np.flatnonzero(alone[alone >= 0] == 2)
    first, other = (combine_makers(some, pool, each, "dawid-skene", 1000) for each in (alone, swapped))
    np.testing.assert_allclose(first.held_out[place], other.held_out[place], atol=1e-5)


def test_dawid_skene_does_not_believe_what_a_maker_says_of_the_labels_that_it_learnt():
    held_out, pool, labels, _ = simulated(5, {"probe": 0.9, "knn": 0.4})
    before = combine_makers(held_out, pool, labels, "dawid-skene").weights
    pool["knn"][:30] = np.eye(3)[labels[:30]]
    assert combine_makers(held_out, pool, labels, "dawid-skene").weights == before


def test_daso_blends_by_the_pool_and_not_by_the_labels_held_out():
    held_out, pool, labels, _ = simulated(3, {"smoothed": 0.7, "probe": 0.8})
    rare = np.bincount(pool["probe"].argmax(axis=1)).argmin()
    rows = pool["probe"][:30].argmax(axis=1) == rare
    held_out = {name: each[rows] for name, each in held_out.items()}
    labels[:30][~rows] = -1
    found = combine_makers(held_out, pool, labels, "daso")
    np.testing.assert_array_equal(found.pool, blend(pool["probe"], pool["smoothed"]))
    np.testing.assert_allclose(found.held_out, found.pool[:30][rows], atol=1e-7)


def test_equal_is_the_geometric_mean_and_agreement_the_share_of_votes():
    held_out, pool, labels, _ = simulated(4, {"probe": 0.8, "knn": 0.6, "spectral": 0.5})
    found = combine_makers(held_out, pool, labels, "equal")
    np.testing.assert_array_equal(found.pool, ensemble(list(pool.values()), mean="geometric"))
    assert set(np.round(found.agreement * 3).astype(int)) <= {0, 1, 2, 3}
    one, two, lost = np.array([[0.6, 0.4]]), np.array([[0.3, 0.7]]), np.array([[0.5, 0.5]])
    each = [p.astype(np.float32) for p in (one, one, two, lost)]
    assert votes(each).tolist() == [[0, 0, 1, -1]]
    assert agreement(each, np.array([0])).tolist() == [0.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_combination("mean", ["probe"]), "combine_by: wants one of weighted, .*, got 'mean'"),
        (lambda: check_combination("equal", []), r"one or more different makers, got \[\]"),
        (lambda: check_combination("equal", ["knn", "knn"]), "one or more different makers"),
        (lambda: check_combination("daso", ["probe", "smoothed", "knn"]), "daso wants probe and one of prototypes, sm"),
        (lambda: check_combination("daso", ["probe", "knn"]), "daso wants probe"),
        (lambda: check_combination("dawid-skene", ["probe"]), "two makers or more"),
        (lambda: combine_makers({}, {"a": np.ones((2, 2))}, np.array([0, 1])), "of the same makers"),
        (
            lambda: combine_makers({"a": np.ones((1, 2))}, {"a": np.ones((2, 2))}, np.array([0, 1])),
            r"a must be \(2, 2\) of the pool and \(2, 2\) held out",
        ),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
