"""What was thrown away, and whether it was right: the funnel, and samples of every reason to look at."""

from __future__ import annotations

from collections.abc import Iterator

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.formats import count, decimal, shortened
from windrow.tasks.report.funnel import read_funnel
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each
from windrow.tasks.report.linked import Column, table, text

PAIRS = 10
PER_RULE = 11
RULES = 6
PER_GROUP = 11
GROUPS = 2
UNREADABLE_SHOWN = 12

COUNTS_SQL = """
SELECT (SELECT count(*) FROM pool) AS n_samples, (SELECT count(*) FROM occurrences) AS n_occurrences,
    (SELECT count(*) FROM outcomes WHERE outcome = 'duplicate') AS n_duplicates,
    (SELECT count(*) FROM outcomes WHERE outcome = 'unreadable') AS n_unreadable,
    (SELECT count(*) FROM pool WHERE dropped_by = 'near_duplicate') AS n_near_duplicates,
    (SELECT count(*) FROM pool WHERE dropped_by NOT IN ('near_duplicate', 'held_out', 'unreadable')) AS n_filtered,
    (SELECT count(*) FROM pool WHERE rank IS NOT NULL AND NOT selected) AS n_not_selected,
    (SELECT count(*) FROM pool WHERE selected) AS n_selected
"""
THRESHOLD_SQL = "SELECT threshold, how FROM near_duplicate_threshold"
ALIKE_SQL = """
SELECT sample_id, duplicate_of, similarity FROM selection
WHERE dropped_by = 'near_duplicate' AND duplicate_of IS NOT NULL ORDER BY similarity, sample_id LIMIT $1
"""
LARGEST_SQL = """
SELECT duplicate_of, count(*) AS n FROM selection WHERE dropped_by = 'near_duplicate' AND duplicate_of IS NOT NULL
GROUP BY 1 HAVING n > 1 ORDER BY n DESC, duplicate_of LIMIT $1
"""
GROUP_SQL = """
SELECT sample_id, similarity FROM selection
WHERE sample_id = $1 OR (dropped_by = 'near_duplicate' AND duplicate_of = $1)
ORDER BY sample_id <> $1, similarity, sample_id LIMIT $2
"""
RULES_SQL = """
SELECT dropped_by, count(*) AS n FROM selection
WHERE dropped_by NOT IN ('near_duplicate', 'held_out', 'unreadable') GROUP BY 1 ORDER BY n DESC, dropped_by LIMIT $1
"""
RULE_SQL = """
SELECT sample_id FROM selection WHERE dropped_by = $1 ORDER BY md5(sample_id || $2), sample_id LIMIT $3
"""
NEAREST_SQL = """
WITH passed_over AS (
    SELECT sample_id FROM selection WHERE rank IS NOT NULL AND NOT selected
    ORDER BY md5(sample_id || $1), sample_id LIMIT $2
), near AS (
    SELECT sample_id, unnest(neighbors) AS position, unnest(similarity) AS similarity
    FROM neighbors SEMI JOIN passed_over USING (sample_id)
), chosen AS (
    SELECT position, sample_id AS nearest
    FROM neighbors SEMI JOIN (SELECT sample_id FROM selection WHERE selected) USING (sample_id)
)
SELECT sample_id, arg_max(nearest, similarity) FILTER (nearest IS NOT NULL) AS nearest,
    max(similarity) FILTER (nearest IS NOT NULL) AS similarity
FROM passed_over LEFT JOIN near USING (sample_id) LEFT JOIN chosen USING (position)
GROUP BY sample_id ORDER BY similarity NULLS FIRST, sample_id
"""
# Every reason has its first example before any has its second.
UNREADABLE_SQL = """
SELECT u.reason, count(*) OVER (PARTITION BY u.reason) AS n, o.source_uri, o.shard, o.key
FROM outcomes u JOIN occurrences o USING (occurrence_id) WHERE u.outcome = 'unreadable'
ORDER BY row_number() OVER (PARTITION BY u.reason ORDER BY o.source_uri, o.shard, o.position), u.reason LIMIT $1
"""


