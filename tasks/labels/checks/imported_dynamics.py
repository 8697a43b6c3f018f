"""Given labels, judged by what a training job of the user's recorded while it learnt from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABEL_CHECKS
from windrow.tasks.algorithms.labels.checks.aum import area_under_margin
from windrow.tasks.algorithms.labels.checks.early_learning import (
    early_learning_targets,
    judge_by_target,
    softmax_epochs,
)
from windrow.tasks.algorithms.labels.checks.el2n import el2n_score
from windrow.tasks.algorithms.labels.checks.forgetting import forgetting_score
from windrow.tasks.algorithms.labels.checks.loss_mixture import judge_by_loss
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics, record_dynamics
from windrow.tasks.labels.checks.dynamics_file import DynamicsFile, DynamicsPart
from windrow.tasks.labels.checks.logged_dynamics import logged_dynamics, logged_samples
from windrow.tasks.labels.label_file import Tally
from windrow.tasks.storage.store.registry import sample_indices

EARLY_EPOCH = 9  # of EL2N, from 0; the last one where there are fewer


def imported_dynamics(path: Path, store: Path, given: pa.Table) -> pa.Table:
    """Return LABEL_CHECKS of the samples that have a hard label in `given` (rows of LABELS) and a row in the file.

    The file's `sample_index` is the registry's. From logits or probabilities: 'aum', 'el2n', 'forgetting' and
    'early_learning', of samples whose label is one of the file's classes. From losses, the file's own or else those of
    its logits: 'loss_mixture', of their mean over the epochs. From the folder of a training log, which keeps no
    logits: all but 'early_learning', of samples that were trained as the label they were given. Memory: 12 bytes a row
    and epoch. Raises ValueError for a bad file, naming the column, or one that has none of the samples.
    """
    labels = _labels(store, given)
    if path.is_dir():
        samples, dynamics = logged_dynamics(path, labels)
        record = _Record(samples, dynamics.recorded("loss")[0].mean(axis=0, dtype=np.float64), samples, dynamics, None)
    else:
        record = _Record.of(DynamicsFile(path), labels)
    rows = [table.sort_by("sample_id") for table in _judged(record) if table.num_rows]
    return pa.concat_tables(rows) if rows else LABEL_CHECKS.schema().empty_table()


def tally_dynamics(path: Path, store: Path, given: pa.Table) -> Tally:
    """Say how many rows of the file are of samples with a hard label in `given`. Raises ValueError as above.

    Of a training log its samples are counted, each once.
    """
    indices, labels = logged_samples(path) if path.is_dir() else DynamicsFile(path).indices(), _labels(store, given)
    matched = np.isin(indices, np.fromiter(labels, np.int64, len(labels)))
    if not matched.any():
        raise ValueError(f"labels.checks.dynamics: {path}: column sample_index has no sample with a given label")
    repeated, counts = np.unique(indices, return_counts=True)
    if counts.max() > 1:
        raise ValueError(f"labels.checks.dynamics: {path}: column sample_index has {repeated[counts > 1][0]} twice")
    others = indices[~matched]
    shown = tuple(f"sample_index {index}" for index in others[:3])
    n = len(indices)
    return Tally("labels.checks.dynamics", str(path), n, n - len(others), len(others), 0, 0, 0, shown)


def _labels(store: Path, given: pa.Table) -> dict[int, tuple[str, str]]:
    """The sample and its hard label by its number in the registry."""
    hard = given.filter(pc.is_valid(given["label"]))
    names = dict(zip(hard["sample_id"].to_pylist(), hard["label"].to_pylist(), strict=True))
    return {index: (sample, names[sample]) for sample, index in sample_indices(store, names.keys()).items()}


@dataclass(frozen=True)
class _Record:
    """What the file says of the samples (n,) that it is about; `of_logits` are those whose class it knows (m,)."""

    samples: Sequence[str]
    loss: npt.NDArray[np.float64] | None
    of_logits: Sequence[str]
    dynamics: TrainingDynamics | None
    early: pa.Table | None

    @staticmethod
    def of(file: DynamicsFile, labels: Mapping[int, tuple[str, str]]) -> _Record:
        place = {name: number for number, name in enumerate(file.classes)}
        known = _Known([], [], [], [], [])
        seen: set[int] = set()
        for part in file.parts():
            rows = [row for row, index in enumerate(part.sample_index.tolist()) if index in labels]
            indices = part.sample_index[rows].tolist()
            for index in indices:
                if index in seen:
                    raise ValueError(f"labels.checks.dynamics: {file.path}: column sample_index has {index} twice")
                seen.add(index)
            known.add(part, rows, [labels[index] for index in indices], place)
        if not seen:
            raise ValueError(
                f"labels.checks.dynamics: {file.path}: column sample_index has no sample with a given label"
            )
        return known.joined()


@dataclass(frozen=True)
class _Known:
    """Parts of a record, as they are read."""

    samples: list[str]
    loss: list[npt.NDArray[np.float64]]
    of_logits: list[str]
    dynamics: list[TrainingDynamics]
    early: list[pa.Table]

    def add(
        self, part: DynamicsPart, rows: list[int], labels: Sequence[tuple[str, str]], place: Mapping[str, int]
    ) -> None:
        if part.loss is not None and rows:
            self.samples.extend(sample for sample, _ in labels)
            self.loss.append(part.loss[rows].mean(axis=1))
        named = [
            (row, sample, place[label]) for row, (sample, label) in zip(rows, labels, strict=True) if label in place
        ]
        if part.logits is not None and named:
            samples = [sample for _, sample, _ in named]
            self.of_logits.extend(samples)
            epochs = list(part.logits[[row for row, _, _ in named]].transpose(1, 0, 2))
            own = np.array([number for _, _, number in named], dtype=np.int64)
            self.dynamics.append(record_dynamics([epochs], own))
            targets = early_learning_targets(softmax_epochs(epochs))
            self.early.append(_table(samples, "early_learning", judge_by_target(targets, own)))

    def joined(self) -> _Record:
        loss = np.concatenate(self.loss) if self.loss else None
        if not self.dynamics:
            return _Record(self.samples, loss, [], None, None)
        margin, losses, norms = (
            np.concatenate([part.recorded(name) for part in self.dynamics], axis=2)
            for name in ("margin", "loss", "error_norm")
        )
        samples = self.samples if self.loss else self.of_logits
        loss = losses[0].mean(axis=0, dtype=np.float64) if loss is None else loss
        dynamics = TrainingDynamics(margin, losses, norms)
        return _Record(samples, loss, self.of_logits, dynamics, pa.concat_tables(self.early))


def _judged(record: _Record) -> Iterator[pa.Table]:
    if record.dynamics is not None:
        last = record.dynamics.recorded("error_norm").shape[1] - 1
        yield _table(record.of_logits, "aum", Judgement(area_under_margin(record.dynamics)))
        yield _table(record.of_logits, "forgetting", Judgement(forgetting_score(record.dynamics)))
        yield _table(record.of_logits, "el2n", Judgement(el2n_score(record.dynamics, min(EARLY_EPOCH, last))))
    if record.early is not None:
        yield record.early
    if record.loss is not None:
        yield _table(record.samples, "loss_mixture", judge_by_loss(record.loss))


def _table(samples: Sequence[str], method: str, said: Judgement) -> pa.Table:
    columns = {
        "sample_id": pa.array(samples, pa.string()),
        "method": pa.scalar(method),
        "source": pa.scalar("training"),
        "score": pa.array(said.score, pa.float32()),
        "is_doubtful": pa.nulls(len(samples), pa.bool_()) if said.noisy is None else pa.array(said.noisy),
    }
    return LABEL_CHECKS.build(columns)
