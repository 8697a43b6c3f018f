"""The samples of a version that a loader reads: where their bytes lie, their classes, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.exported import EXPORTED_SAMPLES, Further
from windrow.tasks.algorithms.batches.class_subsets import fraction_of_classes, long_tail_of_classes
from windrow.tasks.loading.soft_columns import SoftColumn, joined_soft_columns, soft_columns
from windrow.tasks.loading.state_targets import StateTargets
from windrow.tasks.storage.catalog.connections import USER_SQL, open_connection
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.published.versions import SAMPLES, read_manifest
from windrow.tasks.storage.published.webdataset_shards import class_indices

Unlabelled = Literal["keep", "skip"]
NO_LABEL = -100
"""Stands for 'no label' in a batch: the value that torch's losses ignore by default."""

ARRAYS = ("labels", "shard", "offset", "n_bytes", "source", "row")
_PLACE = "windrow_place"


@dataclass(frozen=True)
class VersionSamples:
    """Samples of one version or more. `table` has their columns of EXPORTED_SAMPLES, `labels` (n,) int64 the index of
    each one's class, NO_LABEL where it has none.

    `tars` are the paths of all shards; `shard`, `offset` and `n_bytes` (n,) say in which and where the image lies.
    `row` (n,) is its place among the samples of that shard, and `soft` has the columns of soft labels, by their names.
    `source` (n,) is the number of the version. Samples of a version lie together, and those of a shard, by rank.
    `identity` names what the samples are made of, for a state to be compared with.
    """

    table: pa.Table
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    tars: tuple[str, ...]
    shard: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    n_bytes: npt.NDArray[np.int64]
    source: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    identity: tuple[str, ...]
    soft: Mapping[str, SoftColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def is_labelled(self) -> npt.NDArray[np.bool_]:
        """Which samples (n,) have a label, or where they may be of several classes any known state."""
        states = self.states()
        return self.labels != NO_LABEL if states is None else states.is_known()

    def states(self) -> StateTargets | None:
        """The states of classes, of samples that may be of several; None of versions that have none."""
        return StateTargets.of(self.table, self.classes) if "present" in self.table.column_names else None

    def shard_sizes(self) -> list[int]:
        """How many of the samples lie in each shard."""
        return list(map(int, np.bincount(self.shard, minlength=len(self.tars))))


def read_version_samples(
    version: str | Path, split: str = "train", where: str | None = None, unlabelled: Unlabelled = "keep"
) -> VersionSamples:
    """Return the samples of a split for which `where` holds, an SQL predicate over EXPORTED_SAMPLES ('rank <= 1000').

    Raises ValueError when `version` is no version, has no WebDataset shards or not that split, when the predicate is
    none, and when no sample is left.
    """
    manifest = read_manifest(version)
    shards = split_shards(version, manifest, split)
    declared = Further.of(manifest).added_to(EXPORTED_SAMPLES)
    everything = read_table(declared, [Path(version) / SAMPLES])
    table = everything.filter(pc.equal(everything["split"], split)) if everything.num_rows else everything
    counts = [file["n_samples"] for file in shards]
    if table.num_rows != sum(counts):
        raise ValueError(
            f"{version}: {SAMPLES} has {table.num_rows} samples of split {split!r}, its shards {sum(counts)}"
        )
    kept = _kept(table, where, unlabelled, "present" in table.column_names)
    if not len(kept):
        raise ValueError(
            f"{version}: no sample of split {split!r} is left (where: {where}, unlabelled: {unlabelled!r})"
        )
    table, shard = wide(table).take(kept), np.repeat(np.arange(len(shards), dtype=np.int32), counts)[kept]
    row = np.concatenate([np.arange(count, dtype=np.int32) for count in counts])[kept]
    classes = tuple(manifest["classes"])
    return VersionSamples(
        table=table,
        labels=label_indices(table["label"], classes),
        classes=classes,
        tars=tuple(str(Path(version) / file["path"]) for file in shards),
        shard=shard,
        offset=_int64(table["tar_offset"]),
        n_bytes=_int64(table["n_bytes"]),
        source=np.zeros(len(kept), np.int32),
        row=row,
        identity=(manifest["fingerprint"], split, where or "", unlabelled),
        soft=soft_columns(Path(version), manifest, split),
    )


def subset_by_class(samples: VersionSamples, fraction: float | None, long_tail: float | None) -> VersionSamples:
    """Return the first `fraction` of each class, or the first that make a long tail of so much to 1, by rank.

    Raises ValueError when both are given, one is out of its range, or a sample has no label.
    """
    if fraction is None and long_tail is None:
        return samples
    if fraction is not None and long_tail is not None:
        raise ValueError("label_fraction and long_tail: want one of them")
    if samples.states() is not None:
        raise ValueError("label_fraction and long_tail are for samples of one class")
    if (samples.labels == NO_LABEL).any():
        raise ValueError("label_fraction and long_tail want a label of every sample; give unlabelled='skip'")
    if fraction is not None:
        kept = fraction_of_classes(samples.labels, fraction)
    else:
        kept = long_tail_of_classes(samples.labels, long_tail or 0.0)
    places = np.flatnonzero(kept)
    arrays = {name: getattr(samples, name)[places] for name in ARRAYS}
    told = f"label_fraction {fraction}, long_tail {long_tail}"
    return replace(samples, table=samples.table.take(places), identity=(*samples.identity, told), **arrays)


def joined_samples(parts: Sequence[VersionSamples]) -> VersionSamples:
    """Return the samples of several versions, one after the other; the classes are those of all, by name."""
    if len(parts) == 1:
        return parts[0]
    classes = tuple(class_indices([name for part in parts for name in part.classes]))
    table = pa.concat_tables([part.table for part in parts], promote_options="default")  # label sets may differ
    first_tar = np.cumsum([0, *(len(part.tars) for part in parts)])
    return VersionSamples(
        table=table,
        labels=label_indices(table["label"], classes),
        classes=classes,
        tars=tuple(tar for part in parts for tar in part.tars),
        shard=np.concatenate([part.shard + np.int32(first) for part, first in zip(parts, first_tar, strict=False)]),
        offset=np.concatenate([part.offset for part in parts]),
        n_bytes=np.concatenate([part.n_bytes for part in parts]),
        source=np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts]),
        row=np.concatenate([part.row for part in parts]),
        soft=joined_soft_columns([part.soft for part in parts], [part.classes for part in parts]),
        identity=tuple(text for part in parts for text in part.identity),
    )


