"""The methods that judge given labels, through the stage, with outputs of real Parquet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from noisy_labels import below, f1, noisy_blobs
from small_features import ids, write_features
from small_labels import write_given

from windrow.schemas import LABEL_CHECKS, LABEL_QUALITY
from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.checks.aum import Aum, judge_by_margin
from windrow.tasks.algorithms.labels.checks.confident_learning import ConfidentLearning
from windrow.tasks.algorithms.labels.checks.cross_split import cross_split
from windrow.tasks.algorithms.labels.checks.early_learning import EarlyLearning
from windrow.tasks.algorithms.labels.checks.label_quality import LabelQualityConfig, label_quality
from windrow.tasks.algorithms.labels.checks.linear_separation import LinearSeparation, judge_by_side
from windrow.tasks.algorithms.labels.checks.long_tail_calibration import LongTailCalibration, tail_calibrated_probe
from windrow.tasks.algorithms.labels.checks.neighbor_agreement import NeighborAgreement
from windrow.tasks.algorithms.labels.checks.noise_ignorant_probe import NoiseIgnorantProbe, ignore_noise
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining
from windrow.tasks.algorithms.labels.judging.judged_labels import probe_out_of_sample
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.labels.checks.label_checks import check_labels, judge_pool
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig
from windrow.tasks.stage_lines import stage_line
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.pool import Pool
from windrow.tasks.storage.store.registry import register_samples, sample_indices
from windrow.tasks.storage.store.run_records import StageRecord

NAMES = ["cat", "dog", "hen"]
N, N_STRANGE = 240, 24
SHORT = ProbeTraining(n_epochs=12, n_seeds=2)
EVERY = LabelChecksConfig(methods=tuple(CHECKS), probe_training=SHORT)
UNDECIDED = {"self_confidence", "normalised_margin", "weighted_entropy", "el2n", "forgetting", "grand"}


@dataclass(frozen=True)
class NoisyPool:
    """Blobs in the order of their ids; the labels of `wrong` were moved, those of `strange` lie where no class does."""

    samples: list[str]
    vectors: np.ndarray
    labels: list[str]
    wrong: np.ndarray

    def check(self, store: Path, config: LabelChecksConfig, n_shards: int = 1, k: int = 5, seed: int = 0) -> Done:
        order = np.random.default_rng(n_shards).permutation(len(self.samples)) if n_shards > 1 else np.arange(N)
        shards = np.array_split(order, n_shards)
        features = [write_features(store, [self.samples[n] for n in rows], self.vectors[rows]) for rows in shards]
        neighbors = find_neighbors(store, features, NeighborsConfig(k=k)).path
        labelled = [n for n in order.tolist() if self.labels[n]]
        given = write_given(store, [self.samples[n] for n in labelled], [self.labels[n] for n in labelled])
        made = Made(features=tuple(features), neighbors=(neighbors,), given_labels=(given,))
        return check_labels(store, made, config, 5, seed)


@pytest.fixture(scope="module")
def pool() -> NoisyPool:
    vectors, labels, truth = noisy_blobs(N, rate=0.15)
    strange = np.arange(0, N, N // N_STRANGE)
    labels[strange] = truth[strange]
    vectors[strange, :3] = 0
    vectors[strange, 7] = 6.0
    wrong = labels != truth
    wrong[strange] = True
    return NoisyPool(ids(N), vectors, [NAMES[n] for n in labels], wrong)


@pytest.fixture(scope="module")
def judged(pool: NoisyPool, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A store, and the output of all methods in it."""
    store = tmp_path_factory.mktemp("judged")
    return store, pool.check(store, EVERY)


def rows_of(store: Path, done: Done, method: str, source: str = "windrow") -> pa.Table:
    table = open_output(store / done.path).read(LABEL_CHECKS)
    return table.filter(pc.equal(table["method"], method)).filter(pc.field("source") == source)


@pytest.mark.parametrize("method", CHECKS)
def test_every_method_judges_every_given_label_and_finds_what_is_wrong(
    pool: NoisyPool, judged: tuple[Path, Done], method: str
) -> None:
    rows = rows_of(*judged, method)
    assert rows["sample_id"].to_pylist() == pool.samples
    score = rows["score"].to_numpy()
    assert np.isfinite(score).all() and below(score, pool.wrong) > 0.7
    if method in UNDECIDED:
        assert rows["is_doubtful"].null_count == N
    else:
        assert f1(rows["is_doubtful"].to_numpy(zero_copy_only=False).astype(bool), pool.wrong) > (
            0.4 if method == "linear_separation" else 0.6
        )


