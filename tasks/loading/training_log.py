"""A log of a training job, sample by sample: what the label checks and `windrow explain --step` read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from uuid import uuid4

import numpy as np
import pyarrow as pa
import torch

from windrow.schemas.training import TRAINING_LOG
from windrow.tasks.loading.version_samples import NO_LABEL
from windrow.tasks.storage.files.parquet import write_table
from windrow.tasks.storage.files.whole_columns import whole


class _Step(NamedTuple):
    step: int
    epoch: int
    sample_index: torch.Tensor
    labels: torch.Tensor
    measures: torch.Tensor


class TrainingLog:
    """Appends what a model thinks of each sample it is trained on to a folder of Parquet files.

    `classes` are the names of the classes by index. Of the logits it keeps the label's margin, loss and error, 12 bytes
    a sample, as they are at that step; nothing waits for a GPU but every `flush_every` steps. Several ranks write to
    one folder, and a job that goes on goes on with it: give the `step` to go on from. The newest row of a sample and
    epoch counts. Files are written whole or not at all; what was not flushed when a job was killed is missing.

    >>> import torch
    >>> from windrow import TrainingLog, data_loader
    >>> loader = data_loader("data/store/curated/digits/v0001")
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, len(loader.classes)))
    >>> with TrainingLog("data/log", loader.classes) as log:
    ...     for images, labels, info in loader:
    ...         log.add(info["sample_index"], labels, model(images), epoch=loader.epoch)
    """

    def __init__(
        self, folder: str | Path, classes: Sequence[str], *, rank: int = 0, step: int = 0, flush_every: int = 100
    ) -> None:
        if flush_every < 1 or rank < 0 or step < 0:
            raise ValueError(
                f"wants flush_every of 1 or more, rank and step of 0 or more, got {flush_every}, {rank} and {step}"
            )
        self._folder, self._classes, self._rank = Path(folder), list(classes), rank
        self._step, self._flush_every = step, flush_every
        self._waiting: list[_Step] = []
        self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, sample_index: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor, *, epoch: int) -> None:
        """Note a step: sample_index int64 (b,), labels int64 (b,), NO_LABEL for none, logits (b, n_classes).

        Samples without a label are left out. Raises ValueError when the shapes do not fit.
        """
        n = len(sample_index)
        if labels.shape != (n,) or logits.shape != (n, len(self._classes)):
            raise ValueError(
                f"wants labels ({n},) and logits ({n}, {len(self._classes)}) for {n} samples of"
                f" {len(self._classes)} classes, got {tuple(labels.shape)} and {tuple(logits.shape)}"
            )
        measures = _measures(logits.detach().float(), labels.to(logits.device))
        self._waiting.append(_Step(self._step, epoch, sample_index, labels, measures))
        self._step += 1
        if len(self._waiting) >= self._flush_every:
            self.flush()

    def flush(self) -> None:
        """Write what was noted since the last time."""
        if not self._waiting:
            return
        steps, self._waiting = self._waiting, []
        sizes = [len(step.sample_index) for step in steps]
        labels = torch.cat([step.labels for step in steps]).cpu().numpy()
        loss, margin, error = torch.cat([step.measures for step in steps], dim=1).cpu().numpy()
        columns = {
            "step": np.repeat([step.step for step in steps], sizes),
            "rank": np.full(len(labels), self._rank, np.int32),
            "slot": np.concatenate([np.arange(size, dtype=np.int32) for size in sizes]),
            "epoch": np.repeat(np.array([step.epoch for step in steps], np.int32), sizes),
            "sample_index": torch.cat([step.sample_index.cpu() for step in steps]).numpy(),
            "label": pa.array(self._classes, pa.string()).take(pa.array(labels, mask=labels == NO_LABEL)),
            "loss": loss,
            "margin": margin,
            "error_norm": error,
        }
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        kept = table.filter(table["label"].is_valid())
        if kept.num_rows:
            self._write(TRAINING_LOG.build({name: whole(kept[name]) for name in kept.column_names}))

    def _write(self, table: pa.Table) -> None:
        first = table["step"][0].as_py()
        temporary = self._folder / f".{uuid4().hex}"
        write_table(TRAINING_LOG, table, temporary)
        temporary.replace(self._folder / f"{first:012d}-{self._rank:05d}.parquet")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()


def _measures(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return loss, margin and error norm (3, b) of the labels; of NO_LABEL they mean nothing."""
    own = labels.clamp(min=0)[:, None]
    chosen = logits.gather(1, own)
    others = logits.scatter(1, own, -torch.inf).amax(dim=1)
    loss = logits.logsumexp(dim=1) - chosen[:, 0]
    error = logits.softmax(dim=1).scatter_add(1, own, -torch.ones_like(chosen)).norm(dim=1)
    return torch.stack([loss, chosen[:, 0] - others, error])
