"""How the versions of a curated set went: their size, balance, likeness to the one before, and drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.answers.changed import TOTALS_SQL
from windrow.tasks.report.balance_facts import read_balance
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.drawings.figures import Line, counting, linear, named, plot
from windrow.tasks.report.run_versions import TOLD, publishers, tables_before, versions_to
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.catalog.views import connect
from windrow.tasks.storage.published.versions import SAMPLES, Version, class_changes_sql
from windrow.tasks.storage.store.run_records import Run

MOST = 10
"""Versions that are drawn: each costs a comparison of two."""
WIDTH, HEIGHT = 500, 240
NOT_TOLD = {"balance": None, "of": None, "drift": None}
"""Of a version whose run is gone."""

SIZES_SQL = "SELECT version, n_samples FROM exports WHERE name = $1 AND list_contains($2, version)"
DRIFT_SQL = "SELECT share_far FROM drift"


def over_versions(reported: Reported) -> Answer:
    """Follow the last MOST versions up to that of the run; empty where there are fewer than two."""
    run, ask = reported.run, reported.ask
    versions = versions_to(run, MOST)
    if len(versions) < 2:
        return Answer({"rows": []})
    names = [version.version for version in versions]
    sizes = dict(ask.execute(SIZES_SQL, [run.name, names]).fetchall())
    with open_connection(version.path / SAMPLES for version in versions) as connection:
        stayed = {new.version: _stayed(ask, connection, run, old, new) for old, new in pairwise(versions)}
    made = publishers(run, versions)
    told = {name: _told(ask, made[name]) if name in made else NOT_TOLD for name in names}
    rows = [{"version": name, "size": sizes[name], "stayed": stayed.get(name), **told[name]} for name in names]
    return Answer({"rows": rows, "plots": list(_plots(names, rows))})


def _stayed(ask: Asked, connection: Any, run: Run, old: Version, new: Version) -> Any:
    """Samples that two versions share, over those in either (Jaccard)."""
    sql = TOTALS_SQL.format(changes=class_changes_sql(old.path, new.path))
    return ask.of(connection, run.run_id, sql, files=True).first()["jaccard"]


def _told(ask: Asked, run: Run) -> dict[str, Any]:
    """What the run that published a version knew of its balance and drift."""
    of_run = Asked(connect(tables_before(run), only=TOLD), run.run_id, ask.section, ask.queries)
    balance = read_balance(of_run)
    drift = of_run.execute(DRIFT_SQL).fetchone()
    even = balance.curated if balance else None
    return {"balance": even, "of": balance.things if balance else None, "drift": drift[0] if drift else None}


def _plots(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Iterator[Markup]:
    of = rows[-1]["of"]
    most, across = max(row["size"] for row in rows), named("", names)
    drawn = (
        (counting("samples", most), [row["size"] for row in rows]),
        (
            linear(f"balance of {of}", 0, 1),
            [row["balance"].value if row["balance"] and row["of"] == of else None for row in rows],
        ),
        (linear("shared (Jaccard)", 0, 1), [row["stayed"] for row in rows]),
        (linear("new samples far off", 0, 1), [row["drift"] for row in rows]),
    )
    for up, values in drawn:
        points = [(float(n), float(value)) for n, value in enumerate(values) if value is not None]
        label = f"Versions {names[0]} to {names[-1]}: {up.title}"
        if points:
            yield plot(label, across, up, Line(points, "line-curated", dots=True), width=WIDTH, height=HEIGHT)
