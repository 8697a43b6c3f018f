"""What every policy keeps to, whatever it decides: a new one is tested by its line in POLICIES."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, fields
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from settings_bounds import out_of_bounds

from windrow.tasks.algorithms.labels.deciding import POLICIES
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Evidence, Policy, Predictions, decide
from windrow.tasks.labels import label_policy_config
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig

FEW = settings(max_examples=10, deadline=None)
N, N_LABELLED, N_CLASSES = 60, 15, 4
LENIENT = {"threshold": 0.6, "floor": 0.3, "most_excluded": 1, "least_agreement": 0.3, "n": 20}


def distributions(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(N_CLASSES, 0.3), size=n).astype(np.float32)


def evidence_of(seed: int) -> Evidence:
    """A quarter of the pool with labels that predictions do not always find."""
    rng = np.random.default_rng(seed)
    labels = np.full(N, -1)
    labels[rng.permutation(N)[:N_LABELLED]] = rng.integers(N_CLASSES, size=N_LABELLED)
    votes = rng.integers(-1, N_CLASSES, size=(N, 3))
    return Evidence(labels, held_out=distributions(seed + 1, N_LABELLED), keys=np.arange(N), votes=votes)


def policy_of(name: str) -> object:
    """A policy with settings under which it decides something."""
    kind = POLICIES[name]
    return kind(**{each.name: LENIENT[each.name] for each in fields(kind) if each.name in LENIENT})


@pytest.mark.parametrize("name", POLICIES)
def test_a_decision_has_its_shapes_and_types_and_says_the_same_twice(name: str) -> None:
    decision, again = (decide(distributions(0), policy_of(name), evidence=evidence_of(0)) for _ in range(2))
    assert {each.shape for each in (decision.label, decision.confidence, decision.abstained, decision.weight)} == {(N,)}
    assert (decision.label.dtype, decision.abstained.dtype) == (np.int64, np.bool_)
    assert (decision.confidence.dtype, decision.weight.dtype) == (np.float32, np.float32)
    for field in ("label", "confidence", "abstained", "weight"):
        assert getattr(decision, field).tobytes() == getattr(again, field).tobytes()
    nothing = decide(np.empty((0, 4), np.float32), policy_of(name), evidence=Evidence(np.empty(0, np.int64), *EMPTY))
    assert nothing.label.shape == (0,)


EMPTY = (np.empty((0, 4), np.float32), None, np.empty(0, np.int64), np.empty((0, 3), np.int64))


@pytest.mark.parametrize("name", POLICIES)
@FEW
@given(seed=st.integers(0, 10_000))
def test_labels_are_those_predicted_or_none_and_given_ones_stand(name: str, seed: int) -> None:
    evidence, rng = evidence_of(seed), np.random.default_rng(seed)
    predicted = rng.integers(N_CLASSES, size=N)
    decision = decide(distributions(seed), policy_of(name), predicted, evidence)
    known = evidence.labels >= 0
    np.testing.assert_array_equal(decision.label[known], evidence.labels[known])
    assert (decision.confidence[known] == 1).all() and (decision.weight[known] == 1).all()
    sure = ~decision.abstained & ~known
    np.testing.assert_array_equal(decision.label[sure], predicted[sure])
    np.testing.assert_array_equal(decision.label == -1, decision.abstained)
    assert not decision.weight[decision.abstained].any() and 0 <= decision.weight.min() <= decision.weight.max() <= 1
    assert decision.excluded is None or not decision.excluded.sizes[known | decision.abstained].any()


@pytest.mark.parametrize("name", POLICIES)
@FEW
@given(seed=st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_decision(name: str, seed: int) -> None:
    probabilities, evidence = distributions(seed), evidence_of(seed)
    order = np.random.default_rng(seed).permutation(N)
    rows = (np.cumsum(evidence.labels >= 0) - 1)[order][evidence.labels[order] >= 0]
    keys, votes = evidence.keys[order], evidence.votes[order]
    moved = Evidence(evidence.labels[order], evidence.held_out[rows], keys=keys, votes=votes)
    plain = decide(probabilities, policy_of(name), evidence=evidence)
    permuted = decide(probabilities[order], policy_of(name), evidence=moved)
    np.testing.assert_array_equal(permuted.label, plain.label[order])
    np.testing.assert_array_equal(permuted.weight, plain.weight[order])


@pytest.mark.parametrize("name", POLICIES)
def test_evidence_that_a_policy_needs_must_be_there_and_other_may_be_missing(name: str) -> None:
    evidence, needs = evidence_of(0), POLICIES[name].needs
    given_ = {need: getattr(evidence, need) for need in needs}
    decide(distributions(0), policy_of(name), evidence=Evidence(evidence.labels, **given_))
    for need in needs:
        with pytest.raises(ValueError, match=rf"the policy needs evidence\.{need}, got None"):
            decide(distributions(0), policy_of(name), evidence=Evidence(evidence.labels, **{**given_, need: None}))


@pytest.mark.parametrize(
    ("name", "field", "value"), [(name, *each) for name, kind in POLICIES.items() for each in out_of_bounds(kind)]
)
def test_a_setting_out_of_bounds_is_named(name: str, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: wants .*, got "):
        POLICIES[name](**{field: value})
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(LabelPolicyConfig).validate_python({"policy": name, field: value})
    assert caught.value.errors()[0]["loc"] == (field,)


def test_the_config_has_every_setting_once_and_hands_a_policy_its_own() -> None:
    declared: dict[str, tuple[object, object]] = {}
    for name, kind in POLICIES.items():
        hints = get_type_hints(kind, include_extras=True)
        for each in fields(kind):
            assert declared.setdefault(each.name, (hints[each.name], each.default)) == (hints[each.name], each.default)
        assert LabelPolicyConfig(name).chosen() == kind()
    hints = get_type_hints(LabelPolicyConfig, include_extras=True)
    assert {each.name: (hints[each.name], each.default) for each in fields(LabelPolicyConfig)[1:]} == declared
    assert LabelPolicyConfig("exclude", threshold=0.9).chosen() == POLICIES["exclude"](threshold=0.9)


@dataclass(frozen=True)
class Majority(Policy):
    """A policy of a contributor's: `least_share`: of the pool that a class must have to be labelled."""

    least_share: float = 0.3

    def decide(self, said: Predictions) -> Decision:
        shares = np.bincount(said.label, minlength=said.probabilities.shape[1]) / len(said.label)
        return said.given((shares >= self.least_share)[said.label])


def test_a_new_policy_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "majority", Majority)
    spec = importlib.util.spec_from_file_location("with_majority", label_policy_config.__file__)
    config = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "with_majority", config)
    spec.loader.exec_module(config)
    chosen = TypeAdapter(config.LabelPolicyConfig).validate_python({"policy": "majority", "least_share": 0.5})
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], np.float32)
    assert decide(probabilities, chosen.chosen()).label.tolist() == [0, 0, -1]
