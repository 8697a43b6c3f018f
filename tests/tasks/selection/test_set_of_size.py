"""Another size of a set is cut from the ranking that there is: nothing else runs again, nor comes out otherwise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from inline_run import curate_inline
from small_pool import make_small_pool

from windrow.schemas.stages import Part, Stage
from windrow.tasks.config import CurationConfig
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.pipeline import curate
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.store.outputs import all_outputs

SETTINGS: dict[str, Any] = {
    "target_size": 4,
    "near_duplicate_threshold": 0.95,
    "stratify_splits": True,
    "splits": [{"name": "train", "share": 0.6}, {"name": "val", "share": 0.4}],
}


def sized(config: CurationConfig, n: int) -> CurationConfig:
    return replace(config, selection=replace(config.selection, target_size=n))


def exported(config: CurationConfig) -> Version:
    inline = replace(config, executor=ExecutorConfig("inline"))
    curate(inline, PlainRunner(n_threads=1, delays=()), until="export")
    version = latest_version(Path(config.store), config.name)
    assert version is not None
    return version


def test_an_export_of_another_size_ranks_nothing_and_is_that_of_a_run_of_this_size(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path, selection=SETTINGS, labels={})
    store = Path(pool.config.store)
    curate_inline(pool.config)
    before = {output.path for output in all_outputs(store)}
    version = exported(sized(pool.config, 7))
    made = {output.stage for output in all_outputs(store) if output.path not in before}
    assert made == {Stage.RANK, Part.CLASS_SHARES, Part.EXPORT_PLAN, Part.EXPORT_SHARDS, Part.EXPORT_SHARD}
    assert (version.version, version.n_samples) == ("v0002", 7)
    anew = exported(sized(pool.over(tmp_path / "anew").config, 7))
    tables = [pq.read_table(each.path / "samples.parquet").drop_columns("split") for each in (version, anew)]
    assert tables[0].equals(tables[1])
    weights = tables[0]["sample_weight"].to_pylist()
    assert abs(sum(weights) - 12) < 1e-9 and weights != [12 / 7] * 7


def test_the_same_size_is_found_and_a_smaller_one_lies_in_a_larger_one(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path, selection=SETTINGS, labels={})
    curate_inline(pool.config)
    large = set(pq.read_table(exported(sized(pool.config, 9)).path / "samples.parquet")["sample_id"].to_pylist())
    before = {output.path for output in all_outputs(Path(pool.config.store))}
    small = exported(sized(pool.config, 4))
    assert set(pq.read_table(small.path / "samples.parquet")["sample_id"].to_pylist()) < large
    assert {output.stage for output in all_outputs(Path(pool.config.store)) if output.path not in before} <= {
        *(Part.FROZEN_SPLITS, Part.CLASS_SHARES, Part.EXPORT_PLAN, Part.EXPORT_SHARDS, Part.EXPORT_SHARD)
    }
