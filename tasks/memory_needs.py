"""What stages that hold a pool need at their largest, and one line where that is more than a run may take.

Estimates, of what was measured (docs/evidence/many-classes.md): what is held for each sample, and twice the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from windrow.tasks.clusters.neighbor_graph import is_exact
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.rows.prediction_rows import MOST_CLASSES
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.pool import is_mapped
from windrow.tasks.storage.store.pool_file import pool_shape

GB = 2**30
PROCESS = int(0.4 * GB)
"""Of a process before it begins."""
LISTS = frozenset({"propagation", "smoothed", "smoothed_probe", "prototypes", "probe"})
"""Makers that hold no samples x classes."""
COPIES = 5
"""Of a prediction, while it is made."""


def graph_needs(store: Path, features: Sequence[str], config: NeighborsConfig) -> int:
    """Return the bytes that the graph of these outputs of features takes, roughly."""
    n, dim = pool_shape([open_output(store / path) for path in features])
    faiss = 0 if is_exact(n, config) else 4 * n * dim
    return PROCESS + _of_embeddings(n, dim) + faiss + 36 * n * config.k


def label_needs(store: Path, features: Sequence[str], k: int, n_classes: int, config: LabelsConfig) -> int:
    """Return the bytes that the maker takes which takes most, of n_classes; k: neighbours in the graph."""
    n, dim = pool_shape([open_output(store / path) for path in features])
    lists = n_classes > MOST_CLASSES and set(config.makers) <= LISTS
    prediction = 8 * n * (MOST_CLASSES if lists else n_classes)
    return PROCESS + _of_embeddings(n, dim) + 60 * n * k + COPIES * prediction


def _of_embeddings(n: int, dim: int) -> int:
    """What `read_pool` holds of them, and what is made of them once where there is room (`LabelPool.centred`)."""
    stored = 2 * n * dim
    return (0 if is_mapped(stored) else stored) + min(2 * stored, memory_budget() // 4)


def shortage(what: str, needed: int, n_workers: int = 1) -> str | None:
    """Return a line that says that `what` takes more than the run may take; None where it does not.

    n_workers: how many processes take so much side by side.
    """
    if needed * n_workers <= memory_budget():
        return None
    each = f", in each of {n_workers} workers" if n_workers > 1 else ""
    fewer = " (executor.n_workers: fewer workers)" if n_workers > 1 else ""
    return (
        f"memory_gb: {what} take about {needed / GB:.1f} GB{each}; the run may take {memory_budget() / GB:.1f} GB, "
        f"and goes on with more{fewer}"
    )
