"""The set of a size: the beginning of a ranking, weighed and split. It costs little, so every size is cut anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import NEAR_DUPLICATE_THRESHOLD, SELECTION
from windrow.schemas.selection import RANKING
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import Int32Array, Int64Array
from windrow.tasks.algorithms.selection.ranking import inclusion_weights
from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.selection.splits import UNCLAIMED, assign_splits
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output

VERSION = 4


def of_every_size(config: SelectionConfig) -> SelectionConfig:
    """What of the settings a ranking depends on: the same for every size and every guard."""
    return replace(config, target_size=None, target_share=1.0, guard="off")


def take_set(store: Path, ranked: Done, config: SelectionConfig, seed: int) -> Done:
    """Write SELECTION: RANKING, and which of it are selected, with their weights and splits."""
    output = open_output(store / ranked.path)

    def write(writer: OutputWriter) -> None:
        ranking = output.read(RANKING)
        columns = {**{name: ranking[name] for name in SELECTION.schema().names if name in ranking.column_names}}
        columns |= cut(ranking, config)
        columns["split"] = _splits(ranking, columns["selected"], config, seed)
        writer.write(SELECTION, SELECTION.build(columns))
        writer.write(NEAR_DUPLICATE_THRESHOLD, output.read(NEAR_DUPLICATE_THRESHOLD))
        writer.counts.update(_counts(columns))

    sizes = {"target_size": config.target_size, "target_share": config.target_share}
    splits = {"splits": config.splits, "stratify_splits": config.stratify_splits}
    inputs = {"ranking": output.digest, **sizes, **splits, "seed": seed}
    return make_output(store, Stage.RANK, VERSION, inputs, write)


def cut(ranking: pa.Table | Mapping[str, pa.Array], config: SelectionConfig) -> dict[str, pa.Array]:
    """Return the columns `selected` and `sample_weight` of a ranking's first samples, in the order of its rows."""
    ranks = np.asarray(ranking["rank"].fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    n_ranked = int((ranks > 0).sum())
    target = config.target_size if config.target_size is not None else round(config.target_share * n_ranked)
    selected = (ranks > 0) & (ranks <= target)
    left = np.flatnonzero(pc.is_valid(ranking["strata"]).to_numpy(zero_copy_only=False))
    weights = np.zeros(len(ranks))
    weights[left] = inclusion_weights(_strata(ranking["strata"], len(left)), selected[left])
    return {"selected": pa.array(selected), "sample_weight": pa.array(weights, mask=~selected)}


def strata_column(n: int, rows: Int64Array, strata: Int32Array) -> pa.ListArray:
    """Return strata (m, n_levels) of some of n rows, which ascend, as a column of lists; null for the others."""
    there = np.zeros(n, bool)
    there[rows] = True
    ends = np.concatenate([[0], np.cumsum(there * strata.shape[1])]).astype(np.int32)
    values = pa.array(np.ascontiguousarray(strata[np.argsort(rows)]).reshape(-1), pa.int32())
    return pa.ListArray.from_arrays(pa.array(ends), values, mask=pa.array(~there))


def _strata(column: Any, n: int) -> Int32Array:
    values = pc.list_flatten(column.drop_null())
    flat = np.asarray(values.to_numpy(zero_copy_only=False) if len(values) else [], np.int32)
    return flat.reshape(n, -1) if n else np.zeros((0, 1), np.int32)


def _splits(ranking: pa.Table, selected: pa.Array, config: SelectionConfig, seed: int) -> pa.Array:
    """The split of each selected sample; strata count only what is selected."""
    groups = whole(ranking["group_id"])
    names = pa.array([split.name for split in config.splits])
    claims = pc.fill_null(pc.index_in(whole(ranking["claimed"]), names), UNCLAIMED)
    claimed = np.asarray(claims.to_numpy(zero_copy_only=False), np.int64)
    if not config.stratify_splits:
        splits = assign_splits(groups, config.splits, seed, claimed)
        return pc.if_else(selected, splits, pa.scalar(None, pa.string()))
    chosen = np.flatnonzero(selected.to_numpy(zero_copy_only=False))
    if not len(chosen):
        return pa.nulls(len(groups), pa.string())
    strata = ranking["label"].take(chosen).to_pylist()
    splits = assign_splits(groups.take(chosen), config.splits, seed, claimed[chosen], strata)
    place = np.full(len(groups), -1)
    place[chosen] = np.arange(len(chosen))
    return splits.take(pa.array(place, mask=place < 0))


def _counts(columns: Mapping[str, Any]) -> dict[str, int]:
    dropped = pc.value_counts(columns["dropped_by"].drop_null()).to_pylist()
    counts = {f"dropped_by_{entry['values']}": entry["counts"] for entry in dropped}
    n_ranked = len(columns["rank"]) - columns["rank"].null_count
    n_selected = pc.sum(columns["selected"]).as_py() or 0
    return {"n_samples": len(columns["rank"]), "n_ranked": n_ranked, "n_selected": n_selected, **counts}
