"""A night keeps an earlier judgement while what was judged has changed by little: against what was judged, not against
the last night, so that small changes add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import WORTH, WORTH_CURVE, WORTH_KEPT, WORTH_SETS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.report.worth_facts import kept_words
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.store.made import Opened, digests
from windrow.tasks.storage.store.outputs import (
    MANIFEST,
    Done,
    Output,
    OutputWriter,
    fingerprint,
    is_done,
    make_output,
    open_output,
)
from windrow.tasks.storage.store.run_records import Run, latest_run
from windrow.tasks.worth.worth_config import WorthConfig

BASIS = ("version", "config", "command_files", "label_set", "seed", "backbone_id")
"""What of the inputs of a judgement must be the same as tonight's."""
COMPARED = frozenset(
    {Stage.PSEUDO_LABEL, Part.GIVEN_STATES, Part.LABEL_STATES, Part.HELD_OUT, Part.HELD_OUT_STATES, Stage.RANK}
)
KEPT = ("better", "unclear")
"""Verdicts against random that are kept: 'worse' and 'unknown' are asked again every night."""

SAID_SQL = """
SELECT sample_id, label FROM labels WHERE label_set = $label_set AND NOT abstained UNION ALL
SELECT sample_id, md5(concat_ws(chr(30), array_to_string(present, chr(31)), array_to_string(absent, chr(31)))) AS label
FROM states WHERE label_set = $label_set
"""
"""The label of each sample; where it may be of several classes, a digest of its states, which stands for them all."""
SETS_SQL = {
    "pool_changed": f"SELECT sample_id, label FROM selection LEFT JOIN ({SAID_SQL}) USING (sample_id)",
    "set_changed": f"""
        SELECT sample_id, label FROM (SELECT * FROM selection WHERE selected ORDER BY rank LIMIT $largest)
        LEFT JOIN ({SAID_SQL}) USING (sample_id)""",
    "held_out_changed": """
        SELECT sample_id, coalesce(h.label, s.label) AS label FROM held_out h LEFT JOIN (
            SELECT sample_id, md5(string_agg(concat(state, chr(31), label), chr(30) ORDER BY label)) AS label
            FROM held_out_states GROUP BY sample_id
        ) s USING (sample_id)""",
}
"""Samples and labels that a judgement is made of."""


@dataclass(frozen=True)
class Judged:
    """A judgement, the outputs of labels and selection that it was made of, and the version that came of them.

    Paths are relative to the store.
    """

    worth: str
    compared: tuple[str, ...]
    version: str


def judged_before(store: Path, name: str) -> Judged | None:
    """The judgement that the last finished run of the curated set `name` made or kept, if it published what it judged.

    None, too, where a take-down has removed what was judged.
    """
    run = latest_run(store, name)
    record = run.stage(Stage.WORTH) if run is not None else None
    if run is None or record is None or not _all_there(store, record.outputs):
        return None
    output = open_output(store / record.outputs[0])
    found = _kept(output) or _made(run, output)
    return found if found is not None and _all_there(store, (found.worth, *found.compared)) else None


def _all_there(store: Path, paths: Sequence[str]) -> bool:
    return all((store / path / MANIFEST).exists() for path in paths)


def _kept(output: Output) -> Judged | None:
    inputs = output.inputs
    return Judged(inputs["judged"], tuple(inputs["compared"]), inputs["judged_on"]) if "judged" in inputs else None


def _made(run: Run, output: Output) -> Judged | None:
    export = run.stage(Stage.EXPORT)
    if export is None or export.version is None:
        return None
    records = (run.stage(stage) for stage in (Stage.PSEUDO_LABEL, Stage.RANK))
    paths = [path for record in records if record for path in record.outputs]
    if not _all_there(run.store, paths):
        return None
    compared = tuple(path for path in paths if open_output(run.store / path).stage in COMPARED)
    return Judged(str(output.path.relative_to(run.store)), compared, Path(export.version).name)


