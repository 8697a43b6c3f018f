"""What holds between the tables of a finished run, beside what their declarations say: SQL that counts what breaks it.

The views are those of the catalog, `exported_samples` and `gone` of the run's export, and `all_samples`, `all_quality`
and `all_embeddings`, which have a sample once for every shard that it lies in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from windrow.schemas import POOL
from windrow.schemas.exported import REST
from windrow.schemas.forgotten import FORGOTTEN_BY
from windrow.schemas.selection import OUTCOME_KINDS
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.views import JOINED_SQL


@dataclass(frozen=True)
class Invariant:
    """`sql` counts the rows of `table` that break it; `broken` follows their number and says what is wrong."""

    table: str
    broken: str
    sql: str


def _where(table: str, broken: str, condition: str) -> Invariant:
    return Invariant(table, broken, f"SELECT count(*) FROM {table} WHERE {condition}")


def _within(table: str, broken: str, other: str, of: str = "TRUE", key: str = "sample_id") -> Invariant:
    """Rows of `table`, those `of` a condition, are in `other` by their `key`."""
    return Invariant(
        table, broken, f"SELECT count(*) FROM (SELECT * FROM {table} WHERE {of}) ANTI JOIN {other} USING ({key})"
    )


_OF_POOL = ", ".join(column.name for column in POOL.columns)  # the view may have states of classes beside
_READABLE = "(SELECT sample_id FROM occurrences WHERE unreadable IS NULL)"
_EMBEDDED = "(SELECT DISTINCT sample_id FROM all_embeddings WHERE error IS NULL)"
_WANTED = (
    "(SELECT * FROM selection WHERE selected"
    f" OR (rank IS NOT NULL AND EXISTS (SELECT 1 FROM exported_samples WHERE split = '{REST}')))"
)
_EXPORTED = "(SELECT sample_id FROM outcomes WHERE outcome = 'exported')"
_PLACES = """(
    SELECT sample_id, level, cluster_path[level] AS cluster_id, cluster_path[level + 1] AS parent_id
    FROM (SELECT *, unnest(range(1, len(cluster_path) + 1)) AS level FROM assignments)
)"""
_MEMBERS = """(
    SELECT level + 1 AS level, parent_id AS cluster_id, count(*) AS n FROM clusters GROUP BY ALL
    UNION ALL SELECT 1, cluster_path[1], count(*) FROM assignments GROUP BY ALL
)"""

_SEEN = (
    _within("occurrences", "are readable, but of no sample", "samples", "unreadable IS NULL"),
    _within("samples", "have no readable occurrence", _READABLE),
    Invariant(
        "samples",
        "are described in two ways",
        "SELECT count(*) FROM (SELECT 1 FROM all_samples s GROUP BY sample_id HAVING count(DISTINCT s) > 1)",
    ),
    _within("samples", "have no row in embeddings", "embeddings"),
    Invariant(
        "hash_groups",
        "groups have another number of samples than they say",
        "SELECT count(*) FROM (SELECT 1 FROM hash_groups GROUP BY group_id HAVING count(*) <> max(n_in_group))",
    ),
    Invariant(
        "quality",
        "samples have no measures, though others have",
        "SELECT abs((SELECT count(*) FROM all_samples) - n) FROM (SELECT count(*) AS n FROM all_quality) WHERE n > 0"
        " UNION ALL SELECT 0 LIMIT 1",
    ),
    _where("all_embeddings", "have both a vector and an error, or neither", "(embedding IS NULL) = (error IS NULL)"),
    *(
        Invariant(
            "embeddings",
            f"have a vector, but no row in {table}",
            f"SELECT count(*) FROM {_EMBEDDED} ANTI JOIN {table} USING (sample_id)",
        )
        for table in ("neighbors", "scores", "assignments")
    ),
    *(_within(table, "are of samples without a vector", _EMBEDDED) for table in ("neighbors", "scores", "assignments")),
    Invariant(
        "neighbors",
        "positions are missing",
        "SELECT coalesce(max(position) + 1, 0) - count(DISTINCT position) FROM neighbors",
    ),
    _where(
        "neighbors",
        "name a neighbour that is none",
        "list_min(neighbors) < 0 OR list_max(neighbors) >= (SELECT count(*) FROM neighbors) "
        "OR list_contains(neighbors, position)",
    ),
)

_CLUSTERED = (
    Invariant(
        "clusters",
        "numbers of clusters are missing",
        "SELECT coalesce(sum(n), 0) FROM (SELECT max(cluster_id) + 1 - count(*) AS n FROM clusters GROUP BY level)",
    ),
    Invariant(
        "clusters",
        "have no parent, or one that is not there",
        "SELECT count(*) FROM clusters c ANTI JOIN clusters p ON p.level = c.level + 1 AND p.cluster_id = c.parent_id "
        "WHERE c.parent_id IS NOT NULL OR c.level < (SELECT max(level) FROM clusters)",
    ),
    Invariant(
        "clusters",
        "have another number of members than they say",
        f"SELECT count(*) FROM clusters LEFT JOIN {_MEMBERS} m USING (level, cluster_id) "
        "WHERE n_members <> coalesce(m.n, 0)",
    ),
    Invariant(
        "clusters",
        "have another number of samples than they say",
        "SELECT count(*) FROM clusters LEFT JOIN "
        f"(SELECT level, cluster_id, count(*) AS n FROM {_PLACES} GROUP BY ALL) p "
        "USING (level, cluster_id) WHERE n_samples <> coalesce(p.n, 0)",
    ),
    Invariant(
        "assignments",
        "places are in no cluster, or in one that is not below the next",
        f"SELECT count(*) FROM {_PLACES} a ANTI JOIN clusters c ON a.level = c.level AND a.cluster_id = c.cluster_id "
        "AND a.parent_id IS NOT DISTINCT FROM c.parent_id",
    ),
    Invariant(
        "labels",
        "label sets have another number of rows than there are samples in clusters",
        "SELECT count(*) FROM (SELECT label_set FROM labels WHERE label_set <> 'given' GROUP BY label_set "
        "HAVING count(*) <> (SELECT count(*) FROM assignments))",
    ),
    Invariant(
        "label_quality",
        "judge samples that have no given label",
        "SELECT count(*) FROM label_quality ANTI JOIN "
        "(SELECT sample_id FROM labels WHERE label_set = 'given' AND label IS NOT NULL) USING (sample_id)",
    ),
    Invariant(
        "label_checks",
        "judge samples that have no given label",
        "SELECT count(*) FROM label_checks ANTI JOIN "
        "(SELECT sample_id FROM labels WHERE label_set = 'given' AND label IS NOT NULL) USING (sample_id)",
    ),
)

_CHOSEN = (
    _within("samples", "have no row in selection", "selection"),
    Invariant(
        "leaks",
        "are of samples that are not dropped as leaks, or could not be used",
        "SELECT count(*) FROM leaks LEFT JOIN selection USING (sample_id) "
        "WHERE dropped_by IS NULL OR dropped_by NOT IN ('leak', 'unreadable')",
    ),
    _within("selection", "are dropped as leaks, but of nothing", "leaks", "dropped_by = 'leak'"),
    _where("selection", "are ranked and dropped, or neither", "(rank IS NULL) = (dropped_by IS NULL)"),
    _where(
        "selection",
        "are selected without rank, sample_weight and split, or not selected with a sample_weight or split",
        "CASE WHEN selected THEN rank IS NULL OR sample_weight IS NULL OR split IS NULL "
        "ELSE sample_weight IS NOT NULL OR split IS NOT NULL END",
    ),
    Invariant(
        "selection",
        "ranks are missing, or there twice",
        "SELECT greatest(coalesce(max(rank), 0), count(rank)) - count(DISTINCT rank) FROM selection",
    ),
    Invariant(
        "selection",
        "are not selected, though samples of a higher rank are",
        "SELECT count(*) FROM selection WHERE NOT selected AND rank < (SELECT max(rank) FROM selection WHERE selected)",
    ),
    _where(
        "selection",
        "are near-duplicates without the sample that stands for them, or have one and are none",
        "(dropped_by IS NOT DISTINCT FROM 'near_duplicate') <> (duplicate_of IS NOT NULL)",
    ),
    Invariant(
        "near_duplicate_threshold",
        "rows are missing or too many: a ranking has one",
        "SELECT abs(count(*) - 1) FROM near_duplicate_threshold WHERE EXISTS (FROM selection)",
    ),
    Invariant(
        "class_balance",
        "rows are missing or too many: the pool has one and the curated set, or neither",
        "SELECT count(*) % 2 FROM class_balance",
    ),
    Invariant(
        "held_out",
        "are ranked, or have a given label",
        "SELECT count(*) FROM held_out WHERE sample_id IN (SELECT sample_id FROM selection WHERE rank IS NOT NULL "
        "UNION ALL SELECT sample_id FROM labels WHERE label_set = 'given' "
        "UNION ALL SELECT sample_id FROM label_states WHERE label_set = 'given' "
        "UNION ALL SELECT sample_id FROM looked_for WHERE label_set = 'given')",
    ),
)

_ACCOUNTED = (
    _within("occurrences", "have no outcome", "outcomes", key="occurrence_id"),
    Invariant(
        "outcomes",
        "name another sample than their occurrence",
        "SELECT count(*) FROM outcomes u JOIN occurrences o USING (occurrence_id) "
        "WHERE u.sample_id IS DISTINCT FROM o.sample_id",
    ),
    Invariant(
        "outcomes",
        "are duplicates of an occurrence or a sample that is not there",
        "SELECT count(*) FROM outcomes "
        "WHERE (outcome IN ('duplicate', 'near_duplicate')) <> (duplicate_of IS NOT NULL) "
        "OR outcome = 'duplicate' AND duplicate_of NOT IN (SELECT occurrence_id FROM occurrences) "
        "OR outcome = 'near_duplicate' AND duplicate_of NOT IN (SELECT sample_id FROM samples)",
    ),
    _within(
        "outcomes",
        "are exported, but their sample was not selected",
        _WANTED,
        "outcome IN ('exported', 'not_published')",
    ),
    Invariant(
        "outcomes",
        "are exported more than once",
        "SELECT count(*) - count(DISTINCT sample_id) FROM outcomes WHERE outcome = 'exported'",
    ),
    _within("exported_samples", "have no outcome that says so", _EXPORTED),
    _within("outcomes", "are exported, but in no shard of the export", "exported_samples", "outcome = 'exported'"),
    Invariant(
        "selection",
        "are selected, but neither exported nor gone",
        f"SELECT count(*) FROM {_WANTED} ANTI JOIN "
        "(SELECT sample_id FROM exported_samples UNION ALL SELECT sample_id FROM gone"
        " UNION ALL SELECT sample_id FROM outcomes WHERE outcome = 'not_published') USING (sample_id)",
    ),
    Invariant(
        "exported_samples",
        "say something else than selection, assignments, registry and samples",
        f"SELECT count(*) FROM exported_samples x LEFT JOIN {_WANTED} s USING (sample_id) "
        "LEFT JOIN assignments a USING (sample_id) LEFT JOIN registry r USING (sample_id) "
        "LEFT JOIN samples p USING (sample_id) WHERE "
        "(x.rank, x.sample_weight, x.split, x.group_id, x.cluster_path, x.sample_index, x.n_bytes, x.format, x.mended) "
        "IS DISTINCT FROM "
        f"(s.rank, s.sample_weight, coalesce(s.split, '{REST}'), "
        "s.group_id, a.cluster_path, r.sample_index, p.n_bytes, p.format, p.mended)",
    ),
)

_STATED = """(
    SELECT sample_id, unnest(present) AS label, TRUE AS is_present FROM states WHERE label_set = '{0}'
    UNION ALL SELECT sample_id, unnest(absent), FALSE FROM states WHERE label_set = '{0}'
)"""
_STATES = (
    _where(
        "label_states",
        "have a probability that their given state does not",
        "label_set = 'given' AND probability IS DISTINCT FROM "
        "CASE state WHEN 'present' THEN 1 WHEN 'absent' THEN 0 END",
    ),
    Invariant(
        "label_states",
        "are given, and the pseudo-label says something else",
        f"SELECT count(*) FROM {_STATED.format('given')} SEMI JOIN assignments USING (sample_id) "
        f"ANTI JOIN {_STATED.format('pseudo')} USING (sample_id, label, is_present)",
    ),
)

_TOGETHER = (
    Invariant(
        "pool",
        "say something else than the tables that they are put together from, or are missing",
        f"SELECT count(*) FROM (({JOINED_SQL}) EXCEPT SELECT {_OF_POOL} FROM pool)",
    ),
    Invariant("pool", "are of no sample", "SELECT count(*) FROM pool ANTI JOIN samples USING (sample_id)"),
)

INVARIANTS = (*_SEEN, *_CLUSTERED, *_CHOSEN, *_ACCOUNTED, *_STATES, *_TOGETHER)

_OUTCOMES = "SELECT count(*) FROM outcomes WHERE outcome = '{}'"

USER_FILE_WORDS = ("given", "evaluate", "distances", "dynamics", "ids")
_ROWS_OF_FILE = (
    "SELECT coalesce(sum(n_rows), 0)::BIGINT FROM user_files WHERE setting LIKE '%.{word}' OR setting LIKE '%.{word}.%'"
)

COUNTS: Mapping[str, Mapping[str, str]] = {
    Stage.INGEST: {
        "n_occurrences": "SELECT count(*) FROM occurrences",
        "n_unreadable": f"SELECT count(*) FROM occurrences WHERE unreadable NOT LIKE '{FORGOTTEN_BY}%'",
        "n_forgotten": f"SELECT count(*) FROM occurrences WHERE unreadable LIKE '{FORGOTTEN_BY}%'",
        "n_samples": "SELECT count(*) FROM all_samples",
        "n_source_columns": "SELECT count(*) FROM source_columns",
        "n_class_names": "SELECT count(*) FROM class_names",
    },
    Stage.HASH_GROUPS: {
        "n_hashed": "SELECT count(DISTINCT sample_id) FROM all_quality WHERE phash IS NOT NULL",
        "n_in_hash_groups": "SELECT count(*) FROM hash_groups",
        "n_hash_groups": "SELECT count(DISTINCT group_id) FROM hash_groups",
    },
    Stage.NEIGHBORS: {"n_samples": f"SELECT count(*) FROM {_EMBEDDED}"},
    Stage.CLUSTER: {
        "n_samples": f"SELECT count(*) FROM {_EMBEDDED}",
        "n_levels": "SELECT count(DISTINCT level) FROM clusters",
    },
    Stage.PSEUDO_LABEL: {
        "n_given": "SELECT count(*) FROM labels WHERE label_set = 'given'",
        "n_labelled": "SELECT count(*) FROM labels WHERE label_set = 'pseudo' AND NOT abstained",
        "n_abstained": "SELECT count(*) FROM labels WHERE label_set = 'pseudo' AND abstained",
        "n_annotations": "SELECT count(*) FROM annotations",
        "n_annotators": "SELECT count(*) FROM annotators",
        "n_label_sets": "SELECT count(*) FROM label_sets",
        "n_soft_labels": "SELECT count(*) FROM soft_labels",
        "n_predictions": "SELECT count(*) FROM predictions",
        "n_judged": "SELECT count(*) FROM belonging",
        "n_held_out": "SELECT count(*) FROM held_out",
        "n_checked": "SELECT count(*) FROM label_quality",
        "n_doubtful": "SELECT count(*) FROM label_quality WHERE is_doubtful",
        "n_label_checks": "SELECT count(*) FROM label_checks",
        **{
            f"n_{name}": f"SELECT count(*) FROM {name}"
            for name in (
                "label_states",
                "looked_for",
                "vocabularies",
                "state_classes",
                "held_out_states",
                "user_files",
                "coco_files",
            )
        },
        **{f"n_{word}_rows": _ROWS_OF_FILE.format(word=word) for word in USER_FILE_WORDS},
    },
    Stage.RANK: {
        "n_samples": "SELECT count(*) FROM samples",
        "n_ranked": "SELECT count(rank) FROM selection",
        "n_selected": "SELECT count(*) FROM selection WHERE selected",
        "n_leaks": "SELECT count(*) FROM leaks",
        "n_class_shares": "SELECT count(*) FROM class_shares",
    },
    Stage.WORTH: {
        "n_comparisons": "SELECT count(*) FROM worth",
        "n_sets": "SELECT count(*) FROM worth_sets",
        "n_curve_points": "SELECT count(*) FROM worth_curve",
        "n_kept": "SELECT count(*) FROM worth_kept",
    },
    Stage.EXPORT: {
        "n_samples": "SELECT count(*) FROM exported_samples",
        "n_gone": "SELECT count(*) FROM gone",
        "n_labelled": "SELECT count(label) FROM exported_samples",
        "n_bytes": "SELECT coalesce(sum(n_bytes), 0) FROM exported_samples",
    },
    Stage.ACCOUNT: {
        "n_occurrences": "SELECT count(*) FROM occurrences",
        **{kind: _OUTCOMES.format(kind) for kind in OUTCOME_KINDS},
    },
    Stage.POOL: {"n_samples": "SELECT count(*) FROM pool"},
}
"""For each stage, the counts that it keeps, and the SQL that counts again."""
