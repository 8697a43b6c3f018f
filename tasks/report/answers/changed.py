"""What changed since the last version: what came and went, by class, and samples of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from windrow.schemas import POOL
from windrow.schemas.stages import Stage
from windrow.tasks.night_summary import TO_LOOK_AT
from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.cited import Asked, Rows
from windrow.tasks.report.funnel import TAKEN_SQL
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each
from windrow.tasks.report.linked import Column, table, text
from windrow.tasks.report.run_versions import run_before, tables_before, version_of, versions_to
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.catalog.views import connect, run_tables
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.published.versions import SAMPLES, Version, class_changes_sql, samples_sql
from windrow.tasks.storage.store.run_records import Run

SHOTS = 18

POOL_SQL = "SELECT count(*) AS n FROM pool"
NEW_SQL = "SELECT count(*) AS n FROM pool ANTI JOIN {earlier} USING (sample_id)"
LOOK_SQL = f"""
SELECT (SELECT count(*) FROM occurrences WHERE unreadable IS NOT NULL) AS n_unreadable,
    (SELECT count(*) FROM embeddings WHERE error IS NOT NULL) AS n_errors,
    (SELECT count(*) FROM label_quality WHERE is_doubtful) AS n_doubtful,
    (SELECT count(*) FROM ({TAKEN_SQL}) WHERE step = 'gone') AS n_gone
"""
TOTALS_SQL = """
SELECT sum(before)::BIGINT AS before, sum(came)::BIGINT AS came, sum(went)::BIGINT AS went,
    sum(relabelled_to)::BIGINT AS relabelled, sum(now)::BIGINT AS now,
    (sum(now) - sum(came)) / nullif(sum(before) + sum(came), 0) AS jaccard, count(*) AS n_classes FROM ({changes})
"""
BY_CLASS_SQL = "SELECT * REPLACE (coalesce(class, 'no label') AS class) FROM ({changes}) LIMIT $1"
# Every class has its first example before any has its second.
ONE_SIDED_SQL = """
SELECT sample_id, coalesce(label, 'no label') AS label, count(*) OVER () AS n
FROM {one} ANTI JOIN {other} USING (sample_id)
ORDER BY row_number() OVER (PARTITION BY label ORDER BY md5(sample_id || $1)), label, sample_id LIMIT $2
"""
RELABELLED_SQL = """
SELECT n.sample_id, coalesce(o.label, 'no label') AS old, coalesce(n.label, 'no label') AS new, count(*) OVER () AS n
FROM {old} o JOIN {new} n USING (sample_id) WHERE o.label IS DISTINCT FROM n.label
ORDER BY md5(n.sample_id || $1) LIMIT $2
"""
CLASSES_SHOWN = 30


def changed(reported: Reported) -> Answer:
    """Say what a run brought, and what its version has and the one before has not, or the reverse."""
    run, ask = reported.run, reported.ask
    version, earlier = version_of(run), run_before(run)
    export = run.stage(Stage.EXPORT)
    facts: dict[str, Any] = {
        "came": ask.execute(POOL_SQL).first()["n"],
        "new": _new(ask, run, earlier),
        "earlier": earlier,
        "look_at": list(_to_look_at(ask)),
        "kept_back": export.kept_back if export else None,
        "version": version,
        "before": None,
    }
    before = versions_to(run, 2)[:-1]
    return compared(reported, before[0], version, facts) if version and before else Answer(facts, {"changes": NOTHING})


NOTHING = Gallery("Came and went", "", (), "There is no earlier version.")


def compared(reported: Reported, old: Version, new: Version, facts: dict[str, Any]) -> Answer:
    """Add to what is known of a run how its version `new` differs from `old`."""
    ask, run = reported.ask, reported.run
    connection = open_connection([old.path / SAMPLES, new.path / SAMPLES])

    def asked(sql: str, *params: Any) -> Rows:
        return ask.of(connection, run.run_id, sql, params, files=True)

    changes = class_changes_sql(old.path, new.path)
    totals = asked(TOTALS_SQL.format(changes=changes)).first()
    by_class = asked(BY_CLASS_SQL.format(changes=changes), CLASSES_SHOWN)
    one, other = samples_sql(new.path), samples_sql(old.path)
    strips = [
        *_one_sided("Came", asked(ONE_SIDED_SQL.format(one=one, other=other), reported.salt, SHOTS)),
        *_one_sided("Went", asked(ONE_SIDED_SQL.format(one=other, other=one), reported.salt, SHOTS)),
        *_relabelled(asked(RELABELLED_SQL.format(old=other, new=one), reported.salt, SHOTS)),
    ]
    told = {"version": new, "before": old, "totals": totals, "by_class": _by_class(by_class)}
    told["n_more"] = totals["n_classes"] - len(by_class)
    gallery = Gallery(
        "Came and went", "Samples of every class in turn.", tuple(strips), "Nothing came and nothing went."
    )
    return Answer({**facts, **told}, {"changes": gallery})


def _new(ask: Asked, run: Run, earlier: Run | None) -> Any:
    """How many samples the earlier run had not; None where it has no table of its pool any more."""
    files = tables_before(earlier).get(POOL.name) if earlier else None
    if not files:
        return None
    tables = run_tables(run)
    connection = connect(tables, also=files, only=[POOL] if POOL.name in tables else ())
    return ask.of(connection, run.run_id, NEW_SQL.format(earlier=parquet_scan(files)), files=True).first()["n"]


def _to_look_at(ask: Asked) -> Iterator[tuple[Any, str]]:
    counts = ask.execute(LOOK_SQL).first()
    return ((counts[name], words) for _, name, words in TO_LOOK_AT if counts[name])


def _by_class(rows: Rows) -> Markup:
    return table(
        rows,
        Column("Class", "class", text),
        Column("Before", "before"),
        Column("Came", "came"),
        Column("Went", "went"),
        Column("Relabelled to it", "relabelled_to"),
        Column("from it", "relabelled_from"),
        Column("Now", "now"),
    )


def _one_sided(word: str, rows: Rows) -> Iterator[Strip]:
    found = rows.fetchall()
    if found:
        shots = one_each(Shot(name, (label,)) for name, label, _ in found)
        yield Strip(word, shots, rows.anchor, found[0][-1] - len(found))


def _relabelled(rows: Rows) -> Iterator[Strip]:
    found = rows.fetchall()
    if found:
        shots = one_each(Shot(name, (f"{old} \u2192", new)) for name, old, new, _ in found)
        yield Strip("Relabelled", shots, rows.anchor, found[0][-1] - len(found))
