"""What a training job recorded, by sample_index, judges the given labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from small_labels import given_table
from small_pool import make_small_pool

from windrow.schemas import LABEL_CHECKS
from windrow.tasks.labels.checks.imported_dynamics import imported_dynamics
from windrow.tasks.storage.store.registry import register_samples, sample_indices

NAMES = ["cat", "dog", "hen"]
WRONG = [5, 30, 31]


def ids(n: int) -> list[str]:
    return [f"{number * 7919 % 1000:032x}" for number in range(n)]


@pytest.fixture
def pool(tmp_path: Path) -> tuple[Path, pa.Table, np.ndarray, np.ndarray]:
    """A store with 60 samples; given labels, three of them wrong; each sample's sample_index; logits of 4 epochs."""
    samples = ids(60)
    register_samples(tmp_path, pa.array(samples[20:]))
    register_samples(tmp_path, pa.array(samples[:20]))
    truth = np.arange(60) % 3
    said = truth.copy()
    said[WRONG] = (said[WRONG] + 1) % 3
    known = sample_indices(tmp_path, samples)
    index = np.array([known[sample] for sample in samples])
    noise = np.random.default_rng(0).normal(size=(60, 4, 3))
    return tmp_path, given_table(samples, [NAMES[n] for n in said]), index, 3 * np.eye(3)[truth][:, None] + 0.3 * noise


def written(path: Path, columns: dict[str, Any], classes: Any = NAMES) -> Path:
    table = pa.table(columns).replace_schema_metadata({"class_names": json.dumps(classes)})
    pq.write_table(table, path / "dynamics.parquet")
    return path / "dynamics.parquet"


def doubtful(table: pa.Table, method: str) -> set[str]:
    return {row["sample_id"] for row in table.to_pylist() if row["method"] == method and row["is_doubtful"]}


def lowest(table: pa.Table, method: str, n: int) -> set[str]:
    rows = [row for row in table.to_pylist() if row["method"] == method]
    return {row["sample_id"] for row in sorted(rows, key=lambda row: row["score"])[:n]}


def test_every_method_finds_the_wrong_labels_by_logits_in_any_order_of_rows_and_classes(pool: Any) -> None:
    store, given, index, logits = pool
    order = np.random.default_rng(1).permutation(60)
    turned = logits[order][:, :, ::-1]
    path = written(store, {"sample_index": index[order], "logits": turned.tolist()}, NAMES[::-1])
    found = imported_dynamics(path, store, given)
    wrong = {ids(60)[number] for number in WRONG}
    assert found.num_rows == 5 * 60
    for method in ("aum", "el2n", "early_learning", "loss_mixture"):
        assert lowest(found, method, 3) == wrong
    assert doubtful(found, "early_learning") == doubtful(found, "loss_mixture") == wrong
    verdicts = {row["is_doubtful"] for row in found.to_pylist() if row["method"] in ("aum", "el2n")}
    assert verdicts == {None}
    plain = imported_dynamics(written(store, {"sample_index": index, "logits": logits.tolist()}), store, given)
    keys = ("sample_id", "method", "is_doubtful")
    assert plain.select(keys).equals(found.select(keys))
    np.testing.assert_allclose(plain["score"].to_numpy(), found["score"].to_numpy(), atol=1e-6)


def test_probabilities_say_what_their_logits_say(pool: Any) -> None:
    store, given, index, logits = pool
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=2, keepdims=True)
    by_logits = imported_dynamics(written(store, {"sample_index": index, "logits": logits.tolist()}), store, given)
    path = written(store, {"sample_index": index, "probabilities": probabilities.tolist()})
    np.testing.assert_allclose(
        imported_dynamics(path, store, given)["score"].to_numpy(), by_logits["score"].to_numpy(), atol=1e-5
    )
    one_epoch = written(store, {"sample_index": index, "probabilities": probabilities[:, 3].tolist()})
    assert doubtful(imported_dynamics(one_epoch, store, given), "early_learning") == {ids(60)[n] for n in WRONG}


def test_losses_are_judged_by_their_mean_and_only_samples_that_both_know_get_a_row(pool: Any) -> None:
    store, given, index, _ = pool
    loss = np.random.default_rng(2).uniform(0.05, 0.3, (60, 2))
    loss[WRONG] += 3
    columns = {"sample_index": [*index[:50], 10_000], "loss": [*loss[:50].tolist(), [9.0, 9.0]]}
    named = given.slice(0, 40)
    found = imported_dynamics(written(store, columns), store, named)
    assert set(found["method"].to_pylist()) == {"loss_mixture"}
    assert found["sample_id"].to_pylist() == sorted(ids(60)[:40])
    assert doubtful(found, "loss_mixture") == {ids(60)[number] for number in WRONG}
    plain = imported_dynamics(written(store, {"sample_index": index, "loss": loss.mean(axis=1)}), store, named)
    assert plain.equals(found)


