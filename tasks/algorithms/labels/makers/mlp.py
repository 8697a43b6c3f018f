"""A small network with one hidden layer over embeddings that need not fit into memory, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Lt

from windrow.tasks.algorithms.arrays import BLOCK, Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.logistic_objective import unit_float32
from windrow.tasks.algorithms.labels.cores.row_stream import RowStream, array_stream, class_counts, labelled_blocks
from windrow.tasks.algorithms.labels.folds import Predict, labelled_rows
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Maker, NotNegative, Positive
from windrow.tasks.algorithms.labels.probabilities import predict_rows

if TYPE_CHECKING:
    import torch

WEIGHTS, BATCHES, HELD_OUT = 0, 1, 2  # streams of random numbers


@dataclass(frozen=True)
class Mlp(Maker):
    """A network of one hidden layer of ReLU, by AdamW on batches, its learning rate falling to 0 as a cosine.

    `n_hidden`: units of the hidden layer.
    `n_epochs`: passes over the labelled samples.
    `least_steps`: there are more passes where it takes more to make so many steps.
    `batch_size`: samples a step.
    `learning_rate`: AdamW's, at the start.
    `weight_decay`: AdamW's.
    `held_out`: share of the labelled samples that are not learnt from but stop the training, 0 for none: the weights of
    the epoch at which their cross-entropy was least stay.
    `patience`: epochs without a better one that end it.
    `class_balanced`: every class weighs the same.
    `device`: PyTorch's.
    """

    n_hidden: Count = 256
    n_epochs: Count = 20
    least_steps: Annotated[int, Ge(0)] = 300
    batch_size: Count = 256
    learning_rate: Positive = 0.0003
    weight_decay: NotNegative = 0.01
    held_out: Annotated[float, Ge(0), Lt(1)] = 0.0
    patience: Count = 3
    class_balanced: bool = True
    device: str = "cpu"

    def fit(self, pool: LabelPool) -> Predict:
        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            labelled = labelled_rows(labels, pool.n_classes)
            n_epochs = max(self.n_epochs, -(-self.least_steps // -(-len(labelled) // self.batch_size)))
            # Many passes are made over few rows: those are read from the pool once.
            read = labelled if n_epochs > self.n_epochs else slice(None)
            stream = array_stream(pool.embeddings[read], labels[read])
            network = fit_mlp(stream, pool.n_classes, replace(self, n_epochs=n_epochs), pool.seed)
            return predict_rows(network, pool.embeddings, rows)

        return predict


@dataclass(frozen=True)
class MlpProbe:
    """softmax(relu(z hidden + hidden_bias) output + output_bias), z = (x / |x| - mean) / scale, over `classes`.

    mean, scale: float32 (d,); hidden: (d, h); output: (h, c); classes: int64 (c,), those that had labels, ascending.
    n_epochs: how many were trained. held_out_loss: the least cross-entropy of the rows held out, None without any.
    """

    classes: Int64Array
    n_classes: int
    mean: Float32Array
    scale: Float32Array
    hidden: Float32Array
    hidden_bias: Float32Array
    output: Float32Array
    output_bias: Float32Array
    n_epochs: int
    held_out_loss: float | None

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        """Probabilities float32 (m, n_classes) of embeddings (m, d), 0 for classes without labels."""
        probabilities = np.zeros((len(embeddings), self.n_classes), dtype=np.float32)
        for part in row_blocks(len(embeddings)):
            features = (unit_float32(embeddings[part]) - self.mean) / self.scale
            active = np.maximum(features @ self.hidden + self.hidden_bias, 0.0)
            logits = active @ self.output + self.output_bias
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities[part, self.classes] = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


def fit_mlp(stream: RowStream, n_classes: int, config: Mlp, seed: int = 0) -> MlpProbe:
    """The network trained on the stream's labelled rows: two passes that count and measure, then one an epoch.

    Rows are cut into blocks of 8192 in their order; a batch takes its rows from one block, in a random order by the
    seed, the epoch and the block alone. So the answer depends on the order of the rows, not on the shards they come
    in; a stream sorted by class wants shuffling first, one by sample_id is shuffled. On a CPU all is added up on one
    thread; on a GPU its arithmetic decides the last bits. Memory: a few blocks, and the weights four times. Raises
    ValueError for a bad block, or without a label.
    """
    from windrow.tasks.algorithms.torch_threads import one_thread

    counts, dim = class_counts(stream, n_classes)
    with one_thread():
        trainer = _Trainer(stream, counts, dim, config, seed)
        n_epochs, loss, weights = _train(trainer, config)
    values = (trainer.mean, trainer.scale, *weights)
    mean, scale, hidden, hidden_bias, output, output_bias = (value.detach().cpu().numpy() for value in values)
    tables = (mean, scale, hidden, hidden_bias, output, output_bias)
    return MlpProbe(trainer.classes, n_classes, *tables, n_epochs, loss)


def _train(trainer: _Trainer, config: Mlp) -> tuple[int, float | None, list[torch.Tensor]]:
    """How many epochs were trained, the least loss of the rows held out, and the weights that had it."""
    best_loss, best_epoch, best = np.inf, 0, trainer.weights
    for epoch in range(config.n_epochs):
        trainer.learn(epoch)
        if config.held_out:
            loss = trainer.held_out_loss()
            if loss < best_loss:
                best_loss, best_epoch, best = loss, epoch, [value.detach().clone() for value in trainer.weights]
            if epoch - best_epoch >= config.patience:
                break
    return epoch + 1, best_loss if config.held_out else None, best


class _Trainer:
    """The network, its optimiser, and what every row is standardised and weighed by."""

    def __init__(self, stream: RowStream, counts: Int64Array, dim: int, config: Mlp, seed: int) -> None:
        import torch

        self.stream, self.config, self.seed = stream, config, seed
        self.n_classes, self.classes = len(counts), np.flatnonzero(counts)
        self.n_blocks = -(-int(counts.sum()) // BLOCK)
        self.place = np.full(len(counts), -1, dtype=np.int64)
        self.place[self.classes] = np.arange(len(self.classes))
        balanced = counts.sum() / (len(self.classes) * np.maximum(counts, 1))
        self.shares = (balanced if config.class_balanced else np.ones(len(counts))).astype(np.float32)
        self.mean, self.scale = map(self._on_device, _standardisation(stream, self.n_classes, dim))
        self.weights = list(map(self._on_device, _first_weights(dim, len(self.classes), config.n_hidden, seed)))
        for value in self.weights:
            value.requires_grad_()
        self.optimiser = torch.optim.AdamW(self.weights, config.learning_rate, weight_decay=config.weight_decay)

    def learn(self, epoch: int) -> None:
        """One pass of steps, of an epoch from 0."""
        for number, (rows, targets, shares) in enumerate(self._blocks()):
            progress = (epoch + number / self.n_blocks) / self.config.n_epochs
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.learning_rate * 0.5 * (1 + np.cos(np.pi * progress))
            learnt = np.flatnonzero(~self._held_out(number, len(rows)))
            drawn = np.random.default_rng([self.seed, BATCHES, epoch, number]).permutation(learnt)
            for first in range(0, len(drawn), self.config.batch_size):
                batch = drawn[first : first + self.config.batch_size]
                loss = (self._losses(rows[batch], targets[batch]) * shares[batch]).mean()
                self.optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimiser.step()

    def held_out_loss(self) -> float:
        """The weighted mean cross-entropy of the rows held out. Raises ValueError where there are none."""
        import torch

        total, weight = 0.0, 0.0
        for number, (rows, targets, shares) in enumerate(self._blocks()):
            there = np.flatnonzero(self._held_out(number, len(rows)))
            with torch.no_grad():
                total += float((self._losses(rows[there], targets[there]) * shares[there]).double().sum())
            weight += float(shares[there].double().sum())
        if not weight:
            raise ValueError(f"held_out {self.config.held_out} leaves no row to stop by: too few labels")
        return total / weight

    def _losses(self, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch

        hidden, hidden_bias, output, output_bias = self.weights
        logits = torch.relu(rows @ hidden + hidden_bias) @ output + output_bias
        return torch.nn.functional.cross_entropy(logits, targets, reduction="none")

    def _held_out(self, number: int, n: int) -> npt.NDArray[np.bool_]:
        return np.random.default_rng([self.seed, HELD_OUT, number]).random(n) < self.config.held_out

    def _blocks(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Standardised rows float32 (b, d), their columns int64 (b,) and weights float32 (b,), on the device."""
        import torch

        for embeddings, labels in labelled_blocks(self.stream, self.n_classes):
            rows = (self._on_device(unit_float32(embeddings)) - self.mean) / self.scale
            yield (
                rows,
                torch.from_numpy(self.place[labels]).to(self.config.device),
                self._on_device(self.shares[labels]),
            )

    def _on_device(self, values: npt.NDArray[Any]) -> torch.Tensor:
        import torch

        return torch.from_numpy(values.astype(np.float32, copy=False)).to(self.config.device)


