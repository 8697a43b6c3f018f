"""Export beside the least that could do it: copies of the same bytes, by `cp` and by `dd`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from photo_tars import best_of, index, table

from windrow.schemas import OCCURRENCES
from windrow.schemas.exported import EXPORT_PLAN
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import plan_export
from windrow.tasks.export.shard_writing import write_export_shard
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.store.outputs import open_output

WHAT = {
    "ours": "export: read by range, SHA-256 checked, one tar, its SHA-256, fsync",
    "dd": "dd of a file of these bytes, with fsync",
    "cp": "cp of it, without fsync",
    "loose": "cp of a folder with a file for each sample, with fsync",
    "ranges": "a dd for each sample, by range, from the tars",
}


def export_table(tars: Path, folder: Path) -> str:
    """Return the speed of the export of a random tenth, and of `cp` of a file of these bytes."""
    dones = index(tars, folder, 2, "header")
    store = next(path for path in folder.iterdir() if (path / dones[0].path).exists())
    occurrences = pa.concat_tables(open_output(store / one.path).read(OCCURRENCES) for one in dones)
    chosen = np.random.default_rng(0).choice(occurrences.num_rows, occurrences.num_rows // 10, replace=False)
    rows = plan_rows(occurrences.take(chosen))
    config = ExportConfig(formats=("webdataset",), sidecars=False)
    plain = folder / "bytes"
    total = sum(rows["byte_length"].to_pylist())
    plain.write_bytes(os.urandom(total))
    loose, script = folder / "loose", folder / "ranges.sh"
    loose.mkdir()
    for sample_id, data in read_samples(rows):
        (loose / sample_id).write_bytes(data)  # type: ignore[arg-type]
    dd = "dd status=none bs=1M iflag=skip_bytes,count_bytes"
    places = rows.select(["shard", "byte_offset", "byte_length"]).to_pylist()
    lines = (f"{dd} if={tars / p['shard']} skip={p['byte_offset']} count={p['byte_length']}\n" for p in places)
    script.write_text("".join(lines))
    results: list[Sequence[object]] = []
    for n_workers in (1, 2):
        executor = open_executor(ExecutorConfig(n_workers=n_workers))

        def work(n_workers: int = n_workers, executor: Any = executor) -> None:
            place = Path(tempfile.mkdtemp(dir=folder))
            shards = plan_export(place, rows, config, [])
            with ThreadPoolExecutor(n_workers) as threads:
                list(threads.map(lambda shard: executor.run(write_export_shard, place, shard, config), shards))

        floors = {
            "dd": f"dd if={plain} of={folder / 'copy'} bs=1M conv=fsync status=none",
            "cp": f"cp {plain} {folder / 'copy'}",
            "loose": f"rm -rf {folder / 'copies'}; cp -r {loose} {folder / 'copies'}; sync {folder / 'copies'}/*",
            "ranges": f"sh {script} > {folder / 'copy'}",
        }
        timed = {name: partial(subprocess.run, command, shell=True, check=True) for name, command in floors.items()}
        seconds = best_of(5, ours=work, **timed)
        for name, what in WHAT.items():
            found = seconds[name]
            results.append(
                (n_workers, what, f"{found:.3f}", f"{total / found / 1e6:,.0f}", f"{found / seconds['ours']:.2f}")
            )
    title = f"Export of a random tenth: {rows.num_rows:,} samples, {total / 1e6:,.0f} MB"
    return table(title, ("processes", "work", "seconds", "MB/s", "ours is so many times as fast"), results)


def plan_rows(occurrences: pa.Table) -> pa.Table:
    """Return rows of EXPORT_PLAN for some occurrences."""
    n = occurrences.num_rows
    ranks = pa.array(range(1, n + 1), pa.int64())
    made = {"sample_index": ranks, "rank": ranks, "sample_weight": [1.0] * n, "split": ["train"] * n, "width": [1] * n,
            "cluster_path": [[0]] * n, "group_id": occurrences["sample_id"], "height": [1] * n, "format": ["JPEG"] * n,
            "n_bytes": occurrences["byte_length"], "label": pa.nulls(n, pa.string())}  # fmt: skip
    known = {name: occurrences[name] for name in occurrences.column_names if name in EXPORT_PLAN.schema().names}
    return EXPORT_PLAN.build({**known, **made})
