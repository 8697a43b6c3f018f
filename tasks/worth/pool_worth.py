"""Worth: what the selection is worth against random sets, deduplicated ones and the last version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from windrow.schemas import WORTH, WORTH_CURVE, WORTH_SETS
from windrow.schemas.stages import Stage
from windrow.schemas.worth import WEIGHTINGS
from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.selection.balance import effective_number, normalised_entropy
from windrow.tasks.algorithms.worth.comparison import Difference, Runs
from windrow.tasks.algorithms.worth.coverage import coverage
from windrow.tasks.algorithms.worth.set_probe import FeatureProbe, JudgedPool, Probe
from windrow.tasks.algorithms.worth.set_quality import qualities, variance_of_runs
from windrow.tasks.algorithms.worth.version_worth import (
    Judging,
    LastVersion,
    WorthOfVersion,
    random_set,
    worth_of_version,
)
from windrow.tasks.labels.states.one_class import several_classes
from windrow.tasks.report.thumbnails import sample_reader
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, OutputWriter, is_done, make_output
from windrow.tasks.storage.store.pool import read_pool
from windrow.tasks.worth.command_probe import CommandProbe
from windrow.tasks.worth.command_words import command_files
from windrow.tasks.worth.held_out import LEAST
from windrow.tasks.worth.judged_selection import (
    JudgedSelection,
    class_counts,
    last_version,
    read_judged,
    version_classes,
)
from windrow.tasks.worth.kept_judgement import Judged, keep_judgement
from windrow.tasks.worth.version_before import has_states, version_before
from windrow.tasks.worth.worth_config import WorthConfig

VERSION = 4
READ = (Stage.FEATURES, Stage.CLUSTER, Stage.PSEUDO_LABEL, Stage.RANK)
MOST_CLASSES = 100
ASKED = 2000
"""Samples of the pool whose distance to the nearest of a set is taken."""

Row = dict[str, Any]


def measure_worth(
    store: Path,
    made: Made,
    name: str,
    label_set: str,
    config: WorthConfig,
    seed: int,
    note: Callable[[str], None] = lambda _: None,
    judged_earlier: Judged | None = None,
) -> Done:
    """Write WORTH, WORTH_SETS and WORTH_CURVE of the selection; `label_set` is what probes train on.

    The last version is that of the curated set `name`. Where nothing can be told the verdict is 'unknown', and `why`
    says what is missing. note: told now and then what it is at. judged_earlier: what may be kept instead, see
    `keep_judgement`. Raises ValueError where a command of the config fails.
    """
    outputs = made.opened(store, *READ)
    connection = connect(tables_of(outputs))
    before = version_before(store, name, connection, label_set)

    def write(writer: OutputWriter) -> None:
        is_alike = before is not None and has_states(before) == several_classes(connection)
        others = version_classes(before) if before is not None and is_alike else []
        judged = read_judged(connection, read_pool(outputs[Stage.FEATURES]), label_set, others)
        last = None if before is None else last_version(before, judged, config.largest)
        judging = judging_of(judged.pool, config, seed)
        if config.command:
            read = partial(_bytes, store, made)
            ids = (judged.sample_ids, judged.evaluated)
            limits = (config.command, config.command_seconds)
            judging = replace(judging, probe=CommandProbe(*limits, *ids, judged.classes, writer.work, read, note))
        worths, rows = _compared(judged, last, judging, config)
        sets = list(_sets(judged, last, config, seed))
        curve = [row for weighting, worth in worths.items() for row in _curve(weighting, worth, judged.pool)]
        for table, found in ((WORTH, rows), (WORTH_SETS, sets), (WORTH_CURVE, curve)):
            writer.write(
                table, table.build({column.name: [row.get(column.name) for row in found] for column in table.columns})
            )
        writer.counts.update(n_comparisons=len(rows), n_sets=len(sets), n_curve_points=len(curve))

    inputs = {
        **digests(outputs),
        "config": {name: value for name, value in asdict(config).items() if name != "most_changed"},
        "backbone_id": outputs[Stage.FEATURES][0].inputs.get("backbone_id"),
        "command_files": command_files(config.command),
        "label_set": label_set,
        "last": None if before is None else before.fingerprint,
        "seed": seed,
    }
    if judged_earlier is not None and not is_done(store, Stage.WORTH, VERSION, inputs):
        kept = keep_judgement(store, judged_earlier, outputs, {"version": VERSION, **inputs}, config)
        if kept is not None:
            return kept
    return make_output(store, Stage.WORTH, VERSION, inputs, write)


def _bytes(store: Path, made: Made, sample_ids: Sequence[str]) -> Iterable[tuple[str, bytes | SampleGone]]:
    """The bytes of samples of the pool, in the order in which they lie in its sources."""
    return sample_reader(connect(tables_of(made.opened(store, Stage.INGEST))), store)(sample_ids)


def judging_of(pool: JudgedPool, config: WorthConfig, seed: int) -> Judging:
    """How sets are judged by a probe on frozen features, as the config says."""
    probe: Probe = config.probe if config.probe != "auto" else _probe(pool)
    return Judging(FeatureProbe(probe), config.n_seeds, config.largest, seed)


def _probe(pool: JudgedPool) -> Probe:
    return "logistic" if pool.states is not None or pool.n_classes <= MOST_CLASSES else "knn"


def why_unknown(judged: JudgedSelection) -> str | None:
    """Why nothing can be told of a selection; None where something can."""
    n_groups = len(np.unique(judged.groups))
    if not len(judged.ranked):
        return "nothing was selected"
    if not n_groups:
        if judged.pool.states is not None:
            both = "some of a class that is present and some of which it is absent"
            return f"it takes some 300 samples with given states, a part of them held out, {both}"
        return "it takes some 300 given labels, a part of them held out, or a labelled file at worth.evaluate"
    if n_groups < LEAST:
        return f"the held-out samples are {n_groups} independent groups, and {LEAST} are the least that can tell"
    if not _teaches(judged):
        return f"no selected sample has a {'label' if judged.pool.states is None else 'state'} of the evaluated classes"
    return None


def _teaches(judged: JudgedSelection) -> bool:
    """Whether the selection has a label of an evaluated class; of states, two that are different."""
    pool = judged.pool
    if pool.states is None:
        return bool(np.isin(pool.labels[judged.ranked], pool.truth).any())
    n_present, n_absent = pool.states.take(judged.ranked).n_known()
    return bool((np.minimum(n_present, n_absent)[pool.truth // 2] > 0).any())


def weighs_classes(pool: JudgedPool, config: WorthConfig) -> bool:
    """Whether the probe whose verdict counts weighs classes equally; states always weigh so, see `right_of_states`."""
    return config.class_weighted or pool.states is not None


def _compared(
    judged: JudgedSelection, last: LastVersion | str | None, judging: Judging, config: WorthConfig
) -> tuple[dict[str, WorthOfVersion], list[Row]]:
    """The worth by the weighting of the probe, and the rows of WORTH."""
    unknown = why_unknown(judged)
    no_last = last if isinstance(last, str) else _too_few(judged, last)
    worths: dict[str, WorthOfVersion] = {}
    rows: list[Row] = []
    decides = weighs_classes(judged.pool, config)
    for weighting in [WEIGHTINGS[decides]] if config.command or judged.pool.states is not None else WEIGHTINGS:
        weighted = weighting == "class_weighted"
        same = {
            "weighting": weighting,
            "decides": weighted == decides,
            "probe": judging.probe.name,
            "n_evaluated": len(judged.evaluated),
            "n_groups": len(np.unique(judged.groups)),
        }
        if unknown is None:
            usable = last if isinstance(last, LastVersion) and no_last is None else None
            worths[weighting] = worth_of_version(
                judged.pool, judged.groups, judged.ranked, judged.distinct, usable, judging, weighted
            )
            rows += _told(same, worths[weighting], judging)
        else:
            rows.append({**same, **_unknown(judged, "random", unknown)})
        if last is not None and (unknown or no_last):
            rows.append({**same, **_unknown(judged, "last", unknown or no_last)})
    return worths, rows


def _too_few(judged: JudgedSelection, last: LastVersion | None) -> str | None:
    if last is None or len(np.unique(judged.groups[last.usable])) >= LEAST:
        return None
    return f"fewer than {LEAST} groups of the evaluated samples had no part in the last version"


def _unknown(judged: JudgedSelection, baseline: str, why: str | None) -> Row:
    return {"baseline": baseline, "verdict": "unknown", "why": why, "n_samples": len(judged.ranked), "n_seeds": 0}


def _told(same: Row, worth: WorthOfVersion, judging: Judging) -> Iterator[Row]:
    times = worth.multiplier
    n_random = next(len(runs.right) for runs in worth.curve if runs.size == worth.n)
    yield {
        **same,
        **_difference("random", worth.n, n_random, worth.random),
        "multiplier": times.value,
        "multiplier_low": times.low,
        "multiplier_high": times.high,
        "told": times.told,
    }
    if worth.deduplicated is not None:
        yield {**same, **_difference("deduplicated", worth.n, judging.n_seeds, worth.deduplicated)}
    if worth.last is not None:
        yield {**same, **_difference("last", worth.last[0], 1, worth.last[1])}


def _difference(baseline: str, n: int, n_seeds: int, found: Difference) -> Row:
    return {
        "baseline": baseline,
        "verdict": found.verdict,
        "n_samples": n,
        "n_seeds": n_seeds,
        "quality": found.quality,
        "baseline_quality": found.other,
        "difference_low": found.low,
        "difference_high": found.high,
    }


def _curve(weighting: str, worth: WorthOfVersion, pool: JudgedPool) -> Iterator[Row]:
    for runs in worth.curve:
        yield {
            "weighting": weighting,
            "n_samples": runs.size,
            "n_seeds": len(runs.right),
            "quality": float(qualities(runs.right, pool.truth, np.ones((1, len(pool.truth)))).mean()),
            "deviation": _deviation(runs, pool),
        }


def _deviation(runs: Runs, pool: JudgedPool) -> float:
    return float(np.sqrt(variance_of_runs(runs.right, pool.truth, pool.sample))) if len(runs.right) > 1 else 0.0


def _sets(judged: JudgedSelection, last: LastVersion | str | None, config: WorthConfig, seed: int) -> Iterator[Row]:
    """What the sets are like: the whole selection and last version, and random sets as large as the selection."""
    n, every = len(judged.ranked), np.arange(len(judged.sample_ids))
    if not n:
        return
    asked = random_set(every, ASKED, (seed, 4))
    yield {"set": "curated", **_like(judged, judged.ranked, asked)}
    for baseline, candidates, kind in (("random", every, 0), ("deduplicated", judged.distinct, 2)):
        if baseline == "random" or len(candidates) < len(every):
            size = min(n, len(candidates))
            drawn = [random_set(candidates, size, (seed, kind, size, run)) for run in range(config.n_seeds)]
            found = [_like(judged, rows, asked) for rows in drawn]
            yield {
                "set": baseline,
                **{key: _mean([each[key] for each in found]) for key in found[0]},
                "n_samples": size,
            }
    if isinstance(last, LastVersion):
        yield {"set": "last", **_like(judged, last.rows, asked)}


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def _like(judged: JudgedSelection, rows: Int64Array, asked: Int64Array) -> Row:
    counts = class_counts(judged, rows)
    near = coverage(judged.pool.features, rows, asked)
    n_given = len(counts["given"])
    return {
        "n_samples": len(rows),
        "n_labelled": len(counts["labelled"]),
        "n_given": n_given,
        "balance": normalised_entropy(counts["classes"]) if n_given >= LEAST else None,
        "radius": near.radius,
        "radius_95": near.radius_95,
        "effective_clusters": effective_number(counts["clusters"]),
    }
