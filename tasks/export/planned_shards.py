"""The shards of an export: cut from what was selected, or found as they were cut when the same was selected before."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from windrow.schemas.stages import Part
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import ExportShard, plan_export
from windrow.tasks.export.selected_rows import selected_rows, stages_of
from windrow.tasks.export.soft_arrays import SoftLabels
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import OutputWriter, make_output
from windrow.tasks.storage.store.removed_outputs import remove_output

VERSION = 4
SHARDS = "shards.jsonl"


def planned_shards(store: Path, made: Made, config: ExportConfig) -> list[ExportShard]:
    """Return the shards to write. Raises ValueError as `plan_export` does."""

    def write(writer: OutputWriter) -> None:
        rows, classes = selected_rows(store, made, config)
        soft = SoftLabels.of(store, made, config)
        if soft is not None and classes:
            classes = sorted({*classes, *soft.classes(config.label_set)})  # a class that nothing got has its share
        shards = plan_export(store, rows, config, classes, soft)
        (writer.path / SHARDS).write_text("".join(f"{json.dumps(asdict(shard))}\n" for shard in shards))

    inputs: dict[str, Any] = {
        **digests(made.opened(store, *stages_of(config))),
        "what": config.what,
        "label_sets": config.said_by,
        "soft_labels": config.soft_labels,
        "samples_per_shard": config.samples_per_shard,
    }
    if config.further.states:
        inputs["states"] = True
    done = make_output(store, Part.EXPORT_SHARDS, VERSION, inputs, write)
    shards = [ExportShard(**json.loads(line)) for line in (store / done.path / SHARDS).read_text().splitlines()]
    if all((store / shard.plan).is_dir() for shard in shards):
        return shards
    remove_output(store / done.path)  # a take-down has removed the plan
    return planned_shards(store, made, config)
