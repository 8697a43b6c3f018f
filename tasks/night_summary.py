"""A night in three lines: what came, what changed, what to look at."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.stages import Stage
from windrow.tasks.ingest.lost_samples import ids_of
from windrow.tasks.storage.published.versions import Version, diff_versions
from windrow.tasks.storage.store.run_records import Run

TO_LOOK_AT = (
    (Stage.INGEST, "n_unreadable", "files that cannot be read"),
    (Stage.FEATURES, "n_errors", "samples without an embedding"),
    (Stage.PSEUDO_LABEL, "n_doubtful", "given labels that are doubtful"),
    (Stage.EXPORT, "n_gone", "selected samples whose source is gone"),
)
"""What a run counts that somebody should look at: the stage, its count, and what that is of."""


def night_lines(run: Run, earlier: Run | None, version: Version | None, before: Version | None) -> list[str]:
    """Say what a finished run of a night came to, in three lines.

    `earlier`: the last finished run before it, `version`: the last version now, and `before`: that before the run.
    """
    return [f"came: {_came(run, earlier)}", f"changed: {_changed(version, before)}", f"to look at: {_to_look_at(run)}"]


def _came(run: Run, earlier: Run | None) -> str:
    now = ids_of(run.outputs(Stage.INGEST))
    then = ids_of(earlier.outputs(Stage.INGEST)) if earlier else pa.array([], now.type)
    n_new = len(now) - (pc.sum(pc.is_in(now, value_set=then)).as_py() or 0)
    return f"{n_new:,} new samples; the pool has {len(now):,}"


def _changed(version: Version | None, before: Version | None) -> str:
    if version is None:
        return "nothing, and there is no version yet"
    if before is None:
        return f"{version.version} is the first version, of {version.n_samples:,} samples"
    if version.version == before.version:
        return f"nothing; {version.version} stays"
    change = diff_versions(before.path, version.path)
    words = {"came in": change.added, "went out": change.removed, "relabelled": change.relabelled}
    told = ", ".join(f"{table.num_rows:,} {word}" for word, table in words.items())
    return f"{version.version}, {version.n_samples:,} samples: {told} since {before.version}"


def _to_look_at(run: Run) -> str:
    found = [stage.kept_back for stage in run.stages() if stage.kept_back]
    found += [stage.note for stage in run.stages() if stage.stage == Stage.INGEST and stage.note]
    for stage, count, words in TO_LOOK_AT:
        record = run.stage(stage)
        if record is not None and record.counts.get(count):
            found.append(f"{record.counts[count]:,} {words}")
    return "; ".join(found) or "nothing"
