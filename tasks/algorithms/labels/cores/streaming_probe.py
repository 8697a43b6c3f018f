"""The linear probe over embeddings that need not fit into memory, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array
from windrow.tasks.algorithms.labels.cores.logistic_objective import BLOCK, minimise_logistic, unit_float32
from windrow.tasks.algorithms.labels.cores.logistic_probe import LogisticProbe
from windrow.tasks.algorithms.labels.cores.row_stream import RowStream, class_counts, labelled_blocks
from windrow.tasks.algorithms.torch_threads import one_thread


def fit_streaming_probe(
    stream: RowStream,
    n_classes: int,
    l2: float | None = None,
    class_balanced: bool = True,
    device: str = "cpu",
) -> LogisticProbe:
    """fit_logistic_probe's probe, of the same objective, from the stream's labelled rows: about 40 passes over it.

    Rows are cut into blocks of 1024 in their order and their float64 sums are added in that order, on one thread on a
    CPU: no shard changes a bit of the answer, and it is fit_logistic_probe's as far as its tolerance goes, on a GPU
    too. Memory: a block, 24 d^2 bytes of curvature and its factor, and 25 tables (d + 1, n_classes). `device`: of
    PyTorch. Raises ValueError for a bad block, or without a label.
    """
    counts, dim = class_counts(stream, n_classes)
    n_labels = int(counts.sum())
    penalty = 1 / n_labels if l2 is None else l2
    if not penalty > 0:
        raise ValueError(f"l2 must be positive, got {l2}")
    classes = np.flatnonzero(counts)
    place = np.full(n_classes, -1, dtype=np.int64)
    place[classes] = np.arange(len(classes))
    shares = 1.0 / (len(classes) * np.maximum(counts, 1)) if class_balanced else np.full(n_classes, 1 / n_labels)
    rows = _StreamedRows(stream, n_classes, place, shares, device)
    with one_thread():
        table = minimise_logistic(rows, (dim + 1, len(classes)), penalty, shaped=4 * n_labels > dim)
    return LogisticProbe(classes, n_classes, table[:-1], table[-1])


@dataclass(frozen=True)
class _StreamedRows:
    """The objective over a stream; place and shares (n_classes,): each class's column, and the weight of its rows."""

    stream: RowStream
    n_classes: int
    place: Int64Array
    shares: Float64Array
    device: str

    def curvature(self) -> Float64Array:
        total: Any = None
        for rows, _, weights in self._blocks():
            wide = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1) * weights.sqrt().float()[:, None]
            total = (wide.T @ wide).double() if total is None else total.add_(wide.T @ wide)
        return np.asarray(total.cpu().numpy())

    def likelihood(self, table: Float64Array) -> tuple[float, Float64Array]:
        at = torch.from_numpy(table).to(self.device)
        gradient = torch.zeros_like(at)
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        for rows, targets, weights in self._blocks():
            wide = rows.double()
            logs = torch.log_softmax(wide @ at[:-1] + at[-1], dim=1)
            loss -= (weights * logs.gather(1, targets[:, None])[:, 0]).sum()
            residual = logs.exp_()
            residual.scatter_add_(1, targets[:, None], torch.full_like(residual[:, :1], -1.0))
            residual *= weights[:, None]
            gradient[:-1] += wide.T @ residual
            gradient[-1] += residual.sum(dim=0)
        return float(loss), gradient.cpu().numpy()

    def _blocks(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Unit rows float32 (b, d), their columns int64 (b,) and weights float64 (b,), on the device."""
        for embeddings, labels in labelled_blocks(self.stream, self.n_classes, BLOCK):
            parts = (unit_float32(embeddings), self.place[labels], self.shares[labels])
            rows, targets, weights = (torch.from_numpy(part).to(self.device) for part in parts)
            yield rows, targets, weights
