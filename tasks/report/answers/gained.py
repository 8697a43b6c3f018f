"""What was gained: what the curated set is worth against random samples, and how even it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.balance_facts import read_balance
from windrow.tasks.report.cited import Rows
from windrow.tasks.report.drawings.figures import Line, linear, logarithmic, plot
from windrow.tasks.report.facts import read_overlap
from windrow.tasks.report.formats import count, decimals, percent, signed
from windrow.tasks.report.linked import Column, linked, sql_link, table, text
from windrow.tasks.report.worth_facts import times

WORTH_SQL = """
SELECT baseline, verdict, why, probe, n_evaluated, n_groups, n_samples, n_seeds, quality, baseline_quality,
    100 * difference_low AS points_low, 100 * difference_high AS points_high, multiplier, multiplier_low,
    multiplier_high, told
FROM worth WHERE decides AND baseline = 'random'
"""
COMPARED_SQL = """
SELECT baseline, replace(weighting, '_', '-') AS probe, n_samples, quality, baseline_quality,
    100 * difference_low AS points_low, 100 * difference_high AS points_high, multiplier, multiplier_low,
    multiplier_high, verdict
FROM worth WHERE verdict <> 'unknown'
ORDER BY NOT decides, list_position(['random', 'deduplicated', 'last'], baseline)
"""
CURVE_SQL = """
SELECT n_samples, n_seeds, quality, 100 * deviation AS deviation FROM worth_curve
WHERE weighting = (SELECT weighting FROM worth WHERE decides LIMIT 1) ORDER BY n_samples
"""
SETS_SQL = """
SELECT worth_sets.set, n_samples, n_labelled::BIGINT AS n_labelled, balance, radius_95, effective_clusters
FROM worth_sets ORDER BY list_position(['curated', 'random', 'deduplicated', 'last'], worth_sets.set)
"""
KEPT_SQL = "SELECT judged_on, changed FROM worth_kept"


def gained(reported: Reported) -> Answer:
    """Say what the curated set is worth, by the numbers of `windrow worth`."""
    ask = reported.ask
    row = ask.execute(WORTH_SQL).first()
    judged = row["quality"] is not None
    compared = ask.execute(COMPARED_SQL) if judged else None
    curve = ask.execute(CURVE_SQL) if judged else None
    sets = ask.execute(SETS_SQL)
    facts: dict[str, Any] = {
        "worth": row if row["verdict"] else None,
        "judged": judged,
        "kept": ask.execute(KEPT_SQL).first(),
        "multiplier": linked(lambda _: times(row))(row["multiplier"]) if row["multiplier"] is not None else "–",
        "compared": _compared(compared) if compared else None,
        "curve": _curve(curve, row["n_samples"], row["quality"]) if curve else None,
        "sets": _sets(sets) if len(sets) else None,
        "balance": read_balance(ask),
        "overlap": read_overlap(ask),
        "overlap_sql": sql_link(ask.queries[-1].anchor),
    }
    return Answer(facts)


def _compared(rows: Rows) -> Markup:
    return table(
        rows,
        Column("Against", "baseline", text),
        Column("Probe", "probe", text),
        Column("Samples", "n_samples"),
        Column("Curated", "quality", percent),
        Column("Other", "baseline_quality", percent),
        Column("Points from", "points_low", signed),
        Column("to", "points_high", signed),
        Column("Multiplier", "multiplier", decimals(1)),
        Column("from", "multiplier_low", decimals(1)),
        Column("to", "multiplier_high", decimals(1)),
        Column("Verdict", "verdict", text),
    )


def _sets(rows: Rows) -> Markup:
    return table(
        rows,
        Column("Set", "set", text),
        Column("Samples", "n_samples"),
        Column("Labelled", "n_labelled"),
        Column("Balance of given labels", "balance", decimals(3)),
        Column("Radius of 95 %", "radius_95", decimals(3)),
        Column("Effective clusters", "effective_clusters", decimals(1)),
    )


def _curve(rows: Rows, n_curated: int, quality: float) -> tuple[Markup, Markup]:
    """Random sets of several sizes as a line with dots, and the curated set; and the same in numbers."""
    points: Sequence[tuple[float, float]] = [(row["n_samples"], row["quality"]) for row in rows]
    sizes, heights = [n for n, _ in points] + [n_curated], [y for _, y in points] + [quality]
    low = min(int(min(heights) * 10) / 10, 0.9)
    across = logarithmic("samples that the probe trains on", int(max(sizes)), int(min(sizes)))
    up = linear("balanced accuracy", low, 1.0)
    label = "Balanced accuracy of random sets by their size, and of the curated set"
    lines = (Line(points, "line-pool", dots=True), Line([(n_curated, quality)], "line-curated", dots=True))
    told = table(
        rows,
        Column("Random samples", "n_samples", count),
        Column("Sets", "n_seeds"),
        Column("Balanced accuracy", "quality", percent),
        Column("Deviation, points", "deviation", decimals(1)),
    )
    return plot(label, across, up, *lines), told
