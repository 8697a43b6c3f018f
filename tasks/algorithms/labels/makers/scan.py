"""SCAN: a linear clustering head that gives neighbours the same cluster and uses all clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.logistic_probe import LogisticProbe, fit_logistic_probe
from windrow.tasks.algorithms.labels.cores.standardisation import standardisation
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, NotNegative, Positive, Share, given
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer, kept
from windrow.tasks.algorithms.labels.probabilities import predict_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Scan(Clusterer):
    """Clusters of a linear head that gives neighbours the same one (`fit_scan_head`), the best of several heads.

    `entropy_weight`: of the mean prediction's entropy, against empty clusters.
    `n_heads`: trained side by side; the best by loss stays.
    `n_epochs`: passes over the pool.
    `least_steps`: there are more passes where it takes more to make so many steps.
    `batch_size`: samples a step.
    `learning_rate`: Adam's, falling to 0 as a cosine.
    `confident`: probability above which samples label themselves for SCAN's third step; null leaves it out, and so does
    a pool without such a sample.
    `device`: PyTorch's.
    """

    entropy_weight: NotNegative = 5.0
    n_heads: Count = 5
    n_epochs: Count = 30
    least_steps: Annotated[int, Ge(0)] = 300
    batch_size: Count = 512
    learning_rate: Positive = 0.03
    confident: Share | None = None
    device: str = "cpu"

    needs = ("graph",)

    def clusters(self, pool: LabelPool, n_clusters: int) -> SparseProbabilities:
        per_epoch = max(1, round(len(pool.embeddings) / self.batch_size))
        config = replace(self, n_epochs=max(self.n_epochs, -(-self.least_steps // per_epoch)))
        head = fit_scan_head(pool.embeddings, given(pool.graph, "graph"), n_clusters, config, pool.seed).best
        found = predict_rows(head, pool.embeddings)
        if self.confident is not None and (found.max(axis=1) > np.float32(self.confident)).any():
            found = predict_rows(self_label(pool.embeddings, head, self.confident), pool.embeddings)
        return kept(found)


@dataclass(frozen=True)
class ScanHeads:
    """best: the head of the least loss, the first of equals; losses: float64 (n_heads,), of all heads on the pool."""

    best: LogisticProbe
    losses: Float64Array


def fit_scan_head(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, n_clusters: int, config: Scan, seed: int = 0
) -> ScanHeads:
    """Heads over n_clusters that minimise -mean log <p_i, p_j> over neighbours (i, j) - lambda entropy(mean p).

    Van Gansbeke et al. 2020, SCAN: Learning to classify images without labels, equation 2, on stored embeddings (n, d)
    of length 1, standardised, as gradient steps want them. A batch takes its samples in the order of a permutation and
    one neighbour of each, both from the seed alone: the same pool in the same order gives the same heads on the same
    machine, a permuted pool other ones. The loss that decides is that of all neighbours in the graph. Holds the
    standardised rows, 4 n d bytes, on the device.
    """
    import torch

    from windrow.tasks.algorithms.torch_threads import one_thread

    check_embeddings("embeddings", embeddings)
    if len(graph.indices) != len(embeddings):
        raise ValueError(f"graph must have one row for each of the {len(embeddings)} rows, got {len(graph.indices)}")
    if not (graph.indices >= 0).any():
        raise ValueError("graph must have a neighbour for some row, has none")
    if n_clusters < 2:
        raise ValueError(f"n_clusters must be at least 2, got {n_clusters}")
    mean, scale = standardisation(embeddings)
    features = np.empty(embeddings.shape, dtype=np.float32)
    for rows in row_blocks(len(features)):
        features[rows] = (unit_rows(embeddings[rows])[0] - mean) / scale
    with one_thread():
        table = _train(torch.from_numpy(features).to(config.device), graph, n_clusters, config, seed)
    heads = [
        LogisticProbe(
            np.arange(n_clusters), n_clusters, each[:-1] / scale[:, None], each[-1] - (mean / scale) @ each[:-1]
        )
        for each in table.cpu().numpy().astype(np.float64).transpose(1, 0, 2)
    ]
    losses = np.array([scan_loss(predict_rows(head, embeddings), graph, config.entropy_weight) for head in heads])
    return ScanHeads(heads[int(losses.argmin())], losses)


def scan_loss(probabilities: Float32Array, graph: NeighborGraph, entropy_weight: float) -> float:
    """SCAN's loss of probabilities (n, n_clusters): over every pair in the graph, missing neighbours left out."""
    agreement, n_pairs = 0.0, 0
    for rows in row_blocks(len(probabilities)):
        own = probabilities[rows].astype(np.float64)
        for column in graph.indices[rows].T:
            there = column >= 0
            product = (own[there] * probabilities[column[there]]).sum(axis=1)
            agreement += float(np.log(np.maximum(product, np.finfo(np.float32).tiny)).sum())
            n_pairs += int(np.count_nonzero(there))
    mean = probabilities.mean(axis=0, dtype=np.float64)
    return -agreement / max(n_pairs, 1) + entropy_weight * float((mean[mean > 0] * np.log(mean[mean > 0])).sum())