def _first_weights(dim: int, n_targets: int, n_hidden: int, seed: int) -> list[Float64Array]:
    """Hidden weights of variance 2 / dim (He et al. 2015), the other weights of 1 / n_hidden; biases of 0."""
    rng = np.random.default_rng([seed, WEIGHTS])
    hidden = rng.normal(0.0, np.sqrt(2 / dim), (dim, n_hidden))
    output = rng.normal(0.0, np.sqrt(1 / n_hidden), (n_hidden, n_targets))
    return [hidden, np.zeros(n_hidden), output, np.zeros(n_targets)]


def _standardisation(stream: RowStream, n_classes: int, dim: int) -> tuple[Float64Array, Float64Array]:
    """Mean and standard deviation (d,) of the unit rows, in one pass; a constant column's deviation counts as 1.

    Blocks are merged by their own means and squares about them (Chan, Golub and LeVeque 1983), in their order.
    """
    n, mean, squares = 0, np.zeros(dim), np.zeros(dim)
    for embeddings, _ in labelled_blocks(stream, n_classes):
        wide = unit_float32(embeddings).astype(np.float64)
        own, n_both = wide.mean(axis=0), n + len(wide)
        shift = own - mean
        squares += np.square(wide - own).sum(axis=0) + np.square(shift) * (n * len(wide) / n_both)
        mean, n = mean + shift * (len(wide) / n_both), n_both
    deviation = np.sqrt(squares / n)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)
