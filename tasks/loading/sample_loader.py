"""A loader over versions that every rank leaves after as many batches, and that goes on where it stopped.

    from windrow import data_loader
    loader = data_loader("data/store/curated/pets/v0001", batch_size=64, transform=..., workers=4)
    for images, labels, info in loader: ...
    torch.save({"loader": loader.state_dict(), ...}, "checkpoint.pt")

Readers elsewhere need nothing of this: the tars and Parquet files are plain WebDataset and Hugging Face.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from windrow.tasks.algorithms.batches.batch_rules import Batches
from windrow.tasks.algorithms.batches.rank_batches import LastBatch, count_batches, rank_batches
from windrow.tasks.algorithms.batches.sample_order import epoch_generator
from windrow.tasks.loading.batch_plan import read_batches
from windrow.tasks.loading.epoch_order import EpochOrder, Sampling
from windrow.tasks.loading.image_dataset import Batch, BatchPlaces, ImageDataset, Transform
from windrow.tasks.loading.state_targets import TENSORS
from windrow.tasks.loading.version_samples import (
    Unlabelled,
    VersionSamples,
    joined_samples,
    read_version_samples,
    subset_by_class,
)
from windrow.tasks.storage.files.whole_or_absent import file_digest

COLUMNS = ("sample_id", "sample_index", "rank", "sample_weight", "label_weight", "confidence")


@dataclass(frozen=True)
class _Share:
    """Which rank of how many this is, and how many samples each takes at a time."""

    batch_size: int
    rank: int
    n_ranks: int

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size: wants 1 or more, got {self.batch_size}")
        if not 0 <= self.rank < self.n_ranks:
            raise ValueError(f"rank: wants 0 to {self.n_ranks - 1}, got {self.rank}")


class _EpochBatches(Sampler[BatchPlaces]):
    """What is left of an epoch, for torch's DataLoader to deal out to its workers.

    It does not know its loader: torch cannot end workers in time that are part of a circle of references.
    """

    def __init__(
        self, samples: VersionSamples, order: EpochOrder, share: _Share, planned: Batches | None = None
    ) -> None:
        self.samples, self.order, self.share, self._planned = samples, order, share, planned
        self.epoch, self.consumed, self.is_under_way = 0, 0, False

    def begin(self, epoch: int, consumed: int = 0) -> None:
        self.epoch, self.consumed, self.is_under_way = epoch, consumed, False

    def __iter__(self) -> Iterator[BatchPlaces]:
        n, share = self.order.n, self.share
        order = self.order.places(self.samples, self.epoch)
        seeds = epoch_generator(self.order.seed, self.epoch).spawn(1)[0].integers(0, 2**63, n, np.uint64)
        for taken in rank_batches(n, share.batch_size, share.rank, share.n_ranks, self.order.last, self.consumed):
            if self._planned is None:
                yield BatchPlaces(order[taken], seeds[taken])
            else:
                (batch,) = order[taken]
                places = self._planned[batch]
                yield BatchPlaces(places, seeds[taken] + np.arange(len(places), dtype=np.uint64))


class SampleLoader:
    """What `data_loader` returns. Each `iter` is an epoch, with its own order; `len` is the number of its batches.

    `classes` are the class names by the index that `labels` holds; `n_samples` is how many samples there are.
    """

    def __init__(self, dataset: ImageDataset, batches: _EpochBatches, *, workers: int, pin_memory: bool) -> None:
        self.classes, self.n_samples = batches.samples.classes, len(batches.samples)
        self._batches = batches
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_size=None,
            sampler=batches,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            generator=torch.Generator().manual_seed(batches.order.seed),  # else it draws of the global one
        )

    @property
    def epoch(self) -> int:
        """The number of the epoch that is under way or comes next, from 0."""
        return self._batches.epoch

    def __len__(self) -> int:
        order, share = self._batches.order, self._batches.share
        return count_batches(order.n, share.batch_size, share.n_ranks, order.last)

    def __iter__(self) -> Iterator[Batch]:
        now = self._batches
        if now.is_under_way:  # an epoch that was left before its end
            now.begin(now.epoch + 1)
        now.is_under_way, epoch = True, now.epoch
        for batch in self._loader:
            if epoch != now.epoch or not now.is_under_way:
                raise RuntimeError("this epoch is over: another was begun, or a state was loaded, on the same loader")
            now.consumed += now.share.batch_size * now.share.n_ranks
            yield batch
        now.begin(epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is: after the last batch that was taken from it, whatever workers have read ahead.

        Every rank has the same state, so one saves it for all, and it may be loaded with another number of workers, of
        ranks, or another batch size.
        """
        consumed = min(self._batches.consumed, self._batches.order.n)
        return {"epoch": self.epoch, "consumed": consumed, "order": self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: the next `iter` yields what was left of its epoch, each sample once.

        Raises ValueError when the state is of other samples, or another order of them.
        """
        if set(state) != {"epoch", "consumed", "order"}:
            raise ValueError(f"state: wants epoch, consumed and order, got {', '.join(map(str, state))}")
        mine, theirs = self._identity(), dict(state["order"])
        if changed := sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)):
            name = changed[0]
            raise ValueError(
                f"state: it is of another order of samples: {name} was {theirs.get(name)!r}, is {mine.get(name)!r}"
            )
        self._batches.begin(int(state["epoch"]), int(state["consumed"]))

    def _identity(self) -> dict[str, Any]:
        order = vars(self._batches.order)
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in order.items()}
        return {"samples": list(self._batches.samples.identity), **settings}


def _as_it_is(batch: Any) -> Any:
    return batch


def data_loader(
    version: str | Path | Mapping[str | Path, float],
    split: str = "train",
    *,
    batch_size: int = 64,
    transform: Transform | None = None,
    where: str | None = None,
    unlabelled: Unlabelled = "skip",
    label_fraction: float | None = None,
    long_tail: float | None = None,
    shuffle: bool = True,
    window: int = 0,
    sampling: Sampling = "each",
    weight_column: str = "sample_weight",
    samples_per_epoch: int | None = None,
    batches: str | Path | None = None,
    columns: Sequence[str] = COLUMNS,
    seed: int = 0,
    last: LastBatch = "pad",
    workers: int = 0,
    min_side: int | None = None,
    pin_memory: bool = False,
    rank: int | None = None,
    n_ranks: int | None = None,
) -> SampleLoader:
    """Return a loader over a split of a version, yielding a `Batch` (images, labels, info).

    version: its folder, or several with their shares of each epoch ({"v0001": 0.9, "extra/v0003": 0.1}).
    transform: makes a tensor of an RGB image, all of one size; by default (3, height, width) from 0 to 1.
    where: an SQL predicate over the version's samples, such as 'rank <= 1000' or 'confidence > 0.9'.
    unlabelled: 'skip' leaves samples without a label out, 'keep' gives them the label NO_LABEL (-100). Samples that may
        be of several classes (`labels.kind: multi`) are left out where no state is known; all have NO_LABEL, and `info`
        has the tensors (n, n_classes) `targets`, `soft_targets` and `known`, in the order of `classes`.
    label_fraction: only so much of each class, the first by rank: smaller fractions lie in larger ones. long_tail: only
        so many of each class that the largest is so many times the smallest.
    shuffle: whether each epoch has its own random order; else samples come by rank. window: 0 shuffles all of them,
        else shards, and so many samples of neighbouring shards at a time, for disks that want to read on.
    sampling: 'each' visits every sample once an epoch, 'class-balanced' each class equally often, 'weighted' each
        sample by `weight_column`. samples_per_epoch: by default as many as there are.
    batches: a plan that `windrow batches` wrote: its batches come as they are, in another order each epoch, whole ones
        to each rank; `batch_size` and `samples_per_epoch` are then the plan's.
    columns: of the version's samples, that `info` has; soft labels too, where `export.soft_labels` made them.
    last: what is left at the end of an epoch is dealt out evenly among the ranks; 'pad' repeats fewer than n_ranks
        samples so that it comes out, 'drop' leaves it out. Every rank has as many batches as every other.
    workers: processes that read ahead; 0 reads in this one. min_side: JPEG may be decoded smaller, with neither side
        below it, which is several times as fast for photographs.
    rank, n_ranks: by default those of torch.distributed, or of the environment (RANK, WORLD_SIZE).

    The order, and the random draws of a transform, depend on `seed`, the epoch and the place in it, not on workers or
    ranks. Raises ValueError when `version` is no version, has no WebDataset shards or not that split, when a setting
    or a state is wrong, and when no sample is left.

    >>> from windrow import data_loader
    >>> loader = data_loader("data/store/curated/digits/v0001", batch_size=8)
    >>> {images.shape[1:] for images, labels, info in loader}
    {torch.Size([3, 8, 8])}
    """
    shares = version if isinstance(version, Mapping) else {version: 1.0}
    if not (shares and all(share > 0 for share in shares.values())):
        raise ValueError(f"version: wants shares above 0, got {dict(shares)}")
    if workers < 0:
        raise ValueError(f"workers: wants 0 or more, got {workers}")
    share = _Share(batch_size, *_rank_of(rank, n_ranks))
    read = [read_version_samples(path, split, where, unlabelled) for path in shares]
    samples = joined_samples([subset_by_class(each, label_fraction, long_tail) for each in read])
    _check_columns(samples, [*columns, weight_column] if sampling == "weighted" else columns)
    n = len(samples) if samples_per_epoch is None else samples_per_epoch
    planned = None if batches is None else read_batches(Path(batches), samples)
    if planned is not None:
        share, n = _Share(1, share.rank, share.n_ranks), len(planned)
    order = EpochOrder(
        seed=seed,
        shuffle=shuffle,
        window=window,
        sampling=sampling,
        weight_column=weight_column,
        shares=tuple(map(float, shares.values())),
        n=n,
        last=last,
        plan=None if batches is None else file_digest(Path(batches)),
    )
    order.check(samples)
    dataset = ImageDataset(samples, transform, columns, min_side)
    return SampleLoader(dataset, _EpochBatches(samples, order, share, planned), workers=workers, pin_memory=pin_memory)


def _check_columns(samples: VersionSamples, columns: Sequence[str]) -> None:
    there = [*samples.table.column_names, *samples.soft, *(TENSORS if samples.states() else ())]
    if missing := [name for name in columns if name not in there]:
        raise ValueError(f"columns: a version has no {', '.join(missing)}; it has {', '.join(there)}")


def _rank_of(rank: int | None, n_ranks: int | None) -> tuple[int, int]:
    if rank is not None and n_ranks is not None:
        return rank, n_ranks
    if rank is not None or n_ranks is not None:
        raise ValueError(f"wants both of rank and n_ranks or neither, got {rank} and {n_ranks}")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
