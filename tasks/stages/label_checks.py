"""Given labels, judged by models that did not learn from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas import LABEL_QUALITY
from windrow.tasks.algorithms.label_quality import LabelQualityConfig, label_quality
from windrow.tasks.storage.pool import Pool


def check_labels(
    pool: Pool, labels: npt.NDArray[np.int64], classes: Sequence[str], n_folds: int, seed: int
) -> pa.Table:
    """Return LABEL_QUALITY, in the order of the pool, of its labels int64 (n,), -1 where there is none.

    Labels of a class that has fewer than n_folds cannot be judged: some model would know no such label.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    judged = np.flatnonzero(counts >= n_folds)
    rows = np.flatnonzero(np.isin(labels, judged))
    if len(judged) < 2:
        return LABEL_QUALITY.schema().empty_table()
    config = LabelQualityConfig(n_folds=n_folds, seed=seed)
    found = label_quality(pool.embeddings[rows], np.searchsorted(judged, labels[rows]), len(judged), config)
    names = pa.array([classes[int(number)] for number in judged], pa.string())
    columns = {
        "sample_id": pool.sample_ids.take(pa.array(rows)),
        "label_quality": pa.array(found.judgement.score),
        "is_doubtful": pa.array(found.judgement.noisy),
        "suggested_label": names.take(pa.array(found.predictions.classes[:, 0])),
        "suggested_probability": pa.array(np.clip(found.predictions.probabilities[:, 0], 0, 1)),
    }
    return LABEL_QUALITY.build(columns)
