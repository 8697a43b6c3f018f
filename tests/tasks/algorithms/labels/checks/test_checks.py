"""What every method that judges labels keeps to: a new one is tested by its line in CHECKS."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from noisy_labels import below, noisy_blobs
from pydantic import TypeAdapter
from settings_bounds import out_of_bounds
from small_features import ids

from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.checks.label_quality import quality_of
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.labels.checks import label_checks_config
from windrow.tasks.labels.checks.label_checks import judge_pool
from windrow.tasks.storage.store.pool import Pool

N = 150
POOL, LABELS, TRUTH = noisy_blobs(N, rate=0.15, seed=3)
STRANGE = np.arange(N) % 10 == 0  # labelled, and of no class: what a line between small and large losses can find
POOL[STRANGE] = 6.0 * np.eye(8)[7] + POOL[STRANGE] * (np.arange(8) >= 3)
WRONG = STRANGE | (LABELS != TRUTH)
SHORT = ProbeTraining(n_epochs=12, n_seeds=2)
# The share of verdicts that other folds may change: they go by place, so a permuted pool has others.
BY_PLACE = 0.2


def given(order: np.ndarray | slice = slice(None)) -> JudgedLabels:
    return JudgedLabels(POOL[order], LABELS[order], 3, training=SHORT, most_neighbors=20)


@pytest.mark.parametrize("name", CHECKS)
def test_a_judgement_has_its_shape_and_types_says_the_same_twice_and_finds_what_is_wrong(name: str) -> None:
    judged, again = (CHECKS[name]().judge(given()) for _ in range(2))
    assert judged.score.shape == (N,) and judged.score.dtype == np.float32 and np.isfinite(judged.score).all()
    assert judged.score.tobytes() == again.score.tobytes()
    assert (judged.noisy is None) == (again.noisy is None)
    if judged.noisy is not None:
        assert judged.noisy.dtype == np.bool_ and judged.noisy.tobytes() == again.noisy.tobytes()
        assert judged.score[judged.noisy].mean() < judged.score[~judged.noisy].mean()
    assert below(judged.score, WRONG) > 0.7


@pytest.mark.parametrize("name", CHECKS)
def test_permuting_the_pool_permutes_the_judgement_but_for_the_folds(name: str) -> None:
    order = np.random.default_rng(0).permutation(N)
    plain, permuted = CHECKS[name]().judge(given()), CHECKS[name]().judge(given(order))
    assert np.corrcoef(permuted.score, plain.score[order])[0, 1] > 0.8
    if plain.noisy is not None and permuted.noisy is not None:
        assert (permuted.noisy != plain.noisy[order]).mean() < BY_PLACE


@pytest.mark.parametrize("name", CHECKS)
def test_a_method_takes_what_it_says_and_nothing_else(name: str) -> None:
    labels = given()
    CHECKS[name]().judge(labels)
    assert labels.made.keys() == set(CHECKS[name].needs)


@pytest.mark.parametrize("name", CHECKS)
def test_what_others_made_before_changes_nothing(name: str) -> None:
    shared = given()
    made = (quality_of(shared), shared.dynamics)
    assert len(shared.made) == len(made) + 3
    assert CHECKS[name]().judge(shared).score.tobytes() == CHECKS[name]().judge(given()).score.tobytes()


@pytest.mark.parametrize(
    ("name", "field", "value"), [(name, *each) for name, kind in CHECKS.items() for each in out_of_bounds(kind)]
)
def test_a_setting_out_of_bounds_is_named(name: str, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{field}(\.0)?: wants .*, got "):
        CHECKS[name](**{field: value})


def test_what_is_no_longer_needed_is_dropped() -> None:
    labels = given()
    assert len(labels.dynamics.recorded("margin")) == SHORT.n_seeds and len(labels.predictions) == N
    labels.keep(("features", "neighbors"))
    assert labels.made.keys() == {"features"}


@dataclass(frozen=True)
class LonelyLabels(Check):
    """A check of a contributor's: the share of the `k` nearest that bear the label."""

    k: int = 5
    needs = ("neighbors",)

    def judge(self, given: JudgedLabels) -> Judgement:
        same = given.labels[given.nearest(self.k).indices] == given.labels[:, None]
        return Judgement(same.mean(axis=1).astype(np.float32))


def test_a_new_check_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKS, "lonely", LonelyLabels)
    spec = importlib.util.spec_from_file_location("with_lonely", label_checks_config.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "with_lonely", module)
    spec.loader.exec_module(module)
    values = {"methods": ["lonely"], "lonely": {"k": 60}, "default": False}
    config = TypeAdapter(module.LabelChecksConfig).validate_python(values)
    pool, graph = Pool(pa.array(ids(N)), POOL.astype(np.float16)), neighbor_graph(POOL, 5)
    _, checks = judge_pool(pool, graph, LABELS, ["a", "b", "c"], config, 5, 0)
    found = checks["score"].to_numpy()
    assert set(checks["method"].to_pylist()) == {"lonely"} and below(found, LABELS != TRUTH) > 0.8
    assert len(set((found * 60).round(3).tolist())) > 6
