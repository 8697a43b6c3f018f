"""The order of an epoch: which samples of which versions come, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.batches.rank_batches import LastBatch
from windrow.tasks.algorithms.batches.sample_order import (
    epoch_generator,
    grouped_order,
    shuffled_order,
    weighted_order,
)
from windrow.tasks.loading.version_samples import NO_LABEL, VersionSamples

Sampling = Literal["each", "class-balanced", "weighted"]


@dataclass(frozen=True)
class EpochOrder:
    """How an epoch visits samples, or the batches of a plan; all of it goes into the state that a loader goes on from.

    `n` is how many an epoch visits; `plan` is the digest of a plan of batches, None without one. For the others see
    `data_loader`.
    """

    seed: int
    shuffle: bool
    window: int
    sampling: Sampling
    weight_column: str
    shares: tuple[float, ...]
    n: int
    last: LastBatch
    plan: str | None = None

    def __post_init__(self) -> None:
        if self.sampling not in get_args(Sampling):
            raise ValueError(f"sampling: wants one of {', '.join(get_args(Sampling))}, got {self.sampling!r}")
        if self.last not in get_args(LastBatch):
            raise ValueError(f"last: wants 'pad' or 'drop', got {self.last!r}")
        if self.window < 0 or self.seed < 0 or self.n < 1:
            raise ValueError(
                f"wants window and seed of 0 or more and an epoch of 1 or more samples, got {self.window},"
                f" {self.seed} and {self.n}"
            )
        if not self.shuffle and (self.sampling != "each" or len(self.shares) > 1):
            raise ValueError("shuffle: drawing by class, weight or version is random; wants shuffle=True")
        if self.plan is not None and (self.sampling != "each" or self.window):
            raise ValueError("batches: a plan says what is drawn; wants neither sampling nor window")

    def check(self, samples: VersionSamples) -> None:
        """Raise ValueError where samples cannot be drawn so."""
        if self.sampling == "weighted":
            _weights(samples, self.weight_column, self.shares)
        if self.sampling == "class-balanced" and samples.states() is not None:
            raise ValueError("sampling: 'class-balanced' is for samples of one class")
        if self.sampling == "class-balanced" and (samples.labels == NO_LABEL).any():
            raise ValueError("sampling: 'class-balanced' wants a label of every sample; give unlabelled='skip'")

    def places(self, samples: VersionSamples, epoch: int) -> npt.NDArray[np.int64]:
        """Return the places of an epoch's samples, or of its batches in their plan, in order."""
        draws = epoch_generator(self.seed, epoch)
        if self.plan is not None:
            return draws.permutation(self.n) if self.shuffle else np.arange(self.n)
        if self.sampling == "weighted":
            return weighted_order(_weights(samples, self.weight_column, self.shares), self.n, draws)
        if self.sampling == "class-balanced" or len(self.shares) > 1:
            by_class = self.sampling == "class-balanced"
            return grouped_order(*_groups(samples, self.shares, by_class), self.n, draws)
        if self.shuffle:
            return np.resize(shuffled_order(samples.shard_sizes(), self.window, draws), self.n)
        return np.resize(np.arange(len(samples)), self.n)


def _groups(
    samples: VersionSamples, shares: tuple[float, ...], by_class: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The group of each sample, and the share of each group: versions by their shares, in each its classes equally."""
    inner = samples.labels if by_class else np.zeros(len(samples), np.int64)
    pairs, groups = np.unique(np.stack([samples.source, inner], axis=1), axis=0, return_inverse=True)
    n_inner = np.bincount(pairs[:, 0], minlength=len(shares))
    return groups.reshape(-1), np.asarray(shares)[pairs[:, 0]] / n_inner[pairs[:, 0]]


def _weights(samples: VersionSamples, column: str, shares: tuple[float, ...]) -> npt.NDArray[np.float64]:
    weights = np.asarray(samples.table[column].to_numpy(), np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"weight_column: {column} is null or below 0 for some samples; leave them out by `where`")
    sums = np.bincount(samples.source, weights, minlength=len(shares))
    if (sums == 0).any():
        raise ValueError(f"weight_column: {column} is 0 for every sample of a version")
    return weights * (np.asarray(shares) / sums)[samples.source]
