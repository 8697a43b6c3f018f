"""One budget for a run: it changes no byte of what stages make, and what it is too little for is told."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from label_pools import random_pool
from small_labels import write_labelled_pool

from windrow.tasks.algorithms.neighbors import exact_neighbors
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.labels.belonging_scores import find_belonging
from windrow.tasks.labels.checks.label_checks import check_labels
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions import predict_labels
from windrow.tasks.memory_needs import GB, PROCESS, graph_needs, label_needs, shortage
from windrow.tasks.storage import memory_budget
from windrow.tasks.storage.memory_budget import having
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.pool import is_mapped

LABELS = LabelsConfig(makers=("propagation",), combine=("propagation",), n_folds=2)
MAKERS = ("propagation", "smoothed", "smoothed_probe")


def digests(store: Path, memory_gb: float) -> list[str]:
    """Of the graph, the clusters, the labels and what is said of them, of a pool of 1,100 samples."""
    embeddings, labels = random_pool(5, n=1100, labelled=40)
    config = LabelsConfig(makers=MAKERS, combine=MAKERS, n_folds=2)
    names = ["abc"[label] if label >= 0 else None for label in labels]
    pool = write_labelled_pool(store, embeddings, names, 2)
    with having(memory_gb):
        assert is_mapped(2 * embeddings.size) == (memory_gb < 1)
        graph = find_neighbors(store, pool.features, NeighborsConfig(k=4))
        clusters = cluster_pool(store, pool.features, ClusteringConfig((20, 4)), 0)
        made = Made(features=tuple(pool.features), neighbors=(graph.path,), given_labels=(pool.given,))
        said = [predict_labels(store, made, maker, config, BackboneConfig(), 0) for maker in MAKERS]
        checks, belonging = check_labels(store, made, config.checks, 2, 0), find_belonging(store, made)
        predictions = tuple(done.path for done in said)
        made = Made(**{**vars(made), "cluster": (clusters.path,), "predictions": predictions})
        decided = decide_labels(store, made, config, 0)
    return [open_output(store / done.path).digest for done in (graph, clusters, *said, checks, belonging, decided)]


def test_a_small_budget_and_a_large_one_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_budget, "LEAST", 2**16)
    monkeypatch.setattr(exact_neighbors, "BASE_BLOCK", 256)  # else so small a pool is one tile
    assert digests(tmp_path / "small", 8e-5) == digests(tmp_path / "large", 8.0)


def test_what_takes_more_than_the_run_may_is_told_in_a_line() -> None:
    with having(4.0):
        assert shortage("labels of 10 classes", 3 * GB) is None
        told = shortage("labels of 10 classes", 3 * GB, 2)
    assert told == (
        "memory_gb: labels of 10 classes take about 3.0 GB, in each of 2 workers; the run may take 4.0 GB, "
        "and goes on with more (executor.n_workers: fewer workers)"
    )


def test_what_is_listed_needs_less_than_samples_x_classes(tmp_path: Path) -> None:
    store, names = tmp_path, [None] * 50
    pool = write_labelled_pool(store, np.random.default_rng(0).standard_normal((50, 4)), names, 2)
    listed = label_needs(store, pool.features, 5, 10_000, LABELS)
    dense = label_needs(store, pool.features, 5, 10_000, LabelsConfig(makers=("mlp",), combine=("mlp",)))
    assert dense - listed == 5 * 8 * 50 * (10_000 - 64)
    exact, approximate = (
        graph_needs(store, pool.features, NeighborsConfig(5, how)) for how in ("exact", "approximate")
    )
    assert approximate - exact == 4 * 50 * 4


def test_embeddings_that_lie_in_a_file_are_not_counted(tmp_path: Path) -> None:
    n, dim, k = 300, 64, 5
    pool = write_labelled_pool(tmp_path, np.random.default_rng(0).standard_normal((n, dim)), [None] * n, 2)

    def of_embeddings(budget: int) -> int:
        with patch.object(memory_budget, "_told", budget):
            return graph_needs(tmp_path, pool.features, NeighborsConfig(k, "exact")) - PROCESS - 36 * n * k

    stored = 2 * n * dim
    assert of_embeddings(GB) == 3 * stored
    assert of_embeddings(8 * stored) == 3 * stored
    assert of_embeddings(8 * stored - 8) == 2 * stored - 2
