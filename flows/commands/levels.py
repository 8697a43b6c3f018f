"""What the command line says of levels: those of a run in figures, and those proposed for a pool of some size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from windrow.tasks.algorithms.clustering.level_settings import propose_levels
from windrow.tasks.report.formats import decimal, percent
from windrow.tasks.report.level_facts import LevelFigures, read_level_figures, spread

FIGURES: dict[str, Callable[[LevelFigures], str]] = {
    "clusters": lambda level: f"{level.n_clusters:,}",
    "members each": lambda level: spread(level.members),
    "samples each": lambda level: spread(level.samples),
    "one member": lambda level: percent(level.n_single / level.n_clusters, 0),
    "empty": lambda level: f"{level.n_empty:,}",
    "effective": lambda level: decimal(level.effective, 1),
    "largest": lambda level: percent(level.largest),
    "inertia": lambda level: decimal(level.inertia, 1),
    "a member": lambda level: decimal(level.mean_square, 4),
}
DRIFT_SQL = "SELECT refitted, reasons, n_new, share_far, n_new_regions, share_unchanged FROM drift"


def print_levels(console: Console, connection: Any) -> None:
    """Print the figures of a run's levels, finest first. Raises ValueError when the run has no clusters."""
    levels = read_level_figures(connection)
    if not levels:
        raise ValueError("this run has no clusters: it ended before its pool was clustered")
    table = Table("", *(f"level {level.number}" for level in levels))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figure in FIGURES.items():
        table.add_row(name, *(figure(level) for level in levels))
    console.print(table)
    for row in connection.execute(DRIFT_SQL).fetchall():
        console.print(_drift(*row), highlight=False)
    console.print(
        "each: the least · the lower to the upper quartile · the most. effective: how many equally large clusters "
        "would be as diverse. largest: its share of the samples. inertia: sum of squared distances to the centroids.",
        style="dim",
        highlight=False,
    )


def _drift(refitted: bool, reasons: str, n_new: int, far: float, regions: int, unchanged: float | None) -> str:
    what = "clustered again from the last run's clusters" if refitted else "placed in the last run's clusters"
    text = f"{n_new:,} new samples ({percent(far)} of them far, {regions:,} new regions): {what}"
    if unchanged is not None:
        text += f"; {percent(unchanged)} of the earlier samples are in the finest cluster of the same number"
    return text + (f". Drift: {reasons}" if reasons else "")


def print_proposal(console: Console, n: int, target_size: int | None) -> None:
    """Print the levels proposed for a pool of n samples, the reasons, and a line for the config."""
    proposed = propose_levels(n, target_size)
    table = Table("level", "clusters", "resampled", "why")
    for column in table.columns[:3]:
        column.justify = "right"
    levels = zip(proposed.n_clusters, proposed.n_resamples, proposed.reasons, strict=True)
    for number, (n_clusters, n_resampled, reason) in enumerate(levels, start=1):
        table.add_row(f"{number}", f"{n_clusters:,}", f"{n_resampled:,}", reason)
    console.print(table)
    line = f"n_clusters: {list(proposed.n_clusters)}, n_resamples: {list(proposed.n_resamples)}"
    console.print(f"clustering: {{{line}}}", markup=False, highlight=False, soft_wrap=True)
