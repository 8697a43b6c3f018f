"""Ranking: filters, near-duplicates, and one column `rank` whose every prefix is a set of the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import (
    ASSIGNMENTS,
    EMBEDDINGS,
    LABEL_STATES,
    LABELS,
    LEAKS,
    NEAR_DUPLICATE_THRESHOLD,
    OCCURRENCES,
    SAMPLES,
)
from windrow.schemas.selection import RANKING
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.clusters.known_graph import exact_graph, read_graph
from windrow.tasks.corrections.taken import read_taken
from windrow.tasks.selection.candidates import Evidence, check_expression, read_evidence
from windrow.tasks.selection.contenders import Contenders, cluster_paths, contenders
from windrow.tasks.selection.curated_order import CuratedOrder, curated_order, expressions_of, predicates_of
from windrow.tasks.selection.empty_columns import check_filled, empty_columns
from windrow.tasks.selection.kept_before import RankedBefore, known_far
from windrow.tasks.selection.proposed_threshold import threshold_of
from windrow.tasks.selection.selection_config import (
    CAP,
    HELD_OUT,
    LEAK,
    NEAR_DUPLICATE,
    NO_PART,
    Filter,
    SelectionConfig,
    Split,
)
from windrow.tasks.selection.set_of_size import of_every_size, strata_column
from windrow.tasks.selection.sets_beside import embeddings_beside, targets_beside
from windrow.tasks.selection.splits import UNCLAIMED, claimed_splits, group_samples
from windrow.tasks.selection.standing_occurrences import Standing, breaking, decide_standing, see_each_occurrence
from windrow.tasks.selection.steering import Steering, kept_first, steering
from windrow.tasks.storage.catalog.connections import USER_SQL
from windrow.tasks.storage.catalog.views import connect, let_stand, tables_of
from windrow.tasks.storage.files.whole_columns import whole, wide
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output
from windrow.tasks.storage.store.pool import Pool, read_pool

VERSION = 4
SEEN = (
    *(Stage.INGEST, Stage.HASH_GROUPS, Stage.MODEL_SCORES, Stage.FEATURES, Stage.NEIGHBORS, Stage.CLUSTER),
    *(Stage.PSEUDO_LABEL, Part.LEAKS, Part.REFERENCE_WEIGHTS),
)
"""The stages whose tables a filter can ask."""


def rank_pool(store: Path, made: Made, config: SelectionConfig, seed: int, before: RankedBefore | None = None) -> Done:
    """Write RANKING: one row for every readable sample, in the order of `sample_id`. It is the same for every size.

    A filter sees what all earlier stages have made. Where the k-NN graph is not exact, near-duplicates are looked for
    without it: n_pairs and n_compared count the pairs of samples, and those that were compared. before: the last
    night's; what it kept is not compared again, which changes no answer but n_compared.
    """
    outputs, beside = made.opened(store, *SEEN), targets_beside(store, made, config)
    corrected = made.opened(store, Part.SELECTION_CORRECTIONS)[Part.SELECTION_CORRECTIONS]

    def write(writer: OutputWriter) -> None:
        rows = pool_rows(outputs)
        pool = read_pool(outputs[Stage.FEATURES])
        connection = connect(tables_of(outputs), USER_SQL)
        standing = decide_standing(connection, config.filters).of(whole(rows["sample_id"]))
        let_stand(connection, standing.occurrence_ids)
        broken = _with_held_out(connection, standing)
        steered = steering(read_taken(corrected), whole(rows["sample_id"]))
        broken = steered.applied(broken, HELD_OUT)
        broken = _without_leaks(broken, outputs[Part.LEAKS], rows["sample_id"])
        embedded = pc.is_valid(rows["cluster_path"]).to_numpy()
        targets = {place: embeddings_beside(place, found) for place, found in beside.items()}
        needs = {need for policy in config.policies() for need in policy.needs}
        evidence = read_evidence(connection, outputs, embedded, needs, expressions_of(config), targets)
        proposed = threshold_of(outputs[Stage.NEIGHBORS][0], config)
        threshold = proposed.threshold
        graph = exact_graph(outputs[Stage.NEIGHBORS][0])
        known = None
        if graph is None:
            ids = whole(rows["sample_id"])
            known = known_far(store, before, outputs[Stage.FEATURES], corrected, ids, threshold, steered.apart)
        them = contenders(rows, pool, broken, config, threshold, graph, steered, known)
        ranking = ranked_columns(rows, pool, them, config, seed, evidence, steered)
        near = graph or read_graph(outputs[Stage.NEIGHBORS][0])
        groups = _groups(rows, pool, near, ranking["duplicate_of"], threshold)
        placed = {"sample_id": rows["sample_id"], "occurrence_id": standing.occurrence_ids, "group_id": groups}
        split = _claims(connection, whole(rows["sample_id"]), config)
        writer.write(RANKING, RANKING.build({**ranking, **placed, **split}))
        told = {"threshold": [threshold], "how": [proposed.how]}
        writer.write(NEAR_DUPLICATE_THRESHOLD, NEAR_DUPLICATE_THRESHOLD.build(told))
        writer.counts["n_samples"] = rows.num_rows
        if graph is None and config.drop_near_duplicates:
            writer.counts.update(n_pairs=them.n_pairs, n_compared=them.n_compared)

    inputs = {
        **digests(outputs),
        **digests(beside),
        "config": of_every_size(config),
        "seed": seed,
        "split_ids": [file_digest(Path(split.ids)) for split in config.splits if split.ids is not None],
    }
    if corrected:
        inputs["corrections"] = digests({"corrections": corrected})["corrections"]
    return make_output(store, Part.RANKING, VERSION, inputs, write)


def _claims(connection: Any, sample_ids: pa.Array, config: SelectionConfig) -> dict[str, pa.Array]:
    """What decides on splits beside groups: who claims each sample, and its label where splits are stratified."""
    claimed = claimed_splits(connection, config.splits, sample_ids)
    names = pa.array([split.name for split in config.splits], pa.string())
    columns = {"claimed": names.take(pa.array(claimed, mask=claimed == UNCLAIMED))}
    if config.stratify_splits:
        labels = connection.sql("SELECT coalesce(given_label, label) AS label FROM pool ORDER BY sample_id")
        columns["label"] = whole(labels.to_arrow_table()["label"])
    return columns


def pool_rows(outputs: Mapping[str, Sequence[Output]]) -> pa.Table:
    """Every readable sample, by `sample_id`, with what ranking needs to know of it."""
    asked = (SAMPLES, ASSIGNMENTS, LABELS, LABEL_STATES, OCCURRENCES, EMBEDDINGS)
    connection = connect(tables_of(outputs), only=asked)
    return wide(
        connection.sql("""
        SELECT s.sample_id, a.cluster_path, a.distance, s.width::BIGINT * s.height AS n_pixels,
               g.label IS NOT NULL OR t.sample_id IS NOT NULL AS has_label, o.group_name, e.error
        FROM samples s
        LEFT JOIN assignments a USING (sample_id)
        LEFT JOIN (SELECT sample_id, label FROM labels WHERE label_set = 'given') g USING (sample_id)
        LEFT JOIN (
            SELECT DISTINCT sample_id FROM label_states WHERE label_set = 'given' AND state <> 'unknown'
        ) t USING (sample_id)
        LEFT JOIN (SELECT sample_id, min("group") AS group_name FROM occurrences GROUP BY sample_id) o USING (sample_id)
        LEFT JOIN (SELECT sample_id, error FROM embeddings) e USING (sample_id)
        ORDER BY s.sample_id
    """).to_arrow_table()
    )


def _with_held_out(connection: Any, standing: Standing) -> list[str | None]:
    """Return for each sample that it is held out, or the name of the first filter that it breaks."""
    held_out = pc.is_in(
        standing.sample_ids, whole(connection.sql("SELECT sample_id FROM held_out").to_arrow_table()[0])
    )
    return pc.if_else(held_out, HELD_OUT, standing.broken).to_pylist()  # type: ignore[no-any-return]


def _without_leaks(broken: Sequence[str | None], leaks: Sequence[Output], sample_ids: pa.Array) -> list[str | None]:
    """What is a leak is dropped as that, whatever filter it breaks too."""
    found = {name for output in leaks for name in output.read(LEAKS, ["sample_id"])["sample_id"].to_pylist()}
    return [LEAK if name in found else rule for name, rule in zip(sample_ids.to_pylist(), broken, strict=True)]


def check_sql(config: SelectionConfig, has_scores: bool = True, has_states: bool = False) -> None:
    """Raise ValueError for a filter that is no SQL predicate over `pool`, or another expression that is none.

    So it does where one asks a column that nothing would fill. Costs little, so it goes first. `has_states`: whether
    samples may be of several classes.
    """
    _check_sql(config.filters, expressions_of(config), predicates_of(config), config.splits, has_states)
    rules = [(f"selection.filters: rule {rule.name!r}", rule.keep) for rule in config.filters]
    splits = [(f"selection.splits: {split.name!r}", split.where) for split in config.splits if split.where]
    asked = (*rules, *splits, *(("selection", sql) for sql in expressions_of(config)))
    check_filled(asked, tuple(empty_columns(bool(config.reference), has_scores).items()), has_states)


@cache
def _check_sql(
    filters: tuple[Filter, ...],
    expressions: tuple[str, ...],
    predicates: tuple[str, ...],
    splits: tuple[Split, ...],
    has_states: bool,
) -> None:
    connection = connect({}, USER_SQL, has_states=has_states)
    see_each_occurrence(connection)
    for rule in filters:
        breaking(connection, rule)
    for sql in expressions:
        check_expression(connection, sql, is_predicate=sql in predicates)
    claimed_splits(connection, splits, pa.nulls(0, pa.string()))


def curated_ranks(
    rows: pa.Table, pool: Pool, them: Contenders, config: SelectionConfig, seed: int, evidence: Evidence | None
) -> CuratedOrder:
    """Rank what is left to rank, in the order of `them.ranked`."""
    facts = rows.take(pa.array(them.ranked))
    embeddings = pool.embeddings[them.in_pool[them.duplicate_of < 0]]
    known = evidence or Evidence()
    candidates = known.candidates(facts, cluster_paths(facts["cluster_path"]), them.ranked, embeddings)
    return curated_order(candidates, config, seed, known.targets)


def ranked_columns(
    rows: pa.Table,
    pool: Pool,
    them: Contenders,
    config: SelectionConfig,
    seed: int,
    evidence: Evidence | None = None,
    steered: Steering | None = None,
) -> dict[str, Any]:
    """Return the columns of RANKING that the policy decides, in the order of `rows` (by `sample_id`).

    them: what is left of them to rank; steered: by whose hands.
    """
    steered = steered or Steering.none(len(rows))
    found = curated_ranks(rows, pool, them, config, seed, evidence)
    ranked, kept = them.ranked, them.duplicate_of < 0
    place = kept_first(found.place, steered.keep[ranked])
    dropped_by = list(them.dropped_by)
    n = len(rows)
    ranks, part = np.zeros(n, np.int64), np.full(n, -1)
    ranks[ranked], part[ranked] = place, found.part
    for row in ranked[place == 0]:
        dropped_by[row] = NO_PART
    for row in ranked[found.capped & (place == 0)]:
        dropped_by[row] = CAP
    original = np.full(n, -1)
    original[them.rows[~kept]] = them.rows[them.duplicate_of[~kept]]
    similarities = np.zeros(n, np.float32)
    similarities[them.rows] = them.similarity
    for row in them.rows[~kept]:
        dropped_by[row] = NEAR_DUPLICATE
    return {
        "rank": pa.array(ranks, mask=ranks == 0),
        "part": pa.array([each.name for each in config.parts], pa.string()).take(
            pa.array(part, mask=(ranks == 0) | (not config.parts))
        ),
        "dropped_by": pa.array(dropped_by, pa.string()),
        "duplicate_of": whole(rows["sample_id"]).take(pa.array(original, mask=original < 0)),
        "similarity": pa.array(similarities, mask=original < 0),
        "strata": strata_column(n, ranked, found.strata),
    }


def _groups(rows: pa.Table, pool: Pool, graph: NeighborGraph, duplicates: pa.Array, threshold: float) -> pa.Array:
    """Join samples that are near-duplicates, by the k-NN graph and by what was dropped, or that share a group."""
    sample_ids = whole(rows["sample_id"])
    row_of = np.asarray(pc.index_in(pool.sample_ids, sample_ids))
    near = np.argwhere(graph.similarity >= threshold)
    pairs = np.stack([row_of[near[:, 0]], row_of[graph.indices[near[:, 0], near[:, 1]]]], axis=1)
    dropped = np.flatnonzero(pc.is_valid(duplicates).to_numpy(zero_copy_only=False))
    originals = np.asarray(pc.index_in(duplicates.take(pa.array(dropped)), sample_ids))
    pairs = np.concatenate([pairs, np.stack([dropped, originals], axis=1)]).astype(np.int64)
    return group_samples(sample_ids, pairs, rows["group_name"].to_pylist())
