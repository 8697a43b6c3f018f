"""Plans of batches over a version: made by a rule, written as a table, read back by a loader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas.training import BATCHES
from windrow.tasks.algorithms.batches.batch_rules import (
    Batches,
    class_balanced_batches,
    interleaved,
    mixed_batches,
    one_per_group_batches,
    quota_batches,
    same_group_batches,
)
from windrow.tasks.algorithms.batches.sample_order import epoch_generator
from windrow.tasks.loading.version_samples import NO_LABEL, VersionSamples
from windrow.tasks.storage.files.parquet import read_table, write_table
from windrow.tasks.storage.files.whole_columns import whole, wide

Rule = Literal["mixed", "same-cluster", "one-per-cluster", "class-balanced", "labelled-quota"]


@dataclass(frozen=True)
class BatchPlan:
    """How batches are made of samples.

    rule: 'mixed' takes samples at random; 'same-cluster' those of one cluster of `level` (1 is the finest);
    'one-per-cluster' no two of a cluster; 'class-balanced' as many of each class, of the labelled samples;
    'labelled-quota' `quota` with a label and the rest without. `same_cluster_share`: besides, so large a share of the
    batches hold samples of one cluster each, as a tenth of DINOv3's do.
    """

    rule: Rule = "mixed"
    batch_size: int = 64
    level: int = 1
    quota: int = 0
    same_cluster_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule: wants one of {', '.join(get_args(Rule))}, got {self.rule!r}")
        if self.batch_size < 1 or self.seed < 0:
            raise ValueError(
                f"wants batch_size of 1 or more and seed of 0 or more, got {self.batch_size} and {self.seed}"
            )
        if (self.quota > 0) != (self.rule == "labelled-quota"):
            raise ValueError(f"quota: goes with the rule labelled-quota, got {self.quota} with {self.rule}")
        if not 0 <= self.same_cluster_share < 1:
            raise ValueError(f"same_cluster_share: wants 0 to below 1, got {self.same_cluster_share}")


def plan_batches(samples: VersionSamples, plan: BatchPlan) -> Batches:
    """Return batches of places in `samples`, in random order; the same plan gives the same batches.

    Raises ValueError when a level is none of the version's, or a rule cannot be kept.
    """
    draws = epoch_generator(plan.seed, 0)
    batches = _by_rule(samples, plan, draws)
    if not plan.same_cluster_share:
        return batches
    alike = same_group_batches(_clusters(samples, plan.level), plan.batch_size, draws)
    return interleaved(batches, alike, plan.same_cluster_share, draws)


def _by_rule(samples: VersionSamples, plan: BatchPlan, draws: np.random.Generator) -> Batches:
    if plan.rule == "same-cluster":
        return same_group_batches(_clusters(samples, plan.level), plan.batch_size, draws)
    if plan.rule == "one-per-cluster":
        return one_per_group_batches(_clusters(samples, plan.level), plan.batch_size, draws)
    if plan.rule == "labelled-quota":
        return quota_batches(samples.is_labelled(), plan.quota, plan.batch_size, draws)
    if plan.rule == "class-balanced":
        labelled = np.flatnonzero(samples.labels != NO_LABEL)
        if not len(labelled):
            raise ValueError("rule: class-balanced wants labels of one class a sample, and no sample has one")
        batches = class_balanced_batches(samples.labels[labelled], plan.batch_size, draws)
        return [labelled[batch] for batch in batches]
    return mixed_batches(len(samples), plan.batch_size, draws)


def write_batches(path: Path, samples: VersionSamples, batches: Batches) -> None:
    """Write BATCHES."""
    places = np.concatenate(batches)
    sizes = np.array([len(batch) for batch in batches])
    columns = {
        "batch": np.repeat(np.arange(len(batches)), sizes),
        "slot": np.concatenate([np.arange(size, dtype=np.int32) for size in sizes]),
        "sample_index": whole(samples.table["sample_index"]).take(pa.array(places)),
        "sample_id": whole(samples.table["sample_id"]).take(pa.array(places)),
    }
    write_table(BATCHES, BATCHES.build({name: pa.array(values) for name, values in columns.items()}), path)


def read_batches(path: Path, samples: VersionSamples) -> Batches:
    """Return the batches of a plan as places in `samples`. Raises ValueError when a sample of it is not there."""
    table = wide(read_table(BATCHES, [path])).sort_by([("batch", "ascending"), ("slot", "ascending")])
    wanted, batch = (np.asarray(table[name].to_numpy()) for name in ("sample_index", "batch"))
    mine = np.asarray(samples.table["sample_index"].to_numpy())
    order = np.argsort(mine, kind="stable")
    found = np.minimum(np.searchsorted(mine[order], wanted), len(mine) - 1)
    places = order[found]
    if missing := np.unique(wanted[mine[places] != wanted]).tolist():
        raise ValueError(
            f"batches: {path} has {len(missing):,} samples that are not among those to read, sample_index {missing[0]}"
            " the first: plan and loader want the same version, split, where and unlabelled"
        )
    return np.split(places, np.flatnonzero(np.diff(batch)) + 1)


def _clusters(samples: VersionSamples, level: int) -> npt.NDArray[np.int64]:
    paths = samples.table["cluster_path"].to_pylist()
    n_levels = min(map(len, paths))
    if not 1 <= level <= n_levels:
        raise ValueError(f"level: wants 1 to {n_levels}, got {level}")
    return np.unique([path[level - 1] for path in paths], return_inverse=True)[1].astype(np.int64)
