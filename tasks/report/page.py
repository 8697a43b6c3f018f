"""The page: everything that is read of a run, and its words, put into the template."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from windrow.schemas.stages import Stage
from windrow.tasks.report import formats
from windrow.tasks.report.balance_facts import Balance, read_balance
from windrow.tasks.report.embedding_map import embedding_map
from windrow.tasks.report.facts import (
    Level,
    read_levels,
    read_overlap,
    read_stages,
    read_top_classes,
    read_totals,
)
from windrow.tasks.report.figures import bar, size_curve
from windrow.tasks.report.funnel import read_funnel, read_unreadable
from windrow.tasks.report.gallery import pick_galleries
from windrow.tasks.report.icicle import SHADES, blocks, full_shade, icicle
from windrow.tasks.report.label_curve import label_curve
from windrow.tasks.report.label_facts import read_checked_labels, read_label_facts
from windrow.tasks.report.level_facts import read_level_figures, spread
from windrow.tasks.report.map_sample import read_map
from windrow.tasks.report.questions import QUESTIONS
from windrow.tasks.report.state_facts import read_states
from windrow.tasks.report.thumbnails import Reader, read_thumbnails, sample_reader
from windrow.tasks.report.worth_facts import read_worth, times
from windrow.tasks.storage.store.outputs import write_atomically
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.texts.terminal import visible

UNREADABLE_SHOWN = 20

PLACES_SQL = """
SELECT sample_id, selected, source_uri || ' / ' || shard || ' / ' || key
FROM pool WHERE source_uri IS NOT NULL AND sample_id IN (SELECT unnest($1::VARCHAR[]))
"""
# A run does not say which version it published or found, but the last one's is the last: an older run's is not told.
VERSION_SQL = """
SELECT version, n_samples, n_bytes FROM exports
WHERE name = $1 AND $2 = (SELECT max_by(run_id, number) FROM runs WHERE name = $1 AND status = 'finished')
ORDER BY len(version) DESC, version DESC LIMIT 1
"""
THRESHOLD_SQL = "SELECT threshold, how FROM near_duplicate_threshold"
BACKBONE_SQL = "SELECT DISTINCT name, dim, version FROM backbones ORDER BY ALL"


def write_report(connection: Any, path: Path, run: Run, read: Reader | None = None, seed: int = 0) -> None:
    """Write the report of a run to `path`: one HTML page that needs no other file and no network.

    `connection` is the catalog of the run. `read` gives the bytes of samples, by default from where the catalog saw
    them; a sample that is gone is shown as such. The same run and seed give the same page.
    """
    write_atomically(path, render(connection, run, read or sample_reader(connection, run.store), seed))


def render(connection: Any, run: Run, read: Reader, seed: int = 0) -> str:
    """Return the page as text. Whatever comes from data is escaped, in the template and in every drawing."""
    levels = read_levels(connection)
    balance = read_balance(connection)
    context = {
        **_figures(connection, levels, balance, run, seed),
        **_pictures(connection, levels, read, seed),
        "run": run,
        "totals": read_totals(connection),
        "worth": read_worth(connection),
        "kept_back": export.kept_back if (export := run.stage(Stage.EXPORT)) else None,
        "funnel": read_funnel(connection),
        "level_figures": read_level_figures(connection),
        "unreadable": read_unreadable(connection, UNREADABLE_SHOWN),
        "stages": read_stages(connection, run.run_id),
        "version": connection.execute(VERSION_SQL, [run.name, run.run_id]).fetchone(),
        "overlap": read_overlap(connection),
        "states": read_states(connection),
        "threshold": connection.execute(THRESHOLD_SQL).fetchone(),
        "backbones": connection.execute(BACKBONE_SQL).fetchall(),
        "started": datetime.fromisoformat(run.started_at),
        "took": _took(run),
        "config": json.dumps(run.config, indent=2, sort_keys=True, ensure_ascii=False, default=str),
        "questions": QUESTIONS,
    }
    return str(_environment().get_template("report.html").render(context))


@cache
def _environment() -> jinja2.Environment:  # which keeps the template: to compile it takes half of a small page's time
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        finalize=_plain,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(bar=bar, spread=spread, times=times)
    environment.filters.update({name: getattr(formats, name) for name in formats.FILTERS})
    return environment


def _plain(value: Any) -> Any:
    """Text of the data's, without what would turn a line around; what is drawn is Markup, and stays."""
    return visible(value, lines=True) if type(value) is str else value


def _figures(
    connection: Any, levels: tuple[Level, ...], balance: Balance | None, run: Run, seed: int
) -> dict[str, Any]:
    least_belonging = run.config.get("labels", {}).get("least_belonging", 0.0)
    labels = read_label_facts(connection, least_belonging)
    by_class = labels is not None
    names = [read_top_classes(connection, level.number) if by_class else {} for level in levels]
    order = (
        [each.name for each in labels.classes] if labels else [each.name for each in balance.shares] if balance else []
    )
    found = read_map(connection, seed, "" if by_class else "cluster ")
    drawn = blocks(levels) if levels else []
    return {
        "balance": balance,
        "labels": labels,
        "checked_labels": read_checked_labels(connection),
        "label_curve": label_curve(labels) if labels and labels.curve else None,
        "levels": levels,
        "size_curve": size_curve(levels[0].pool, levels[0].curated) if drawn else None,
        "icicle": icicle(levels, names) if drawn else None,
        "shades": [(f"s{n}", full_shade(drawn) * n / SHADES) for n in range(SHADES + 1)],
        "map": found,
        "map_figure": embedding_map(found, order) if found else None,
        "colours": found.colours(order) if found else {},
    }


def _pictures(connection: Any, levels: tuple[Level, ...], read: Reader, seed: int) -> dict[str, Any]:
    galleries = pick_galleries(connection, levels, seed)
    shown = sorted({shot.sample_id for gallery in galleries for strip in gallery.strips for shot in strip.shots})
    places = connection.execute(PLACES_SQL, [shown]).fetchall()
    return {
        "galleries": galleries,
        "thumbnails": read_thumbnails(read, shown),
        "places": {sample_id: place for sample_id, _, place in places},
        "selected": {sample_id for sample_id, selected, _ in places if selected},
    }


def _took(run: Run) -> str:
    if run.finished_at is None:
        return "not finished"
    started, finished = datetime.fromisoformat(run.started_at), datetime.fromisoformat(run.finished_at)
    return f"took {formats.duration((finished - started).total_seconds())}"
