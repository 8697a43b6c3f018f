"""Searches of a k-NN graph in blocks, of a pool whose graph was made in one call as well."""

from pathlib import Path

import numpy as np
from small_features import ids, write_features

from windrow.tasks.clusters.graph_blocks import GraphSearch
from windrow.tasks.clusters.neighbor_graph import begin_neighbors, find_neighbors
from windrow.tasks.clusters.neighbors_config import Method, NeighborsConfig
from windrow.tasks.storage.store.outputs import Output, open_output

N = 4500
Whole = tuple[Path, list[str], dict[Method, Output]]


def made_whole(store: Path) -> Whole:
    """A store with the features of a pool of two shards that share samples, and its graphs made in one call."""
    names = np.array(ids(N))
    vectors = np.random.default_rng(0).standard_normal((N, 24)).astype(np.float16)
    vectors[100:140] = vectors[7]  # more of one than there are neighbours
    features = [
        write_features(store, names[rows].tolist(), vectors[rows], missing=[] if number else [1])
        for number, rows in enumerate((np.arange(0, N, 2), np.union1d(np.arange(1, N, 2), np.arange(0, N, 3))[::-1]))
    ]
    methods: tuple[Method, ...] = ("exact", "approximate")
    made = {how: open_output(store / find_neighbors(store, features, config(how)).path) for how in methods}
    return store, features, made


def config(method: Method = "exact") -> NeighborsConfig:
    return NeighborsConfig(k=5, method=method)


def begun(store: Path, features: list[str], method: Method) -> GraphSearch:
    """A search that begins again, in a store where the graph is not."""
    what = begin_neighbors(store, features, config(method))
    assert isinstance(what, GraphSearch)
    return what


def linked(store: Path, to: Path) -> Path:
    """A store with the same features."""
    (to / "outputs").mkdir(parents=True)
    (to / "outputs" / "features").symlink_to(store / "outputs" / "features")
    return to


def left(store: Path) -> list[str]:
    """What lies beside graphs."""
    return [path.name for path in (store / "outputs" / "neighbors").glob("*/.*")]
