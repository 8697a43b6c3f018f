"""The pool is ranked, and what the selection is worth is measured."""

from __future__ import annotations

from dataclasses import replace

from windrow.schemas.stages import Part, Stage
from windrow.tasks.curation_under_way import Curation, paths_of
from windrow.tasks.report.formats import of_pairs
from windrow.tasks.runner import Work
from windrow.tasks.selection.estimated_balance import estimate_balance
from windrow.tasks.selection.frozen_splits import freeze_splits
from windrow.tasks.selection.kept_away import leaks_of_pool
from windrow.tasks.selection.kept_before import ranked_before
from windrow.tasks.selection.pool_ranking import rank_pool
from windrow.tasks.selection.reference_weights import weigh_by_reference
from windrow.tasks.selection.selection_config import KEEP_AWAY, REFERENCE
from windrow.tasks.selection.set_of_size import take_set
from windrow.tasks.steps.embedding_steps import near_duplicates_from
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.worth.gates import held_at_gates
from windrow.tasks.worth.guard import kept_back
from windrow.tasks.worth.kept_judgement import Judged, judged_before, told_kept
from windrow.tasks.worth.pool_worth import measure_worth

FIND_LEAKS = Work("find-leaks", leaks_of_pool)
WEIGH_BY_REFERENCE = Work("weigh-by-reference", weigh_by_reference)
RANK = Work("rank", rank_pool)
TAKE_SET = Work("take-set", take_set)
FREEZE_SPLITS = Work("freeze-splits", freeze_splits)
ESTIMATE_BALANCE = Work("estimate-balance", estimate_balance)
MEASURE_WORTH = Work("measure-worth", measure_worth)


def rank(curation: Curation) -> None:
    """Decide which samples are selected, and why the others are not; estimate what that makes of the classes."""
    config = curation.config
    with curation.stage(Stage.RANK) as log, curation.progress("rank", 1):
        beside = [*_leaks(curation), *_reference(curation), *_taken(curation)]
        before = ranked_before(curation.store, config.name)
        ranking: Done = curation.here(RANK, curation.store, curation.made, config.selection, config.seed, before)
        ranked: Done = curation.here(TAKE_SET, curation.store, ranking, config.selection, config.seed)
        ranked = curation.here(FREEZE_SPLITS, curation.store, ranked, config.name, config.selection.splits)
        log.done, log.n_samples = [ranked, *beside], ranked.counts["n_samples"]
        if "n_pairs" in ranking.counts:
            log.note = f"near-duplicates: {of_pairs(ranking.counts['n_compared'], ranking.counts['n_pairs'])}"
        curation.made = replace(curation.made, rank=paths_of(log.done))
        judging = (curation.store, curation.made, config.labels.least_belonging, config.seed)
        log.done.append(curation.here(ESTIMATE_BALANCE, *judging))


def _taken(curation: Curation) -> list[Done]:
    """The corrections of the selection, which were taken after ingest."""
    found = curation.made.opened(curation.store, Part.SELECTION_CORRECTIONS)[Part.SELECTION_CORRECTIONS]
    return [Done(str(output.path.relative_to(curation.store)), True, output.counts) for output in found]


def _leaks(curation: Curation) -> list[Done]:
    """Find what of the pool is a near-duplicate of what it is kept away from, where there is such a set."""
    if KEEP_AWAY not in curation.made.beside:
        return []
    max_distance = curation.config.hashes.max_distance
    done = [curation.here(FIND_LEAKS, curation.store, curation.made, near_duplicates_from(curation), max_distance)]
    curation.made = replace(curation.made, leaks=paths_of(done))
    return done


def _reference(curation: Curation) -> list[Done]:
    """Weigh the pool by the reference set, where there is one."""
    if REFERENCE not in curation.made.beside:
        return []
    done = [curation.here(WEIGH_BY_REFERENCE, curation.store, curation.made, curation.config.seed)]
    curation.made = replace(curation.made, reference_weights=paths_of(done))
    return done


def worth(curation: Curation) -> None:
    """Measure what the selection is worth, and let the guard look at it; where nobody is, the gates too."""
    config, store = curation.config, curation.store
    with curation.stage(Stage.WORTH) as log, curation.progress("worth", 1) as progress:
        args = (store, curation.made, config.name, config.export.label_set, config.worth, config.seed, progress.note)
        done: Done = curation.here(MEASURE_WORTH, *args, _judged_before(curation))
        log.done, log.note = [done], told_kept(open_output(store / done.path))
        curation.made = replace(curation.made, worth=(done.path,))
        curation.kept_back = kept_back(store, done.path, config.selection.guard)
        if curation.kept_back is None and not curation.attended:
            curation.kept_back = held_at_gates(store, config.name, curation.made, config.export.label_set, config.gates)


def _judged_before(curation: Curation) -> Judged | None:
    """The judgement that a night may keep. What the last version is worth beside tonight's set only tonight can say."""
    config = curation.config
    if curation.attended or not config.worth.most_changed or config.selection.guard == "last":
        return None
    return judged_before(curation.store, config.name)