def test_the_tables_are_as_declared_and_counted(pool: NoisyPool, judged: tuple[Path, Done]) -> None:
    store, done = judged
    output = open_output(store / done.path)
    checks, quality = (table.validate(output.read(table)) for table in (LABEL_CHECKS, LABEL_QUALITY))
    n_doubtful = sum(quality["is_doubtful"].to_pylist())
    assert done.counts == {"n_checked": N, "n_doubtful": n_doubtful, "n_label_checks": N * len(CHECKS)}
    assert checks.num_rows == N * len(CHECKS) and quality["sample_id"].to_pylist() == pool.samples
    assert below(quality["label_quality"].to_numpy(), pool.wrong) > 0.75 and n_doubtful > 20


def test_shards_and_the_order_of_rows_change_nothing(
    pool: NoisyPool, judged: tuple[Path, Done], tmp_path: Path
) -> None:
    store, done = judged
    again = pool.check(tmp_path, EVERY, n_shards=3)
    for table in (LABEL_CHECKS, LABEL_QUALITY):
        one, many = (open_output(path / each.path).read(table) for path, each in ((store, done), (tmp_path, again)))
        assert one.equals(many), table.name


@pytest.mark.parametrize("method", ["noise_transition", "neighbor_agreement", "noise_ignorant_probe", "grand"])
def test_what_methods_share_changes_none_of_them(
    pool: NoisyPool, judged: tuple[Path, Done], tmp_path: Path, method: str
) -> None:
    alone = pool.check(tmp_path, replace(EVERY, methods=(method,), default=False))
    assert alone.counts == {"n_checked": 0, "n_doubtful": 0, "n_label_checks": N}
    assert rows_of(tmp_path, alone, method).equals(rows_of(*judged, method))


def test_a_graph_of_the_whole_pool_is_used_and_says_the_same(
    pool: NoisyPool, judged: tuple[Path, Done], tmp_path: Path
) -> None:
    wide = pool.check(tmp_path, replace(EVERY, methods=("neighbor_agreement",)), k=60)
    assert rows_of(tmp_path, wide, "neighbor_agreement").equals(rows_of(*judged, "neighbor_agreement"))
    everyone, same = np.tile(np.arange(60), (N, 1)), np.ones((N, 60), np.float32)
    misled, own = (said(pool, "neighbor_agreement", NeighborGraph(everyone[:, :k], same[:, :k])) for k in (60, 5))
    assert not np.array_equal(misled, own)
    assert np.array_equal(own, said(pool, "neighbor_agreement", NeighborGraph(everyone[:, :9], same[:, :9])))


def said(pool: NoisyPool, method: str, graph: NeighborGraph) -> np.ndarray:
    """The scores of one method, with four folds and the seed 3."""
    labels = np.array([NAMES.index(label) for label in pool.labels])
    config = replace(EVERY, methods=(method,), default=False)
    _, checks = judge_pool(Pool(pa.array(pool.samples), pool.vectors), graph, labels, NAMES, config, 4, 3)
    return checks["score"].to_numpy()


def predicted(vectors: np.ndarray, labels: np.ndarray) -> SparseProbabilities:
    return probe_out_of_sample(vectors, labels, 3, 0.001, 4, 3)


def calibrated(vectors: np.ndarray, labels: np.ndarray) -> SparseProbabilities:
    maker = partial(tail_calibrated_probe, vectors, n_classes=3, seed=3)
    return SparseProbabilities.of(cross_fit(lambda known, rows: maker(labels=known, rows=rows), labels, 3, 4, 3), 3)


