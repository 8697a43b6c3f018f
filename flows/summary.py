"""What a run did, in a dozen lines: for the terminal and for Prefect's UI."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.report.worth_facts import read_worth
from windrow.tasks.storage.catalog.views import connect, run_tables
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.run_records import Run

NEXT_QUERY = "SELECT label, count(*), avg(confidence) FROM curated GROUP BY label ORDER BY label"

MEANINGS = {
    "exported": "in the version",
    "not_published": "kept back by the guard",
    "not_selected": "ranked beyond the target size",
    "duplicate": "same bytes as another occurrence",
    "near_duplicate": "cosine similarity reaches the threshold",
    "filtered": "broke a filter of the config",
    "held_out": "kept apart to judge the curated set by",
    "unreadable": "could not be used",
    "forgotten": "refused since a take-down",
}

RARE = ("forgotten", "held_out", "not_published")
"""Outcomes that are only told of where there are some."""

OUTCOMES_SQL = "SELECT outcome, count(*) FROM outcomes GROUP BY outcome"
REASONS_SQL = """
SELECT outcome, reason, count(*) AS n FROM outcomes WHERE outcome IN ('filtered', 'unreadable', 'forgotten')
GROUP BY ALL ORDER BY n DESC, reason LIMIT 8
"""
# Balance is over what the labels say where there are given ones, and over the coarsest clusters otherwise. What was
# dropped, photographs among digits, say, is of no class, whatever label was nearest.
BALANCE_SQL = (
    "SELECT classes[1] AS class, count(*), count(*) FILTER (selected) FROM pool"
    " WHERE classes IS NOT NULL AND dropped_by IS NULL GROUP BY 1"
)
ALIKE_SQL = "SELECT count(*), count(DISTINCT group_id) FROM hash_groups"


@dataclass(frozen=True)
class Summary:
    """Counts of a run: `outcomes` by kind, `reasons` as (outcome, reason, n), `balance` as (class, pool, selected).

    `alike`: samples whose perceptual hash is near another's, and the groups that they form. `worth`: in a sentence,
    None where it was not measured; `kept_back`: why the guard let nothing be published.
    """

    name: str
    run_id: str
    outcomes: dict[str, int]
    reasons: tuple[tuple[str, str, int], ...]
    balance: tuple[tuple[str, int, int], ...]
    alike: tuple[int, int]
    worth: str | None
    kept_back: str | None

    @property
    def entropy(self) -> tuple[float, float]:
        """Normalised entropy of the classes' shares, in the pool and in the curated set."""
        if not self.balance:
            return 1.0, 1.0
        return (
            normalised_entropy([pool for _, pool, _ in self.balance]),
            normalised_entropy([selected for _, _, selected in self.balance]),
        )


def read_summary(run: Run) -> Summary:
    """Read the summary of a finished run from its tables."""
    connection = connect(run_tables(run))
    outcomes = dict(connection.sql(OUTCOMES_SQL).fetchall())
    reasons = tuple(connection.sql(REASONS_SQL).fetchall())
    balance = tuple(sorted(connection.sql(BALANCE_SQL).fetchall(), key=lambda row: (-row[1], row[0])))
    shown = {kind: outcomes.get(kind, 0) for kind in MEANINGS if kind not in RARE or kind in outcomes}
    n_alike, n_groups = connection.sql(ALIKE_SQL).fetchall()[0]
    worth, export = read_worth(connection), run.stage(Stage.EXPORT)
    return Summary(
        run.name,
        run.run_id,
        shown,
        reasons,
        balance,
        (n_alike, n_groups),
        worth.sentence if worth else None,
        export.kept_back if export else None,
    )


def summarise(run: Run) -> str:
    """Return the summary of a finished run as Markdown."""
    summary = read_summary(run)
    lines = [f"**Not published**: {summary.kept_back}.", ""] if summary.kept_back else []
    lines += [summary.worth, ""] if summary.worth else []
    lines += ["| outcome | occurrences | meaning |", "|---|---:|---|"]
    lines += [f"| {kind.replace('_', ' ')} | {n:,} | {MEANINGS[kind]} |" for kind, n in summary.outcomes.items()]
    lines += [f"| **all** | {sum(summary.outcomes.values()):,} | each counted once |", ""]
    lines += [f"B{_balance(summary)[1:]}.", ""]
    lines += [f"{_alike(summary)}.", ""]
    lines += ["| class | pool | curated |", "|---|---:|---:|"]
    lines += [f"| {_escaped(name)} | {pool:,} | {selected:,} |" for name, pool, selected in summary.balance[:30]]
    if len(summary.balance) > 30:
        lines.append(f"| and {len(summary.balance) - 30} more | | |")
    return "\n".join(lines)


def _balance(summary: Summary) -> str:
    before, after = summary.entropy
    chosen = f"curated set {after:.3f}" if any(n for _, _, n in summary.balance) else "no curated set"
    return f"balance of classes (normalised entropy): pool {before:.3f}, {chosen}"


def _alike(summary: Summary) -> str:
    return "Alike by perceptual hash (table hash_groups): {:,} samples in {:,} groups".format(*summary.alike)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def summary_table(summary: Summary) -> Table:
    """Return a summary for the terminal."""
    table = Table(title=f"{summary.name}: what became of {sum(summary.outcomes.values()):,} occurrences")
    table.add_column("outcome")
    table.add_column("n", justify="right")
    table.add_column("meaning")
    for kind, n in summary.outcomes.items():
        table.add_row(kind.replace("_", " "), f"{n:,}", MEANINGS[kind], style="green" if kind == "exported" else None)
        for _, reason, count in (row for row in summary.reasons if row[0] == kind):
            table.add_row("", f"{count:,}", f"  {reason}", style="dim")
    return table


def print_run(console: Console, run: Run) -> None:
    """Print what a run did, where its version and its report are, and what to ask next."""
    store, summary = run.store, read_summary(run)
    console.print(summary_table(summary))
    if summary.worth:
        console.print(summary.worth, markup=False, soft_wrap=True)
    console.print(_balance(summary))
    console.print(_alike(summary))
    version = latest_version(store, run.name)
    if summary.kept_back:
        console.print(f"[red]not published:[/] {summary.kept_back}", soft_wrap=True)
    if version is not None:
        console.print(f"version: {version.path} ({version.n_samples:,} samples)", soft_wrap=True)
    console.print(f"report:  {run.warning or run.path / 'report.html'}", soft_wrap=True, markup=False)
    console.print(f'next:    windrow query --store {store} "{NEXT_QUERY}"', soft_wrap=True, markup=False)
