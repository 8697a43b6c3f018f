"""A store whose run can be judged: classes in a long tail, a selection, held-out samples; made of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from small_features import ids, write_features
from small_labels import given_table, write_given

from windrow.schemas import ASSIGNMENTS, HELD_OUT, LABELS, OCCURRENCES, SAMPLES, SELECTION, Table
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import OutputWriter, make_output

N, M, N_CLASSES = 600, 160, 8


def write_tables(store: Path, stage: str, tables: Mapping[Table, Mapping[str, Any]]) -> str:
    """Write an output of a stage that holds these columns."""

    def write(writer: OutputWriter) -> None:
        for table, columns in tables.items():
            writer.write(table, table.build(columns))

    names = {table.name: {name: list(values) for name, values in columns.items()} for table, columns in tables.items()}
    return make_output(store, stage, 1, names, write).path


def classes_of(rng: np.random.Generator, n: int) -> np.ndarray:
    shares = 80.0 ** (-np.arange(N_CLASSES) / (N_CLASSES - 1))
    return rng.choice(N_CLASSES, n, p=shares / shares.sum())


def judged_run(store: Path, how: str, n_held: int = M, labelled: bool = True) -> Made:
    """What a run has made up to the ranking: of N + `n_held` samples the last are held out, 100 are selected.

    `how`: 'even' takes the classes in turn, 'random' whatever comes, 'one' a single class.
    """
    rng = np.random.default_rng(0)
    truth = np.concatenate([classes_of(rng, N), np.arange(n_held) % N_CLASSES])
    vectors = rng.standard_normal((N_CLASSES, 12))[truth] + 0.8 * rng.standard_normal((len(truth), 12))
    sample_ids = np.array(ids(len(truth)))
    names = [f"class {each}" for each in truth]
    turn = np.empty(N)
    for each in range(N_CLASSES):
        turn[truth[:N] == each] = np.arange((truth[:N] == each).sum())
    keys = {"even": turn, "random": rng.permutation(N), "one": (truth[:N] != 0) * 1000 + np.arange(N)}[how]
    rank = np.empty(N, np.int64)
    rank[np.argsort(keys, kind="stable")] = np.arange(1, N + 1)
    selected = [bool(each <= 100) for each in rank] + [False] * n_held
    ranks = [int(each) for each in rank] + [None] * n_held
    selection = {
        "sample_id": sample_ids.tolist(),
        "occurrence_id": sample_ids.tolist(),
        "rank": ranks,
        "selected": selected,
        "sample_weight": [1.0 if each else None for each in selected],
        "dropped_by": [None] * N + ["held_out"] * n_held,
        "group_id": sample_ids.tolist(),
        "split": ["train" if each else None for each in selected],
    }
    given = given_table(sample_ids[:N].tolist(), names[:N] if labelled else [None] * N)
    pseudo = given.set_column(1, given.schema.field(1), pa.repeat("pseudo", N))
    held = {"sample_id": sample_ids[N:].tolist(), "group_id": sample_ids[N:].tolist(), "label": names[N:]}
    both = pa.concat_tables([given, pseudo])
    labels = {LABELS: both.to_pydict(), HELD_OUT: held}
    paths = {
        "sample_id": sample_ids.tolist(),
        "cluster_path": [[int(each)] for each in truth],
        "distance": [0.0] * len(truth),
    }
    return Made(
        features=(write_features(store, sample_ids.tolist(), vectors),),
        cluster=(write_tables(store, "cluster", {ASSIGNMENTS: paths}),),
        pseudo_label=(write_tables(store, "pseudo_label", labels),),
        rank=(write_tables(store, "rank", {SELECTION: selection}),),
    )


def labelled_run(store: Path, n: int, groups: Mapping[int, str] | None = None) -> Made:
    """What a run has made up to the given labels, which every sample has; some are in a group of their source."""
    sample_ids = ids(n)
    rng = np.random.default_rng(1)
    names = [(groups or {}).get(row) for row in range(n)]
    same = {"source_uri": "s", "kind": "file", "shard": "", "byte_length": 1}
    occurrences = {
        "occurrence_id": sample_ids,
        "sample_id": sample_ids,
        "position": range(n),
        "key": [f"picture {row}" for row in range(n)],
        "group": names,
        **{name: [value] * n for name, value in same.items()},
    }
    fixed = {"width": 2, "height": 2, "mode": "RGB", "format": "PNG", "n_frames": 1, "exif_orientation": 1}
    samples = {"sample_id": sample_ids, "n_bytes": [1] * n, **{name: [value] * n for name, value in fixed.items()}}
    features = write_features(store, sample_ids, rng.standard_normal((n, 12)))
    return Made(
        ingest=(write_tables(store, "ingest", {OCCURRENCES: occurrences, SAMPLES: samples}),),
        features=(features,),
        neighbors=(find_neighbors(store, [features], NeighborsConfig(k=5)).path,),
        given_labels=(write_given(store, sample_ids, [f"c{row % 4}" for row in range(n)]),),
    )
