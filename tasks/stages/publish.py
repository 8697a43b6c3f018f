"""Publishing: the shards of an export become an immutable, numbered version of a curated set."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.stages.export import SHARD_FILES, ExportConfig, ExportShard
from windrow.tasks.stages.export_plan import read_classes
from windrow.tasks.storage.dataset_card import dataset_card
from windrow.tasks.storage.outputs import (
    MANIFEST,
    Done,
    Output,
    file_digest,
    open_output,
    publish_directory,
    temporary_directory,
)
from windrow.tasks.storage.parquet import read_table, write_table
from windrow.tasks.storage.versions import (
    CLASSES,
    SAMPLES,
    Version,
    latest_version,
    open_version,
    shard_digests,
    version_fingerprint,
)

CARD = "README.md"


@dataclass(frozen=True)
class _ShardFile:
    """A file of a shard's output, and its place in the version."""

    source: Path
    path: str
    sha256: str
    split: str
    n_samples: int

    def entry(self) -> dict[str, Any]:
        n_bytes = self.source.stat().st_size
        return {
            "path": self.path,
            "sha256": self.sha256,
            "n_bytes": n_bytes,
            "n_samples": self.n_samples,
            "split": self.split,
        }


def publish_version(
    store: Path,
    name: str,
    shards: Sequence[ExportShard],
    dones: Sequence[Done],
    config: ExportConfig,
    provenance: Mapping[str, Any],
) -> Version:
    """Publish the shards of a plan, in its order, as the next version of `name`, or find that the last one holds them.

    `dones` are what `write_export_shard` returned for `shards`. `provenance` goes into the manifest as it is (digests
    of the stages' outputs); it does not make a version new, as equal images and labels are equal whatever they were
    made from. Nothing here depends on the time, so the same shards give the same bytes. Shards without samples are left
    out.

    Raises ValueError when the name is no folder's name, when `dones` do not fit `shards`, and when no sample is left.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"name: wants letters, digits, _, - and ., got {name!r}")
    filled = _filled(store, shards, dones)
    classes = read_classes(store, shards[0].plan)
    files = _shard_files(filled, config)
    entries = [file.entry() for file in files]
    print_of_content = version_fingerprint(asdict(config), classes, shard_digests(entries))
    parent = store / "curated" / name
    parent.mkdir(parents=True, exist_ok=True)
    with temporary_directory(parent) as folder:
        samples = _lay_out(folder, files, [output for _, output in filled], classes)
        manifest = {
            "name": name,
            "fingerprint": print_of_content,
            "windrow_version": package_version("windrow"),
            "n_samples": samples.num_rows,
            "n_shards": len(filled),
            "counts": _counts(samples, classes),
            "config": asdict(config),
            "classes": classes,
            "provenance": provenance,
        }
        formats = pc.unique(samples["format"]).to_pylist()
        while True:
            latest = latest_version(store, name)
            if latest is not None and latest.fingerprint == print_of_content:
                return latest
            number = f"v{latest.number + 1 if latest else 1:04d}"
            _describe(folder, {"version": number, **manifest}, entries, formats)
            if publish_directory(folder, parent / number):
                return open_version(parent / number, created=True)
