"""Splits hold from version to version: a sample stays where it was; what is near a test sample is not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import NEAR_DUPLICATE_THRESHOLD, SELECTION
from windrow.schemas.exported import EXPORTED_SAMPLES, REST
from windrow.schemas.stages import Part
from windrow.tasks.selection.selection_config import SPLIT_CONFLICT, Split
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.published.versions import SAMPLES, list_versions
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output

VERSION = 2


def freeze_splits(store: Path, ranked: Done, name: str, splits: Sequence[Split]) -> Done:
    """Return `ranked` where its splits agree with those of all versions of the curated set, else a corrected output.

    A sample that a version had goes to the split it had there first, and what joins its group to that one too. A sample
    that would be trained on while its group has one that was ever held out is not ranked, with the reason
    'split_conflict'. The split that is trained on is the one named 'train', or the first. Samples that have left the
    pool are not seen: what is near them is not known any more.
    """
    earlier = earlier_splits(store, name)
    if not earlier:
        return ranked
    output = open_output(store / ranked.path)
    selection = output.read(SELECTION)
    settled = settle(selection, earlier, [split.name for split in splits])
    if settled is None:
        return ranked

    def write(writer: OutputWriter) -> None:
        writer.write(SELECTION, settled.selection)
        writer.write(NEAR_DUPLICATE_THRESHOLD, output.read(NEAR_DUPLICATE_THRESHOLD))
        n_ranked = selection.num_rows - settled.selection["rank"].null_count
        counts = {**ranked.counts, "n_ranked": n_ranked, "n_selected": pc.sum(settled.selection["selected"]).as_py()}
        if settled.n_conflicts:
            counts[f"dropped_by_{SPLIT_CONFLICT}"] = settled.n_conflicts
        writer.counts.update(counts)

    inputs = {"ranked": output.digest, "corrections": settled.corrections}
    return make_output(store, Part.FROZEN_SPLITS, VERSION, inputs, write)


def earlier_splits(store: Path, name: str) -> dict[str, str]:
    """Return the split of each sample in the first version of a curated set that had it selected."""
    found: dict[str, str] = {}
    for version in list_versions(store, name):
        table = read_table(EXPORTED_SAMPLES, [version.path / SAMPLES], ["sample_id", "split"])
        for sample_id, split in zip(table["sample_id"].to_pylist(), table["split"].to_pylist(), strict=True):
            if split != REST:
                found.setdefault(sample_id, split)
    return found


@dataclass(frozen=True)
class Settled:
    """SELECTION as it is to be; what differs, by `sample_id`: a split, or SPLIT_CONFLICT; and how many are these."""

    selection: pa.Table
    corrections: dict[str, str]
    n_conflicts: int


def settle(selection: pa.Table, earlier: Mapping[str, str], splits: Sequence[str]) -> Settled | None:
    """Put samples where they were before, and drop what would be trained on beside what was held out.

    None where all is so already.
    """
    trained = "train" if "train" in splits else splits[0]
    rows = selection.select(["sample_id", "group_id", "split", "rank"]).to_pylist()
    held: dict[str, str] = {}
    for row in rows:
        before = earlier.get(row["sample_id"])
        if (
            before is not None
            and before in splits
            and (row["group_id"] not in held or held[row["group_id"]] == trained)
        ):
            held[row["group_id"]] = before
    corrections: dict[str, str] = {}
    for row in rows:
        before = earlier.get(row["sample_id"])
        group = held.get(row["group_id"])
        wanted = before if before in splits else group
        if row["rank"] is None or wanted is None:
            continue
        if wanted == trained and group != trained:
            corrections[row["sample_id"]] = SPLIT_CONFLICT
        elif row["split"] is not None and row["split"] != wanted:
            corrections[row["sample_id"]] = wanted
    if not corrections:
        return None
    conflicts = [name for name, what in corrections.items() if what == SPLIT_CONFLICT]
    return Settled(_corrected(selection, corrections), corrections, len(conflicts))


def _corrected(selection: pa.Table, corrections: Mapping[str, str]) -> pa.Table:
    """Put in other splits, and without the samples in conflict, whose places in the ranking close up."""
    what = [corrections.get(name) for name in selection["sample_id"].to_pylist()]
    dropped = np.array([each == SPLIT_CONFLICT for each in what])
    ranks = np.asarray(selection["rank"].fill_null(0).to_numpy())
    closed = ranks - np.searchsorted(np.sort(ranks[dropped]), ranks)
    ranked = (ranks > 0) & ~dropped
    selected = selection["selected"].to_numpy() & ranked
    texts = {name: whole(selection[name]) for name in ("split", "part", "dropped_by")}
    moved = pa.array([None if each == SPLIT_CONFLICT else each for each in what], pa.string())
    nothing = pa.scalar(None, pa.string())
    changed = {
        "rank": pa.array(closed, pa.int64(), mask=~ranked),
        "selected": pa.array(selected),
        "split": pc.if_else(selected, pc.coalesce(moved, texts["split"]), nothing),
        "sample_weight": pa.array(selection["sample_weight"].fill_null(0).to_numpy(), mask=~selected),
        "part": pc.if_else(dropped, nothing, texts["part"]),
        "dropped_by": pc.if_else(dropped, pa.scalar(SPLIT_CONFLICT), texts["dropped_by"]),
    }
    columns = {name: changed.get(name, whole(selection[name])) for name in selection.column_names}
    return SELECTION.build(columns)