def dropped(reported: Reported) -> Answer:
    """Say what was taken away by each step and why, and show samples of every reason."""
    ask = reported.ask
    total, steps = read_funnel(ask)
    unreadable = ask.execute(UNREADABLE_SQL, [UNREADABLE_SHOWN])
    galleries = {
        "near_duplicates": _near_duplicates(ask),
        "filtered": _filtered(ask, reported.salt),
        "not_selected": _not_selected(ask, reported.salt),
    }
    facts = {
        "counts": ask.execute(COUNTS_SQL).first(),
        "total": total,
        "funnel": steps,
        "threshold": ask.execute(THRESHOLD_SQL).fetchone(),
        "n_shown": len(unreadable),
        "unreadable": table(
            unreadable,
            Column("Reason", "reason", text),
            Column("Of this reason", "n"),
            Column("Source", "source_uri", text),
            Column("Shard", "shard", text),
            Column("Key", "key", text),
        ),
    }
    return Answer(facts, galleries)


def _near_duplicates(ask: Asked) -> Gallery:
    pairs = ask.execute(ALIKE_SQL, [PAIRS])
    strips = [_pairs("Least alike", pairs.anchor, pairs.fetchall(), "kept")] if len(pairs) else []
    strips += [_group(ask, kept, n) for kept, n in ask.execute(LARGEST_SQL, [GROUPS]).fetchall()]
    meaning = (
        "Each dropped sample beside the one that was kept for it, the least alike first: if these are no duplicates, "
        "the threshold (selection.near_duplicate_threshold) is too low."
    )
    return Gallery("Near-duplicates", meaning, tuple(strips), "No near-duplicates were dropped.")


def _pairs(title: str, sql: str, rows: list[tuple[str, str | None, float | None]], other: str) -> Strip:
    """Each sample beside another, with how alike they are; alone where there is none."""
    groups = (
        (Shot(name, (decimal(like, 3),)), Shot(near, (other,))) if near else (Shot(name, ("none near",)),)
        for name, near, like in rows
    )
    return Strip(title, tuple(groups), sql)


def _group(ask: Asked, kept: str, n: int) -> Strip:
    rows = ask.execute(GROUP_SQL, [kept, PER_GROUP + 1])
    shots = (Shot(name, ("kept",) if name == kept else (decimal(like, 3),)) for name, like in rows.fetchall())
    return Strip(f"Large group: 1 kept, {count(n)} dropped", one_each(shots), rows.anchor, n - len(rows) + 1)


def _filtered(ask: Asked, salt: str) -> Gallery:
    rules = ask.execute(RULES_SQL, [RULES]).fetchall()
    meaning = "Samples that a rule of the config took away, drawn at random: is it what the rule is meant for?"
    strips = tuple(strip for rule, n in rules for strip in _rule(ask, salt, rule, n))
    return Gallery("Filtered", meaning, strips, "No rule took a sample away.")


def _rule(ask: Asked, salt: str, rule: str, n: int) -> Iterator[Strip]:
    rows = ask.execute(RULE_SQL, [rule, salt, PER_RULE])
    shots = one_each(Shot(name) for (name,) in rows.fetchall())
    yield Strip(f"{shortened(rule.replace('_', ' '), 60)}: {count(n)}", shots, rows.anchor, n - len(shots))


def _not_selected(ask: Asked, salt: str) -> Gallery:
    rows = ask.execute(NEAREST_SQL, [salt, PAIRS])
    strips = (_pairs("", rows.anchor, rows.fetchall(), "selected"),) if len(rows) else ()
    meaning = (
        "Samples that were passed over, drawn at random, each beside the selected one among its nearest neighbours and "
        "how alike they are (cosine similarity), the least alike first. What has none near may be missed."
    )
    return Gallery("Not selected", meaning, strips, "Nothing was passed over.")
