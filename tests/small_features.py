"""Outputs of the features stage, made of arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from windrow.schemas import EMBEDDINGS
from windrow.tasks.storage.store.outputs import OutputWriter, make_output


def write_features(store: Path, sample_ids: Sequence[str], vectors: np.ndarray, missing: Sequence[int] = ()) -> str:
    """Write one output of the stage `features`; the samples at `missing` have an error instead of an embedding."""
    failed = np.isin(np.arange(len(sample_ids)), list(missing))

    def write(writer: OutputWriter) -> None:
        flat = pa.array(vectors.astype(np.float16).reshape(-1))
        columns = {
            "sample_id": list(sample_ids),
            "backbone_id": ["b"] * len(sample_ids),
            "embedding": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=pa.array(failed)),
            "error": ["no vector" if bad else None for bad in failed],
        }
        writer.write(EMBEDDINGS, EMBEDDINGS.build(columns, dim=vectors.shape[1]))
        writer.counts.update(n_samples=len(sample_ids), n_errors=int(failed.sum()))

    return make_output(store, "features", 1, {"ids": list(sample_ids), "values": vectors.tolist()}, write).path


def ids(n: int, seed: int = 0) -> list[str]:
    """Return n different sample ids, ascending."""
    rng = np.random.default_rng(seed)
    return sorted({rng.bytes(16).hex() for _ in range(n)})
