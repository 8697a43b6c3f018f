"""What a training job logs: kept whole, read by the label checks, and told by `windrow explain --step`."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small_export import export, make_selection
from small_labels import given_table

from windrow.flows.commands.cli import app
from windrow.schemas.training import TRAINING_LOG
from windrow.tasks.algorithms.labels.checks.forgetting import forgetting_score
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics, record_dynamics
from windrow.tasks.labels.checks.imported_dynamics import imported_dynamics
from windrow.tasks.labels.checks.logged_dynamics import logged_dynamics
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.loading.training_log import TrainingLog
from windrow.tasks.loading.version_samples import NO_LABEL
from windrow.tasks.storage.files.seals import sealed_json
from windrow.tasks.storage.store.registry import register_samples, sample_indices
from windrow.tasks.storage.store.store_format import FORMAT, FORMAT_FILE

NAMES = ["cat", "dog", "hen"]
WRONG = [5, 30, 31]


def test_a_log_says_what_the_dynamics_of_its_logits_say(tmp_path: Path) -> None:
    n, epochs = 40, 3
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 3, n), rng.normal(size=(epochs, n, 3)).astype(np.float32)
    with TrainingLog(tmp_path / "log", NAMES, flush_every=4) as log:
        for epoch in range(epochs):
            for part in np.split(rng.permutation(n), range(7, n, 7)):
                given = (torch.from_numpy(each) for each in (part, labels[part], logits[epoch][part]))
                log.add(*given, epoch=epoch)
    expected = record_dynamics([list(logits)], labels)
    samples, found = logged_dynamics(tmp_path / "log", {i: (f"{i:032x}", NAMES[labels[i]]) for i in range(n)})
    assert samples == [f"{i:032x}" for i in range(n)]
    for name in ("margin", "loss", "error_norm"):
        np.testing.assert_allclose(found.recorded(name), expected.recorded(name), atol=1e-5)
    TRAINING_LOG.validate(pq.read_table(tmp_path / "log", schema=TRAINING_LOG.schema()))
    held = duckdb.sql(f"SELECT count(DISTINCT step), max(step), count(*) FROM '{tmp_path}/log/*.parquet'").fetchall()
    assert held == [(18, 17, 120)]


def test_what_an_epoch_did_not_see_is_as_it_was_seen_last(tmp_path: Path) -> None:
    labels = {i: (str(i), "cat") for i in range(3)}

    def add(log: TrainingLog, epoch: int, margins: dict[int, float]) -> None:
        logits = torch.tensor([[margin, 0.0, 0.0] for margin in margins.values()])
        log.add(torch.tensor(list(margins)), torch.zeros(len(margins), dtype=torch.int64), logits, epoch=epoch)

    with TrainingLog(tmp_path, NAMES) as log:
        add(log, 0, {0: 1.0, 1: 2.0})
        add(log, 0, {0: 4.0})  # came twice
        add(log, 1, {2: 5.0})
    with TrainingLog(tmp_path, NAMES, step=3) as log:  # a job that goes on
        add(log, 2, {0: 7.0, 1: 8.0, 2: 9.0})
    _, dynamics = logged_dynamics(tmp_path, labels)
    assert dynamics.recorded("margin")[0].tolist() == [[4.0, 2.0, 5.0], [4.0, 2.0, 5.0], [7.0, 8.0, 9.0]]


def test_forgetting_counts_what_was_right_and_is_wrong() -> None:
    margin = np.array([[[1, -1, 1, -1, 1], [-1, -1, 1, 1, -1], [1, -1, 1, -1, 1], [-1, -1, 1, 1, -1]]], np.float32)
    assert forgetting_score(TrainingDynamics(margin)).tolist() == [-2, -4, 0, -1, -2]


def test_a_real_training_finds_the_wrong_labels(tmp_path: Path) -> None:
    n = 60
    samples = [f"{number * 7919 % 1000:032x}" for number in range(n)]
    register_samples(tmp_path, pa.array(sorted(samples)))
    index = torch.tensor([sample_indices(tmp_path, samples)[sample] for sample in samples])
    truth = np.arange(n) % 3
    said = truth.copy()
    said[WRONG] = (said[WRONG] + 1) % 3
    torch.manual_seed(0)
    features = torch.from_numpy(np.eye(3)[truth] * 3 + np.random.default_rng(0).normal(size=(n, 3)) * 0.5).float()
    model = torch.nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    with TrainingLog(tmp_path / "log", NAMES, flush_every=7) as log:
        for epoch in range(8):
            for part in torch.randperm(n).split(16):
                logits, labels = model(features[part]), torch.from_numpy(said)[part]
                log.add(index[part], labels, logits, epoch=epoch)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, labels).backward()
                optimizer.step()
    found = imported_dynamics(tmp_path / "log", tmp_path, given_table(samples, [NAMES[i] for i in said]))
    wrong = {samples[i] for i in WRONG}
    assert {row["method"] for row in found.to_pylist()} == {"aum", "forgetting", "el2n", "loss_mixture"}
    for method in ("aum", "el2n", "loss_mixture"):
        rows = sorted((row["score"], row["sample_id"]) for row in found.to_pylist() if row["method"] == method)
        assert {sample for _, sample in rows[:3]} == wrong


def test_only_samples_trained_as_the_label_they_were_given_are_judged(tmp_path: Path) -> None:
    logits = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]])
    with TrainingLog(tmp_path, NAMES) as log:
        log.add(torch.arange(3), torch.tensor([0, 1, NO_LABEL]), logits, epoch=0)
    samples, dynamics = logged_dynamics(tmp_path, {0: ("a", "cat"), 1: ("b", "cat"), 2: ("c", "hen")})
    assert samples == ["a"] and dynamics.recorded("margin").tolist() == [[[2.0]]]
    with pytest.raises(ValueError, match="no sample of the log was trained as the label"):
        logged_dynamics(tmp_path, {1: ("b", "hen")})


def mark_store(store: Path) -> None:
    sealed = sealed_json({"format": FORMAT, "windrow": "0.1.0"})
    (store / FORMAT_FILE).write_text(sealed)


def test_a_step_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, _ = make_selection(tmp_path / "source", 24)
    version = export(tmp_path / "store", rows).path
    mark_store(tmp_path / "store")
    loader = data_loader(version, batch_size=5)
    seen = []
    with TrainingLog(tmp_path / "log", loader.classes) as log:
        for _, labels, info in loader:
            log.add(info["sample_index"], labels, torch.eye(3)[labels] * 2, epoch=loader.epoch)
            seen.append(info)
    options = ["--step", "1", "--log", str(tmp_path / "log"), "--store", str(tmp_path / "store")]
    app(["explain", *options], standalone_mode=False)
    told = capsys.readouterr().out
    assert "step 1, epoch 0: 5 samples with a label" in told
    assert all(str(index) in told for index in seen[1]["sample_index"].tolist())
    with pytest.raises(ValueError, match="has no step 99; it ends with 2"):
        app(["explain", "--step", "99", *options[2:]], standalone_mode=False)
    with pytest.raises(ValueError, match="wants a sample's id, or --step and --log"):
        app(["explain", "--step", "1"], standalone_mode=False)


def test_bad_calls_are_refused(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log", NAMES)
    with pytest.raises(ValueError, match=r"wants labels \(2,\) and logits \(2, 3\).*got \(2,\) and \(2, 4\)"):
        log.add(torch.arange(2), torch.zeros(2, dtype=torch.int64), torch.zeros(2, 4), epoch=0)
    with pytest.raises(ValueError, match="flush_every of 1 or more"):
        TrainingLog(tmp_path / "log", NAMES, flush_every=0)
    with pytest.raises(ValueError, match="has no training log"):
        logged_dynamics(tmp_path / "log", {})
    log.add(torch.arange(1), torch.zeros(1, dtype=torch.int64), torch.full((1, 3), torch.nan), epoch=0)
    log.flush()
    with pytest.raises(ValueError, match="not finite: the training diverged"):
        logged_dynamics(tmp_path / "log", {0: ("a", "cat")})
