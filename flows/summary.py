"""What a run did, in a dozen lines: for the terminal and for Prefect's UI."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Any

from rich.console import Console
from rich.table import Table

from windrow.schemas.stages import Stage
from windrow.tasks.labels.checked_files import read_tallies
from windrow.tasks.labels.found_labels import read_found_labels
from windrow.tasks.labels.label_file import Tally
from windrow.tasks.labels.unlabelled import UNLABELLED
from windrow.tasks.report.balance_facts import Balance, Measured, read_balance
from windrow.tasks.report.facts import read_overlap
from windrow.tasks.report.formats import percent, plural
from windrow.tasks.report.label_facts import read_checked_labels
from windrow.tasks.report.state_facts import read_states
from windrow.tasks.report.worth_facts import read_worth
from windrow.tasks.storage.catalog.views import connect, run_tables
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.texts.markdown import inline
from windrow.tasks.texts.terminal import escape, visible

NEXT_QUERY = "SELECT label, count(*), avg(confidence) FROM curated GROUP BY label ORDER BY label"
NEXT_QUERY_OF_CLUSTERS = "SELECT cluster, count(*) FROM curated GROUP BY cluster ORDER BY cluster"
NO_CLASSES = (
    "No label came with the samples, so none is exported; `cluster` is the number of a sample's cluster, and"
    " `windrow annotate` writes which samples to label first"
)
NEXT_QUERY_OF_STATES = "SELECT unnest(present) AS label, count(*) FROM curated GROUP BY label ORDER BY label"

MEANINGS = {
    "exported": "in the version",
    "not_published": "kept back by the guard or a gate",
    "not_selected": "ranked beyond the target size",
    "duplicate": "same bytes as another occurrence",
    "near_duplicate": "cosine similarity reaches the threshold",
    "filtered": "broke a filter of the config, or dropped by a person",
    "held_out": "kept apart to judge the curated set by",
    "unreadable": "could not be used",
    "forgotten": "refused since a take-down",
}

COLOURS = {"better": "green", "worse": "red", "": ""}
"""Of a balance; neither where no difference can be told."""
RARE = ("forgotten", "held_out", "not_published")
"""Outcomes that are only told of where there are some."""

OUTCOMES_SQL = "SELECT outcome, count(*) FROM outcomes GROUP BY outcome"
REASONS_SQL = """
SELECT outcome, reason, count(*) AS n FROM outcomes WHERE outcome IN ('filtered', 'unreadable', 'forgotten')
GROUP BY ALL ORDER BY n DESC, reason LIMIT 8
"""
LEAKS_SQL = "SELECT count(*), count(*) FILTER (evidence = 'bytes') FROM leaks"
THRESHOLD_SQL = "SELECT threshold, how FROM near_duplicate_threshold"
CLASSES_SQL = "SELECT count(*) > 0 FROM labels WHERE label_set = 'pseudo'"
ALIKE_SQL = "SELECT count(*), count(DISTINCT group_id) FROM hash_groups"


@dataclass(frozen=True)
class Summary:
    """Counts of a run: `outcomes` by kind, `reasons` as (outcome, reason, n), `balance` None without clusters.

    `threshold`: cosine similarity from which on samples were near-duplicates, and how it came; None before a ranking.
    `alike`: samples whose perceptual hash is near another's, and the groups that they form. `leaks`: samples kept out
    for what `selection.keep_away` holds, and of these how many with the same bytes; None where it names nothing.
    `overlap`: of the pool and the reference set, in a sentence; None without one.
    `files`: how the rows of each file of the user's fit the pool.
    `backbone`: the encoder that was taken where the config left it open, and why. `worth`: in a sentence, None where it
    was not measured; `kept_back`: why the guard or a gate let nothing be published. `found`: what came with the samples
    of each source, in a line each. `has_classes`: whether any label is known or made. `checked`: of the given labels,
    in a sentence; None where none was checked. `states`: of the classes of samples that may be of several, in a
    sentence; None of samples of one class.
    """

    name: str
    run_id: str
    outcomes: dict[str, int]
    reasons: tuple[tuple[str, str, int], ...]
    balance: Balance | None
    alike: tuple[int, int]
    leaks: tuple[int, int] | None
    threshold: tuple[float, str] | None
    overlap: str | None
    files: tuple[Tally, ...] = ()
    backbone: str | None = None
    worth: str | None = None
    kept_back: str | None = None
    found: tuple[str, ...] = ()
    has_classes: bool = True
    checked: str | None = None
    states: str | None = None


def read_summary(run: Run) -> Summary:
    """Read the summary of a finished run from its tables."""
    connection = connect(run_tables(run))
    outcomes = dict(connection.sql(OUTCOMES_SQL).fetchall())
    reasons = tuple(connection.sql(REASONS_SQL).fetchall())
    threshold = next(iter(connection.sql(THRESHOLD_SQL).fetchall()), None)
    n_alike, n_groups = connection.sql(ALIKE_SQL).fetchall()[0]
    kept_away = (run.config.get("selection") or {}).get("keep_away")
    leaks = connection.sql(LEAKS_SQL).fetchall()[0] if kept_away else None
    features = run.stage(Stage.FEATURES)
    shown = {kind: outcomes.get(kind, 0) for kind in MEANINGS if kind not in RARE or kind in outcomes}
    states = read_states(connection)
    worth, export, checked = read_worth(connection), run.stage(Stage.EXPORT), read_checked_labels(connection)
    return Summary(
        run.name,
        run.run_id,
        shown,
        reasons,
        read_balance(connection),
        (n_alike, n_groups),
        leaks,
        threshold,
        read_overlap(connection),
        read_tallies(connection),
        features.choice if features else None,
        worth.sentence if worth else None,
        export.kept_back if export else None,
        _found(connection, run),
        bool(states or connection.sql(CLASSES_SQL).fetchall()[0][0]),
        checked.sentence if checked else None,
        states,
    )


def _found(connection: Any, run: Run) -> tuple[str, ...]:
    """What came with the samples of each source, in a line each."""
    labels = run.config.get("labels") or {}
    spellings, several = labels.get("unlabelled", UNLABELLED), labels.get("kind") == "multi"
    found = read_found_labels(connection, [*map(str, spellings)])
    return tuple(f"{each.source}: {each.told(several)}" for each in found)


def summarise(run: Run) -> str:
    """Return the summary of a finished run as Markdown."""
    summary = read_summary(run)
    lines = [f"**Not published**: {inline(summary.kept_back)}.", ""] if summary.kept_back else []
    lines += [inline(summary.worth), ""] if summary.worth else []
    lines += ["| outcome | occurrences | meaning |", "|---|---:|---|"]
    lines += [f"| {kind.replace('_', ' ')} | {n:,} | {MEANINGS[kind]} |" for kind, n in summary.outcomes.items()]
    lines += [f"| **all** | {sum(summary.outcomes.values()):,} | each counted once |", ""]
    lines += [f"{inline(line)}.\n" for line in summary.found]
    lines += [f"{inline(summary.states)}.", ""] if summary.states else []
    lines += [] if summary.has_classes else [f"{NO_CLASSES}.", ""]
    lines += [f"{_alike(summary)}.", ""]
    lines += [f"{_leaks(summary)}.", ""] if summary.leaks else []
    lines += [f"{inline(summary.overlap)}.", ""] if summary.overlap else []
    lines += [line for each in summary.files for line in (f"{inline(str(each))}.", "")]
    lines += [f"Encoder: {inline(summary.backbone)}.", ""] if summary.backbone else []
    lines += [f"{summary.checked}.", ""] if summary.checked else []
    lines += [f"{inline(line)}." for line in _threshold(summary)] + [""]
    return "\n".join([*lines, *_balance_lines(summary.balance)])


def _balance_lines(balance: Balance | None) -> list[str]:
    if balance is None:
        return []
    lines = [f"{inline(_capital(balance.sentence))}.", "", f"| {balance.kind} | pool | curated |", "|---|---:|---:|"]
    for share in balance.shown + balance.rest:
        lines.append(f"| {inline(share.name)} | {_percent(share.pool)} | {_percent(share.curated)} |")
    return lines


def _percent(share: Measured | None) -> str:
    if share is None:
        return "-"
    return percent(share.value) + (
        f" ({percent(share.low)} to {percent(share.high)})" if share.low < share.high else ""
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _alike(summary: Summary) -> str:
    n_alike, n_groups = summary.alike
    told = f"{plural(n_alike, 'sample')} in {plural(n_groups, 'group')}" if n_alike else "none"
    return f"Alike by perceptual hash (table hash_groups): {told}"


def _leaks(summary: Summary) -> str:
    n, n_same = summary.leaks or (0, 0)
    if not n:
        return "Leaks (table leaks): none; nothing in the pool is a near-duplicate of what selection.keep_away names"
    return (
        f"Leaks (table leaks): {n:,} samples kept out, {n_same:,} of them the same bytes as selection.keep_away holds"
    )


def _threshold(summary: Summary) -> list[str]:
    if summary.threshold is None:
        return []
    threshold, how = summary.threshold
    return [f"Near-duplicates: cosine similarity from {threshold:g} on ({how})"]


def summary_table(summary: Summary) -> Table:
    """Return a summary for the terminal."""
    table = Table(title=f"{escape(summary.name)}: what became of {sum(summary.outcomes.values()):,} occurrences")
    table.add_column("outcome")
    table.add_column("n", justify="right")
    table.add_column("meaning")
    for kind, n in summary.outcomes.items():
        table.add_row(kind.replace("_", " "), f"{n:,}", MEANINGS[kind], style="green" if kind == "exported" else None)
        for _, reason, count in (row for row in summary.reasons if row[0] == kind):
            table.add_row("", f"{count:,}", f"  {escape(reason)}", style="dim")
    return table


def _next(summary: Summary) -> str:
    if summary.states:
        return NEXT_QUERY_OF_STATES
    return NEXT_QUERY if summary.has_classes else NEXT_QUERY_OF_CLUSTERS


def print_run(console: Console, run: Run) -> None:
    """Print what a run did, where its version and its report are, and what to ask next.

    What its log has said already (what came with the samples, files that fit, the encoder) is not said again.
    """
    store, summary = run.store, read_summary(run)
    console.print(summary_table(summary))
    if summary.worth:
        console.print(visible(summary.worth), markup=False, soft_wrap=True)
    if summary.balance is not None:
        sentence = visible(_capital(summary.balance.sentence))
        console.print(sentence, style=COLOURS[summary.balance.style], markup=False, highlight=False)
    if summary.states:
        console.print(visible(summary.states), soft_wrap=True, markup=False, highlight=False)
    if not summary.has_classes:
        console.print(NO_CLASSES, soft_wrap=True, markup=False, highlight=False)
    if summary.checked:
        console.print(summary.checked, soft_wrap=True, markup=False)
    if summary.leaks:
        console.print(_leaks(summary))
    if summary.overlap:
        console.print(visible(summary.overlap), soft_wrap=True, markup=False)
    for file in summary.files:
        if file.n_matched < file.n_rows:
            console.print(visible(str(file)), soft_wrap=True, markup=False, highlight=False)
    for line in _threshold(summary):
        console.print(visible(line), highlight=False, markup=False)
    version = latest_version(store, run.name)
    if summary.kept_back:
        console.print(f"[red]not published:[/] {escape(summary.kept_back)}", soft_wrap=True)
    if version is not None:
        console.print(visible(f"version: {version.path} ({version.n_samples:,} samples)"), soft_wrap=True, markup=False)
    console.print(visible(f"report:  {run.warning or run.path / 'report.html'}"), soft_wrap=True, markup=False)
    asking = f'next:    windrow query --store {quote(str(store))} "{_next(summary)}"'
    console.print(visible(asking), soft_wrap=True, markup=False)
