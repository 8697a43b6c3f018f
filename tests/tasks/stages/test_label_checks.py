from __future__ import annotations

import numpy as np
import pyarrow as pa

from windrow.tasks.stages.label_checks import check_labels
from windrow.tasks.storage.pool import Pool


def pool_of(truth: np.ndarray, seed: int = 0) -> Pool:
    noise = np.random.default_rng(seed).normal(size=(len(truth), 6))
    ids = pa.array([f"{n:032x}" for n in range(len(truth))])
    return Pool(ids, (np.eye(6)[truth] + 0.2 * noise).astype(np.float32))


def test_wrong_labels_get_the_lowest_scores_and_their_correction():
    truth = np.arange(120) % 3
    labels = truth.astype(np.int64)
    labels[[5, 50, 77]] = (labels[[5, 50, 77]] + 1) % 3
    labels[100:] = -1
    rows = check_labels(pool_of(truth), labels, ["cat", "dog", "hen"], 5, 0).to_pylist()
    assert len(rows) == 100
    lowest = sorted(rows, key=lambda row: row["label_quality"])[:3]
    assert {int(row["sample_id"], 16) for row in lowest} == {5, 50, 77}
    assert all(row["is_doubtful"] for row in lowest)
    assert [row["suggested_label"] for row in rows[:3]] == ["cat", "dog", "hen"]
    assert {row["suggested_label"] for row in lowest} == {("cat", "dog", "hen")[n] for n in truth[[5, 50, 77]]}


def test_classes_with_too_few_labels_are_not_judged():
    truth = np.array([0] * 20 + [1] * 20 + [2] * 4)
    rows = check_labels(pool_of(truth), truth.astype(np.int64), ["a", "b", "c"], 5, 0).to_pylist()
    assert [int(row["sample_id"], 16) for row in rows] == list(range(40))
    assert check_labels(pool_of(truth), np.where(truth == 0, -1, truth), ["a", "b", "c"], 5, 0).num_rows == 0
