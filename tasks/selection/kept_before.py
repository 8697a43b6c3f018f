"""What the last night's ranking kept of near-duplicates: of these no two are alike, and they are not compared again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import EMBEDDINGS, SELECTION, TAKEN_CORRECTIONS
from windrow.schemas import NEAR_DUPLICATE_THRESHOLD as THRESHOLD
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import BoolArray, Int64Array
from windrow.tasks.selection.selection_config import CAP, NO_PART
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import MANIFEST, Output, open_output
from windrow.tasks.storage.store.run_records import latest_run


@dataclass(frozen=True)
class RankedBefore:
    """An output with SELECTION, of a run that dropped near-duplicates in the whole pool, the features that it was made
    of, and the corrections of what is a near-duplicate; paths relative to the store.
    """

    selection: str
    features: tuple[str, ...]
    corrections: tuple[str, ...]


def ranked_before(store: Path, name: str) -> RankedBefore | None:
    """What the last finished run of the curated set `name` ranked, by this version of the code, where that says what is
    far from what.
    """
    run = latest_run(store, name)
    if run is None or run.code_version != version("windrow"):
        return None
    features, ranked, asked = run.stage(Stage.FEATURES), run.stage(Stage.RANK), run.config.get("selection", {})
    if features is None or ranked is None:
        return None
    if not asked.get("drop_near_duplicates") or asked.get("near_duplicates_within") != 0:
        return None
    if not all((store / path / MANIFEST).exists() for path in (*features.outputs, *ranked.outputs)):
        return None
    selection, *beside = (open_output(store / path) for path in ranked.outputs)
    if not _has(selection, THRESHOLD.name):  # runs of old did not say theirs
        return None
    corrections = (str(each.path.relative_to(store)) for each in beside if _has(each, TAKEN_CORRECTIONS.name))
    return RankedBefore(ranked.outputs[0], features.outputs, tuple(corrections))


def known_far(
    store: Path,
    before: RankedBefore | None,
    features: Sequence[Output],
    corrections: Sequence[Output],
    sample_ids: pa.Array,
    threshold: float,
    apart: Int64Array,
) -> BoolArray:
    """Which of some samples (m,) are known to be no near-duplicates of each other at this threshold, bool (m,).

    features, corrections: tonight's; apart: (m', 2) rows of the samples, pairs that are not compared. Those that the
    last night kept, where their embeddings are the same and the threshold has not fallen since.
    """
    none = np.zeros(len(sample_ids), np.bool_)
    if before is None:
        return none
    now, by_hand = (tuple(str(each.path.relative_to(store)) for each in outputs) for outputs in (features, corrections))
    if tuple(path for path in now if path in before.features) != before.features or by_hand != before.corrections:
        return none
    ranked = open_output(store / before.selection)
    known = [output for output, path in zip(features, now, strict=True) if path in before.features]
    if any(each.finished_at > ranked.finished_at for each in known):  # made anew: it may have other last digits
        return none
    try:
        then, table = ranked.read(THRESHOLD), ranked.read(SELECTION, ["sample_id", "dropped_by"])
    except (OSError, ValueError):  # it is damaged, which `windrow verify` tells; nothing of tonight depends on it
        return none
    if then["threshold"][0].as_py() > threshold:
        return none
    was_kept = pc.or_(pc.is_null(table["dropped_by"]), pc.is_in(table["dropped_by"], pa.array([NO_PART, CAP])))
    far = _among(sample_ids, [table.filter(was_kept)])
    # Of a sample that lies in several outputs the first counts: in others its embedding may have other last digits.
    others = [output for output, path in zip(features, now, strict=True) if path not in before.features]
    far &= ~_among(sample_ids, [each.read(EMBEDDINGS, ["sample_id"]) for each in others if each.counts["n_samples"]])
    far[apart.ravel()] = False
    return far


def _among(sample_ids: pa.Array, tables: Sequence[pa.Table]) -> BoolArray:
    found = np.zeros(len(sample_ids), np.bool_)
    for table in tables:
        found |= pc.is_in(sample_ids, whole(table["sample_id"])).to_numpy(zero_copy_only=False)
    return found


def _has(output: Output, table: str) -> bool:
    return f"{table}.parquet" in output.files
