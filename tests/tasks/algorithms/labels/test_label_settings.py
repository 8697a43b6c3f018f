"""Makers, combined, brought to the pool's shares, decided: every setting after every other, as the pipeline does it."""

import itertools

import numpy as np
import pytest
from label_pools import holds, random_pool

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.combining.combination import combine_makers
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig, apply_prior
from windrow.tasks.algorithms.labels.deciding import POLICIES
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig, possible_classes
from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.label_spreading import predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig

WAYS = ["weighted", "equal", "dawid-skene", "daso"]
PRIORS = ["estimated", "em", "bbse", "labels", "uniform", "given", "none"]
SHARES = np.array([0.5, 0.3, 0.2])


@pytest.fixture(scope="module")
def predictions():
    """What two makers say of 200 samples of three classes, 30 of them labelled: held_out, pool and labels."""
    x, labels = random_pool(0, n=200, labelled=30)
    graph = neighbor_graph(x, 8)
    held_out, pool = {}, {}
    for name in ("probe", "smoothed"):
        said = predict(MAKERS[name]().fit(LabelPool(x, 3, graph)), labels, 3)
        temperature = fit_temperature(said.held_out, labels[labels >= 0])
        held_out[name], pool[name] = (apply_temperature(each, temperature) for each in (said.held_out, said.pool))
    return held_out, pool, labels


@pytest.mark.parametrize(("by", "method"), list(itertools.product(WAYS, PRIORS)))
def test_every_setting_goes_with_every_other_and_given_labels_stand(predictions, by, method):
    held_out, pool, labels = predictions
    together = combine_makers(held_out, pool, labels, by)
    config = PriorConfig(method, {"a": 5, "b": 3, "c": 2} if method == "given" else {})
    found = apply_prior(together.held_out, labels, together.pool, config, SHARES if method == "given" else None)
    label, known = found.even.argmax(axis=1), labels >= 0
    evidence = Evidence(labels, found.held_out, found.held_out_even.argmax(axis=1), np.arange(200), label[:, None])
    sets = possible_classes(found.held_out, labels, found.pool, ConformalConfig(0.8, most=3), label)
    for policy in POLICIES:
        decision = decide(found.pool, LabelPolicyConfig(policy, 0.6, 0.4).chosen(), label, evidence)
        np.testing.assert_array_equal(decision.label[known], labels[known])
        np.testing.assert_array_equal(decision.label[~decision.abstained & ~known], label[~decision.abstained & ~known])
        assert ((decision.confidence >= 0) & (decision.confidence <= 1)).all() and (decision.weight >= 0).all()
        assert not decision.abstained[known].any()
        assert holds(sets, np.where(decision.abstained, label, decision.label)).all()