TWINS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "self_confidence": lambda vectors, labels: predicted(vectors, labels).of_class(labels),
    "noise_ignorant_probe": lambda vectors, labels: ignore_noise(vectors, labels, 3, n_folds=4, seed=3)[1].of_class(
        labels
    ),
    "cross_split": lambda vectors, labels: cross_split(vectors, labels, 3, seed=3).judgement.score,
    "long_tail_calibration": lambda vectors, labels: calibrated(vectors, labels).of_class(labels),
    "aum": lambda vectors, labels: judge_by_margin(vectors, labels, 3, SHORT, seed=3).score,
    "noise_transition": lambda vectors, labels: (
        label_quality(vectors, labels, 3, LabelQualityConfig(n_folds=4, seed=3)).transition.posterior
    ),
    "linear_separation": lambda vectors, labels: (
        judge_by_side(
            vectors, -np.log(np.maximum(predicted(vectors, labels).of_class(labels), 1e-7)), n_folds=4, seed=3
        ).score
    ),
}


@pytest.mark.parametrize("method", TWINS)
def test_a_method_says_what_its_function_says(pool: NoisyPool, method: str) -> None:
    labels = np.array([NAMES.index(label) for label in pool.labels])
    graph = NeighborGraph(np.zeros((N, 1), np.int64), np.ones((N, 1), np.float32))
    np.testing.assert_array_equal(said(pool, method, graph), TWINS[method](pool.vectors, labels).astype(np.float32))


def test_without_methods_the_table_is_empty_and_the_log_does_not_speak_of_it(pool: NoisyPool, tmp_path: Path) -> None:
    done = pool.check(tmp_path, LabelChecksConfig())
    assert open_output(tmp_path / done.path).read(LABEL_CHECKS).num_rows == done.counts["n_label_checks"] == 0
    line = stage_line(StageRecord("label_checks", (done.path,), 0, N, 1.0, dict(done.counts)))
    assert line.startswith(f"label checks: {N} checked, ") and "0 label" not in line
    nothing = pool.check(tmp_path, LabelChecksConfig(default=False))
    assert not any(nothing.counts.values())
    asked = StageRecord("label_checks", (), 0, N, 1.0, {"n_checked": 0, "n_label_checks": 7})
    assert stage_line(asked).startswith("label checks: 0 checked, 7 label checks (")


def test_classes_with_too_few_labels_and_samples_without_one_are_not_judged(pool: NoisyPool, tmp_path: Path) -> None:
    labels = ["owl" if n < 4 else "" if n < 20 else label for n, label in enumerate(pool.labels)]
    done = replace(pool, labels=labels).check(tmp_path, replace(EVERY, methods=("aum", "cross_split")))
    for method in ("aum", "cross_split"):
        assert rows_of(tmp_path, done, method)["sample_id"].to_pylist() == pool.samples[20:]
    quality = open_output(tmp_path / done.path).read(LABEL_QUALITY)
    assert quality["sample_id"].to_pylist() == pool.samples[20:] and "owl" not in quality["suggested_label"].to_pylist()
    one_class = replace(pool, labels=["owl" if n < 4 else "cat" for n in range(N)])
    assert not any(one_class.check(tmp_path, EVERY).counts.values())