def self_label(
    embeddings: npt.NDArray[Any], head: LogisticProbe, threshold: float = 0.99, l2: float = 0.01
) -> LogisticProbe:
    """A probe fitted to the clusters of the samples that the head gives a probability above threshold.

    SCAN's third step, section 2.3, without its augmentations: the clusters weigh the same however many samples are
    confident, and one without any gets probability 0. Raises ValueError where no sample is that confident.
    """
    probabilities = predict_rows(head, embeddings)
    sure = probabilities.max(axis=1) > np.float32(threshold)
    if not sure.any():
        raise ValueError(f"threshold {threshold}: no sample has a cluster of a probability above it")
    labels: Int64Array = np.where(sure, probabilities.argmax(axis=1), -1).astype(np.int64)
    return fit_logistic_probe(embeddings, labels, head.n_classes, l2)


def _train(features: torch.Tensor, graph: NeighborGraph, n_clusters: int, config: Scan, seed: int) -> torch.Tensor:
    """Weights and, in the last row, biases of all heads: (d + 1, n_heads, n_clusters)."""
    import torch

    d = features.shape[1]
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((d + 1, config.n_heads, n_clusters)).astype(np.float32)
    first[-1] = 0.0
    table = torch.from_numpy(first).to(features.device).requires_grad_()
    batches = list(_batches(graph, rng, config))
    optimizer = torch.optim.Adam([table], lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for rows, neighbours in batches:
        pair = torch.from_numpy(np.concatenate([rows, neighbours])).to(features.device)
        logits = (features[pair] @ table[:-1].flatten(1) + table[-1].flatten()).view(2, len(rows), *table.shape[1:])
        optimizer.zero_grad()
        _loss(torch.log_softmax(logits, dim=-1), config.entropy_weight).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return table.detach()


def _loss(logs: torch.Tensor, entropy_weight: float) -> torch.Tensor:
    """The sum of the heads' losses, of log-probabilities (2, b, n_heads, n_clusters): rows and a neighbour of each."""
    import torch

    agreement = torch.logsumexp(logs[0] + logs[1], dim=-1).mean(dim=0)
    mean = logs[0].exp().mean(dim=0)
    entropy = -(mean * mean.clamp_min(1e-8).log()).sum(dim=-1)
    return -(agreement + entropy_weight * entropy).sum()


def _batches(graph: NeighborGraph, rng: np.random.Generator, config: Scan) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Rows with a neighbour, each once an epoch, and one of the neighbours of each."""
    n_neighbours = (graph.indices >= 0).sum(axis=1)
    for _ in range(config.n_epochs):
        order = rng.permutation(np.flatnonzero(n_neighbours))
        chosen = graph.indices[order, rng.integers(n_neighbours[order])]
        # Equal batches, so that no small one is left over: its mean prediction would say little of the pool's.
        n_batches = max(1, round(len(order) / config.batch_size))
        yield from zip(np.array_split(order, n_batches), np.array_split(chosen, n_batches), strict=True)