def split_shards(version: str | Path, manifest: Mapping[str, Any], split: str) -> list[Mapping[str, Any]]:
    """Return what the manifest says of a split's tars, in order. Raises ValueError when there are none."""
    files = manifest["files"]
    shards = [file for file in files if file["path"].startswith("webdataset/") and file.get("split") == split]
    if not shards:
        formats, splits = manifest["config"]["formats"], list(manifest["counts"]["split"])
        raise ValueError(f"{version} has no WebDataset shard of split {split!r}: formats {formats}, splits {splits}")
    return shards


def label_indices(labels: pa.ChunkedArray, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the index of each label, as `.cls` holds it; NO_LABEL where it is null."""
    indices = class_indices(classes)
    coded = whole(labels).dictionary_encode()
    of_code = np.array([indices[name] for name in coded.dictionary.to_pylist()] + [NO_LABEL], np.int64)
    codes = coded.indices.fill_null(len(of_code) - 1).to_numpy(zero_copy_only=False)
    return np.asarray(of_code[codes])


def _kept(table: pa.Table, where: str | None, unlabelled: Unlabelled, has_states: bool) -> npt.NDArray[np.int64]:
    if unlabelled not in ("keep", "skip"):
        raise ValueError(f"unlabelled: wants 'keep' or 'skip', got {unlabelled!r}")
    places = pa.array(np.arange(table.num_rows))
    conditions = [f"({where}\n)"] if where else []
    labelled = "len(present) + len(absent) > 0" if has_states else "label IS NOT NULL"
    conditions += [labelled] if unlabelled == "skip" else []
    if not conditions:
        return np.arange(table.num_rows)
    return _places_where(table.append_column(_PLACE, places), " AND ".join(conditions), where)


def _places_where(table: pa.Table, condition: str, where: str | None) -> npt.NDArray[np.int64]:
    with open_connection(limits=USER_SQL) as connection:
        connection.register("samples", table)
        try:
            sql = f"SELECT {_PLACE} FROM samples WHERE {condition} ORDER BY 1"
            found = query(connection, sql).to_arrow_table()
        except (duckdb.Error, ValueError) as error:
            raise ValueError(f"where: {where!r} is no predicate over a version's samples: {error}") from None
    return _int64(found[_PLACE])


def _int64(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(whole(column).to_numpy(zero_copy_only=False), np.int64)