def keep_judgement(
    store: Path, judged: Judged, outputs: Opened, inputs: Mapping[str, Any], config: WorthConfig
) -> Done | None:
    """Write an earlier judgement as tonight's, with WORTH_KEPT; None where the set has to be judged anew.

    `outputs` and `inputs` are those of tonight's judgement. It is kept where settings, backbone and code are the same,
    the verdict against random samples is one of KEPT, and no more than `config.most_changed` of the pool, of what was
    judged of the set and of the held-out samples has changed, each by samples with their labels: 1 - those in both
    over those in either.
    """
    earlier = open_output(store / judged.worth)
    label_set: str = inputs["label_set"]
    if any(fingerprint(earlier.inputs.get(name)) != fingerprint(inputs[name]) for name in BASIS) or not _tells(earlier):
        return None
    provenance = {
        **digests(outputs),
        "judged": judged.worth,
        "compared": judged.compared,
        "judged_on": judged.version,
        "label_set": label_set,
        "largest": config.largest,
        "most_changed": config.most_changed,
    }
    version: int = inputs["version"]
    changed: dict[str, float] = {}
    if not is_done(store, Stage.WORTH, version, provenance):
        then = [open_output(store / path) for path in judged.compared]
        now = [each for stage in (Stage.PSEUDO_LABEL, Stage.RANK) for each in outputs[stage] if each.stage in COMPARED]
        changed = changes(then, now, label_set, config.largest)
        if max(changed.values()) > config.most_changed:
            return None

    def write(writer: OutputWriter) -> None:
        for table in (WORTH, WORTH_SETS, WORTH_CURVE):
            writer.write(table, earlier.read(table))
        row = {"judged_on": judged.version, "changed": max(changed.values()), **changed}
        writer.write(WORTH_KEPT, WORTH_KEPT.build({name: [value] for name, value in row.items()}))
        writer.counts.update(earlier.counts, n_kept=1)

    return make_output(store, Stage.WORTH, version, provenance, write)


def _tells(judgement: Output) -> bool:
    rows = judgement.read(WORTH, ["baseline", "decides", "verdict"]).to_pylist()
    return any(row["baseline"] == "random" and row["decides"] and row["verdict"] in KEPT for row in rows)


def changes(then: Sequence[Output], now: Sequence[Output], label_set: str, largest: int) -> dict[str, float]:
    """What share of the samples with their labels is not in both, by the names of SETS_SQL."""
    before, after = _sets(then, label_set, largest), _sets(now, label_set, largest)
    return {name: _changed(before[name], after[name]) for name in SETS_SQL}


def _sets(outputs: Sequence[Output], label_set: str, largest: int) -> dict[str, pa.Table]:
    connection, values = connect(tables_of({"": outputs})), {"label_set": label_set, "largest": largest}
    found = {}
    for name, sql in SETS_SQL.items():
        asked = {key: value for key, value in values.items() if f"${key}" in sql}
        found[name] = wide(connection.sql(sql, params=asked).to_arrow_table())
    return found


def _changed(then: pa.Table, now: pa.Table) -> float:
    """1 - Jaccard index of the pairs (sample_id, label)."""
    place = pc.index_in(whole(now["sample_id"]), whole(then["sample_id"]))
    there = pc.is_valid(place)
    old, new = whole(then["label"]).take(place.filter(there)), whole(now["label"]).filter(there)
    same = pc.or_(pc.and_(pc.is_null(old), pc.is_null(new)), pc.fill_null(pc.equal(old, new), False))
    n_same = pc.sum(same).as_py() or 0
    n_either = then.num_rows + now.num_rows - n_same
    return 1 - n_same / n_either if n_either else 0.0


def told_kept(judgement: Output) -> str | None:
    """Say which version a judgement is of, and what has changed since; None of one that is tonight's own."""
    if "judged" not in judgement.inputs:
        return None
    (row,) = judgement.read(WORTH_KEPT).to_pylist()
    return kept_words(row)
