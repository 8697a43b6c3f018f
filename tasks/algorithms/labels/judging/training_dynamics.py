"""What a classifier thought of each sample at every epoch: of our probe, or of a training job elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judgement import check_given

BLOCK = 8192


@dataclass(frozen=True)
class TrainingDynamics:
    """Records float32 (n_seeds, n_epochs, n), aligned with the labels by the caller; None where nothing was recorded.

    margin: the label's logit less the largest other logit. loss: cross-entropy. error_norm: the Euclidean length of
    p - y, with p the probabilities and y the label as a one-hot row, from 0 to sqrt(2).
    """

    margin: Float32Array | None = None
    loss: Float32Array | None = None
    error_norm: Float32Array | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise ValueError("margin, loss or error_norm must be given, got none")
        for name, value in given.items():
            if value.ndim != 3 or value.shape != next(iter(given.values())).shape or 0 in value.shape[:2]:
                raise ValueError(f"{name} must have the shape (n_seeds, n_epochs, n) of all, got {value.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite, row {int(np.argwhere(~np.isfinite(value))[0][2])} is not")

    def recorded(self, name: str) -> Float32Array:
        """Return one of the records. Raises ValueError where it was not recorded."""
        value: Float32Array | None = getattr(self, name)
        if value is None:
            raise ValueError(f"dynamics must hold {name}, it was not recorded")
        return value


def record_dynamics(runs: Sequence[Iterable[npt.NDArray[np.floating]]], labels: Int64Array) -> TrainingDynamics:  # type: ignore[type-arg]
    """Return the records of each seed's run, an iterable of the logits (n, n_classes) after each epoch.

    Runs have the same number of epochs. Only one epoch's logits are in memory at a time: 12 bytes a sample, an epoch
    and a seed are kept.
    """
    records = [np.stack([_epoch_record(logits, labels) for logits in run], axis=1) for run in runs]
    if len({record.shape for record in records}) != 1:
        raise ValueError(f"runs must have the same number of epochs, got {[record.shape[1] for record in records]}")
    margin, loss, error_norm = np.stack(records, axis=1)
    return TrainingDynamics(margin, loss, error_norm)


def _epoch_record(logits: npt.NDArray[np.floating], labels: Int64Array) -> Float32Array:  # type: ignore[type-arg]
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits must have shape (n, n_classes) with two classes or more, got {logits.shape}")
    check_given(labels, logits.shape[1], len(logits))
    record = np.empty((3, len(labels)), dtype=np.float32)
    for start in range(0, len(labels), BLOCK):
        part = slice(start, start + BLOCK)
        record[:, part] = _measures(logits[part].astype(np.float64), labels[part])
    return record


def _measures(logits: Float64Array, labels: Int64Array) -> Float64Array:
    row = np.arange(len(labels))
    own = logits[row, labels]
    others = logits.copy()
    others[row, labels] = -np.inf
    margin = own - others.max(axis=1)
    largest = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - largest)
    total = powers.sum(axis=1)
    loss = np.log(total) + largest[:, 0] - own
    error = powers / total[:, None]
    error[row, labels] -= 1.0
    return np.stack([margin, loss, np.sqrt((error * error).sum(axis=1))])