def test_a_label_that_the_job_did_not_know_is_not_judged_by_its_logits(pool: Any) -> None:
    store, given, index, logits = pool
    other = given_table(ids(60), ["owl", None, *given["label"].to_pylist()[2:]])
    path = written(store, {"sample_index": index, "logits": logits.tolist(), "loss": np.arange(60.0)})
    counts = dict.fromkeys(("aum", "loss_mixture"), 0)
    for row in imported_dynamics(path, store, other).to_pylist():
        counts[row["method"]] = counts.get(row["method"], 0) + 1
    assert (counts["aum"], counts["loss_mixture"]) == (58, 59)


@pytest.mark.parametrize(
    ("columns", "classes", "message"),
    [
        ({"loss": [1.0]}, NAMES, "column sample_index is missing"),
        ({"sample_index": [0]}, NAMES, "column loss, logits or probabilities is wanted, it has"),
        ({"sample_index": [0, None], "loss": [1.0, 2.0]}, NAMES, "column sample_index has nulls"),
        ({"sample_index": [0, 0], "loss": [1.0, 2.0]}, NAMES, "column sample_index has 0 twice"),
        ({"sample_index": [777], "loss": [1.0]}, NAMES, "column sample_index has no sample with a given label"),
        ({"sample_index": [0, 1], "loss": [1.0, None]}, NAMES, "column loss has nulls or numbers that are not finite"),
        ({"sample_index": [0], "loss": ["high"]}, NAMES, "column loss wants numbers"),
        ({"sample_index": [0, 1], "loss": [[1.0], [1.0, 2.0]]}, NAMES, "column loss wants lists of one length"),
        ({"sample_index": [0, 1], "logits": [[1.0, 2.0, 3.0], None]}, NAMES, "column logits wants lists of one length"),
        ({"sample_index": [0], "logits": [[1.0, 2.0]]}, NAMES, "column logits has 2 classes, class_names has 3"),
        ({"sample_index": [0], "logits": [1.0]}, NAMES, "column logits wants"),
        ({"sample_index": [0], "logits": [[1.0, 2.0]]}, None, "column logits wants `class_names` in the schema's"),
        ({"sample_index": [0], "probabilities": [[0.5, 0.1, 0.1]]}, NAMES, "column probabilities wants numbers from 0"),
    ],
)
def test_a_bad_file_is_told_in_one_line_with_its_column(
    pool: Any, columns: dict[str, Any], classes: Any, message: str
) -> None:
    store, given, _, _ = pool
    with pytest.raises(ValueError, match=message) as caught:
        imported_dynamics(written(store, columns, classes), store, given)
    assert "\n" not in str(caught.value) and "labels.checks.dynamics: " in str(caught.value)


def test_a_file_that_is_missing_or_no_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels.checks.dynamics: there is no file '.*none.parquet'"):
        imported_dynamics(tmp_path / "none.parquet", tmp_path, given_table([], []))
    (tmp_path / "text.parquet").write_text("loss")
    with pytest.raises(ValueError, match=r"text.parquet is no Parquet file"):
        imported_dynamics(tmp_path / "text.parquet", tmp_path, given_table([], []))


def test_damage_anywhere_in_a_file_or_a_log_is_told_in_one_line_with_its_name(pool: Any, tmp_path: Path) -> None:
    store, given, index, _ = pool
    sound = written(tmp_path, {"sample_index": index, "loss": np.arange(60.0)})
    pq.write_table(pq.read_table(sound), sound, write_page_checksum=True)
    data = sound.read_bytes()
    log = tmp_path / "log"
    log.mkdir()
    flipped = [data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :] for at in range(4, len(data), 29)]
    cut = [data[:end] for end in range(0, len(data), 97)]
    n_told = 0
    for file, folder in ((sound, sound), (log / "1.parquet", log)):
        for damaged in (*flipped, *cut):
            file.write_bytes(damaged)
            try:
                imported_dynamics(folder, store, given)
            except ValueError as error:
                n_told += 1
                assert str(error).startswith(f"labels.checks.dynamics: {file}") and "\n" not in str(error)
    assert n_told > len(flipped + cut)


def test_a_run_has_the_scores_and_another_file_makes_them_anew(tmp_path: Path) -> None:
    path = tmp_path / "losses.parquet"
    config = make_small_pool(tmp_path, labels={"checks": {"dynamics": str(path)}}).config
    with pytest.raises(ValueError, match=r"labels.checks.dynamics: there is no file"):
        curate_inline(config)
    outputs = []
    for losses in ([0.1, 5.0] * 8, [0.1, 5.0] * 8, [5.0, 0.1] * 8):
        pq.write_table(pa.table({"sample_index": range(16), "loss": losses}), path)
        labelled = {output.stage: output for output in curate_inline(config).outputs("pseudo_label")}
        outputs.append(labelled["label_checks"])
    assert outputs[0].path == outputs[1].path != outputs[2].path
    before, _, after = (output.read(LABEL_CHECKS) for output in outputs)
    assert (
        before["sample_id"].equals(after["sample_id"])
        and before.num_rows == labelled["given_labels"].counts["n_given"] > 2
    )
    assert 0 < before["is_doubtful"].to_pylist().count(True) < before.num_rows
    assert [not doubt for doubt in before["is_doubtful"].to_pylist()] == after["is_doubtful"].to_pylist()