def test_a_training_job_and_windrow_both_have_their_say(pool: NoisyPool, tmp_path: Path) -> None:
    register_samples(tmp_path, pa.array(pool.samples))
    known = sample_indices(tmp_path, pool.samples)
    loss = np.where(pool.wrong, 3.0, 0.1) + np.random.default_rng(0).uniform(0, 0.2, N)
    path = tmp_path / "losses.parquet"
    pq.write_table(pa.table({"sample_index": [known[sample] for sample in pool.samples], "loss": loss}), path)
    config = LabelChecksConfig(methods=("loss_mixture",), default=False, dynamics=str(path), probe_training=SHORT)
    done = pool.check(tmp_path, config)
    assert done.counts["n_label_checks"] == 2 * N
    theirs, ours = (rows_of(tmp_path, done, "loss_mixture", source) for source in ("training", "windrow"))
    assert theirs["is_doubtful"].to_pylist() == pool.wrong.tolist()
    assert ours.num_rows == N and not ours["score"].equals(theirs["score"])
    assert pool.check(tmp_path, config).found
    pq.write_table(pa.table({"sample_index": [known[sample] for sample in pool.samples], "loss": loss + 1}), path)
    assert not pool.check(tmp_path, config).found


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("self_confidence", {"l2": 0.1}),
    ("confident_learning", {"confident_learning": ConfidentLearning("both")}),
    ("neighbor_agreement", {"neighbor_agreement": NeighborAgreement(k=3)}),
    ("neighbor_agreement", {"neighbor_agreement": NeighborAgreement(k=90)}),
    ("neighbor_agreement", {"neighbor_agreement": NeighborAgreement(temperature=0.5)}),
    ("neighbor_agreement", {"neighbor_agreement": NeighborAgreement(class_balanced=False)}),
    ("noise_ignorant_probe", {"noise_ignorant_probe": NoiseIgnorantProbe((1.0,))}),
    ("linear_separation", {"linear_separation": LinearSeparation(1.0)}),
    ("long_tail_calibration", {"long_tail_calibration": LongTailCalibration(n_donors=1)}),
    ("long_tail_calibration", {"long_tail_calibration": LongTailCalibration(own_share=0.1)}),
    ("long_tail_calibration", {"long_tail_calibration": LongTailCalibration(outlier_share=0.4)}),
    ("aum", {"aum": Aum(50.0)}),
    ("el2n", {"probe_training": replace(SHORT, early_epoch=2)}),
    ("grand", {"probe_training": replace(SHORT, n_seeds=1)}),
    ("early_learning", {"probe_training": replace(SHORT, n_epochs=10)}),
    ("aum", {"probe_training": replace(SHORT, learning_rate=1.0)}),
    ("early_learning", {"early_learning": EarlyLearning(0.0)}),
]


@pytest.mark.parametrize(("method", "changes"), CHANGES)
def test_every_setting_is_heeded(
    pool: NoisyPool, judged: tuple[Path, Done], tmp_path: Path, method: str, changes: dict[str, Any]
) -> None:
    done = pool.check(tmp_path, replace(EVERY, methods=(method,), default=False, **changes))
    assert not rows_of(tmp_path, done, method).equals(rows_of(*judged, method))


@pytest.mark.parametrize(
    ("vectors", "n_classes"),
    [
        (np.random.default_rng(0).normal(size=(4, 3)), 2),
        (np.ones((20, 3)), 2),
        (np.zeros((20, 1)), 2),
        (np.random.default_rng(0).normal(size=(60, 8)), 30),
    ],
)
def test_the_smallest_pools_and_samples_that_are_all_alike_are_judged_by_every_method(
    vectors: np.ndarray, n_classes: int
) -> None:
    n = len(vectors)
    graph = NeighborGraph(np.zeros((n, 1), np.int64), np.ones((n, 1), np.float32))
    pool = Pool(pa.array(ids(n)), vectors.astype(np.float16))
    labels, names = np.arange(n) % n_classes, [str(number) for number in range(n_classes)]
    quality, checks = judge_pool(pool, graph, labels, names, EVERY, 2, 0)
    assert (quality.num_rows, checks.num_rows) == (n, n * len(CHECKS))
    assert np.isfinite(checks["score"].to_numpy()).all()


def test_no_method_doubts_more_than_a_twentieth_of_clean_and_easy_labels() -> None:
    vectors, labels, _ = noisy_blobs(N, rate=0.0, seed=5)
    graph = NeighborGraph(np.zeros((N, 1), np.int64), np.ones((N, 1), np.float32))
    quality, checks = judge_pool(Pool(pa.array(ids(N)), vectors), graph, labels, NAMES, EVERY, 5, 0)
    bounded = int(pc.sum(quality["is_doubtful"]).as_py())
    for method in sorted(CHECKS.keys() - UNDECIDED):
        doubtful = checks.filter(pc.field("method") == method)["is_doubtful"]
        assert pc.sum(doubtful).as_py() <= bounded <= N / 20, method


def test_no_method_doubts_a_label_that_is_the_suggested_one(pool: NoisyPool, judged: tuple[Path, Done]) -> None:
    store, done = judged
    quality = open_output(store / done.path).read(LABEL_QUALITY)
    same = [given == said for given, said in zip(pool.labels, quality["suggested_label"].to_pylist(), strict=True)]
    verdicts = {"label_quality": quality} | {name: rows_of(store, done, name) for name in CHECKS.keys() - UNDECIDED}
    for name, rows in verdicts.items():
        assert not (rows["is_doubtful"].to_numpy(zero_copy_only=False).astype(bool) & np.array(same)).any(), name
