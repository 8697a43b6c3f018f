"""What the command line says of what a curated set is worth."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from windrow.tasks.report.cited import Row
from windrow.tasks.report.formats import count, decimal, percent
from windrow.tasks.report.worth_facts import WorthFacts, read_worth, times


def print_worth(console: Console, connection: Any, as_json: bool) -> None:
    """Print what a run says of its worth. Raises ValueError when it has not measured it."""
    facts = read_worth(connection)
    if facts is None:
        raise ValueError("this run has not measured what its set is worth; run it again with `windrow run`")
    if as_json:
        print(json.dumps({"sentence": facts.sentence, **asdict(facts)}, indent=2, ensure_ascii=False))
        return
    console.print(facts.sentence, markup=False, highlight=False, soft_wrap=True)
    for row in facts.compared:
        if row["why"] and row is not facts.compared[0] and row["decides"]:
            console.print(f"{row['baseline']}: unknown, {row['why']}", markup=False, highlight=False, soft_wrap=True)
    for table in _tables(facts):
        console.print(table)
    console.print(
        f"against: other sets of as many samples. balanced accuracy: of {_trained(facts.compared[0])}, on held-out "
        "samples that no label maker and no selection saw; gain with its 95 % interval over sets and samples, in "
        "points. multiplier: so many times as many random samples are as good. weighted: every class weighs the "
        "same, or its presence and its absence. radius: from samples of the pool to the nearest of the set. clusters: "
        "their effective number. deviation: of sets.",
        style="dim",
        highlight=False,
    )


def _tables(facts: WorthFacts) -> list[Table]:
    compared = _table("against", "probe", "curated", "other", "gain", "multiplier", "verdict")
    for row in facts.compared:
        if row["verdict"] != "unknown":
            compared.add_row(*_comparison(row))
    sets = _table("set", "samples", "labelled", "balance", "radius 95 %", "all", "clusters")
    sets.columns[-1].justify = "right"
    for row in facts.sets:
        numbers = (decimal(row["balance"], 3), decimal(row["radius_95"], 3), decimal(row["radius"], 3))
        sets.add_row(
            row["set"],
            count(row["n_samples"]),
            f"{row['n_labelled']:,.0f}",
            *numbers,
            decimal(row["effective_clusters"], 1),
        )
    curve = _table("random samples", "probe", "sets", "balanced accuracy", "deviation")
    curve.columns[-1].justify = "right"
    for row in facts.curve:
        accuracy = (percent(row["quality"]), decimal(row["deviation"] * 100, 1))
        curve.add_row(count(row["n_samples"]), _weighting(row), str(row["n_seeds"]), *accuracy)
    return [table for table in (compared, sets, curve) if table.row_count]


def _comparison(row: Row) -> tuple[str, ...]:
    difference = (row["quality"] - row["baseline_quality"], row["difference_low"], row["difference_high"])
    value, low, high = (f"{100 * number:+.1f}" for number in difference)
    return (
        row["baseline"],
        _weighting(row),
        percent(row["quality"]),
        percent(row["baseline_quality"]),
        f"{value} ({low} to {high})",
        times(row),
        row["verdict"],
    )


def _trained(row: Row) -> str:
    return "what your command trains" if row["probe"] == "command" else "a probe on frozen features"


def _weighting(row: Row) -> str:
    return "plain" if row["weighting"] == "plain" else "weighted"


def _table(*names: str) -> Table:
    table = Table(*names)
    for column in table.columns[:2]:
        column.no_wrap = True
    for column in table.columns[2:-1]:
        column.justify = "right"
    return table
