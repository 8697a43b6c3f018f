"""A training log as training dynamics: a record for each sample and epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas.training import TRAINING_LOG
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics
from windrow.tasks.labels.checks.dynamics_file import told_where

MEASURES = ("margin", "loss", "error_norm")


def log_files(folder: Path) -> list[Path]:
    """Return the files of a log, in order of their steps. Raises ValueError when there is none."""
    files = sorted(folder.glob("[0-9]*.parquet"))
    if not files:
        raise ValueError(f"{folder} has no training log: `windrow.TrainingLog` writes one")
    return files


def _rows(path: Path, columns: list[str]) -> pa.Table:
    wanted = pa.schema([TRAINING_LOG.schema().field(name) for name in columns])
    with (
        told_where(path, "is no file of a training log, or damaged"),
        pq.ParquetFile(path, page_checksum_verification=True) as file,
    ):
        return file.read(columns=columns).select(columns).cast(wanted)


def logged_samples(folder: Path) -> npt.NDArray[np.int64]:
    """Return the distinct `sample_index` of a log. Raises ValueError when there is none."""
    parts = [_rows(path, ["sample_index"])["sample_index"] for path in log_files(folder)]
    return np.unique(np.concatenate([np.asarray(part.to_numpy(), np.int64) for part in parts]))


def logged_dynamics(folder: Path, labels: Mapping[int, tuple[str, str]]) -> tuple[list[str], TrainingDynamics]:
    """Return the samples (n,) that were trained as the label they were given, and their records (1, n_epochs, n).

    labels: sample_id and given label by `sample_index`. Of an epoch a sample's newest record counts. Where an epoch did
    not see a sample, as those that draw by class or stop in the middle do not, its record of the epoch before stands
    for it, before its first that one. Memory: 12 bytes a sample and epoch. Raises ValueError when there is no log, or
    none of the samples in it, or a number in it is not finite.
    """
    table = _relevant(folder, labels)
    epochs, epoch = np.unique(table["epoch"].to_numpy(), return_inverse=True)
    indices, sample = np.unique(table["sample_index"].to_numpy(), return_inverse=True)
    seen = np.zeros((len(epochs), len(indices)), np.bool_)
    seen[epoch, sample] = True
    source = _nearest_epoch(seen)
    records = {}
    for name in MEASURES:
        values = table[name].to_numpy()
        if not np.isfinite(values).all():
            raise ValueError(
                f"labels.checks.dynamics: {folder}: column {name} has numbers that are not finite: the training "
                "diverged"
            )
        dense = np.zeros((len(epochs), len(indices)), np.float32)
        dense[epoch, sample] = values  # rows come by step, so the newest stays
        records[name] = np.take_along_axis(dense, source, axis=0)[None]
    return [labels[index][0] for index in indices.tolist()], TrainingDynamics(**records)


def _relevant(folder: Path, labels: Mapping[int, tuple[str, str]]) -> pa.Table:
    indices = pa.array(labels, pa.int64())
    names = pa.array([name for _, name in labels.values()], pa.string())
    parts = []
    for path in log_files(folder):
        part = _rows(path, TRAINING_LOG.schema().names)
        given = names.take(pc.index_in(part["sample_index"], indices))
        parts.append(part.filter(pc.equal(given, part["label"])))
    table = pa.concat_tables(parts).sort_by([("step", "ascending"), ("rank", "ascending"), ("slot", "ascending")])
    if not table.num_rows:
        raise ValueError(
            f"labels.checks.dynamics: {folder}: no sample of the log was trained as the label that it was given"
        )
    return table


def _nearest_epoch(seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each epoch and sample the last epoch so far that saw it, before the first that one."""
    epochs = np.arange(len(seen))[:, None]
    last = np.maximum.accumulate(np.where(seen, epochs, -1), axis=0)
    return np.where(last < 0, seen.argmax(axis=0), last)
