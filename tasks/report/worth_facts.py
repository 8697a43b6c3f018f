"""What a run's curated set is worth, in rows and in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from windrow.tasks.report.cited import Row
from windrow.tasks.report.formats import decimal, percent

COMPARED_SQL = """
SELECT * FROM worth ORDER BY NOT decides, list_position(['random', 'deduplicated', 'last'], baseline)
"""
SETS_SQL = """SELECT * FROM worth_sets ORDER BY list_position(['curated', 'random', 'deduplicated', 'last'], "set")"""
KEPT_SQL = "SELECT * FROM worth_kept"
CURVE_SQL = "SELECT * FROM worth_curve ORDER BY weighting = 'class_weighted', n_samples"


@dataclass(frozen=True)
class WorthFacts:
    """Rows of the tables worth (what decides first), worth_sets (curated first), worth_curve and worth_kept."""

    compared: tuple[Row, ...]
    sets: tuple[Row, ...]
    curve: tuple[Row, ...]
    kept: tuple[Row, ...] = ()

    @property
    def sentence(self) -> str:
        """What the curated set is worth against random samples, with the numbers that it rests on."""
        kept = "".join(f" This was {kept_words(row)}." for row in self.kept)
        return f"{self._verdict}{kept}"

    @property
    def _verdict(self) -> str:
        row = self.compared[0]
        if row["verdict"] == "unknown":
            return f"Whether the curated set is better than a random one could not be measured: {row['why']}."
        judged = (
            f"on {row['n_evaluated']:,} held-out samples, training on {row['n_samples']:,} curated samples gives a"
            f" balanced accuracy of {percent(row['quality'])}, on as many random ones"
            f" {percent(row['baseline_quality'])}"
            f" (95 % interval of the difference {row['difference_low'] * 100:+.1f} to"
            f" {row['difference_high'] * 100:+.1f} points)"
        )
        if row["verdict"] == "better":
            return f"The curated set is worth {times(row)} as many random samples: {judged}."
        if row["verdict"] == "worse":
            return f"The curated set is worse than random, worth {times(row)} as many random samples: {judged}."
        return f"Whether the curated set is better than random cannot be told yet: {judged}; multiplier {times(row)}."


def kept_words(row: Row) -> str:
    """A row of `worth_kept` in words: which version was judged, and what has changed since."""
    return f"judged on {row['judged_on']}, of which {percent(row['changed'])} has changed since"


def times(row: Row) -> str:
    """A multiplier as '1.8 times (1.3 to 2.6)'; a dash where there is none."""
    if row["multiplier"] is None:
        return "–"
    bound = {"lower bound": "at least ", "upper bound": "at most ", "extrapolated": "about "}.get(row["told"], "")
    interval = f"{decimal(row['multiplier_low'], 1)} to {decimal(row['multiplier_high'], 1)}"
    return f"{bound}{decimal(row['multiplier'], 1)} times ({interval})"


def read_worth(connection: Any) -> WorthFacts | None:
    """Return what a run says of its worth; None where it has not measured it."""
    found = [tuple(_rows(connection, sql)) for sql in (COMPARED_SQL, SETS_SQL, CURVE_SQL, KEPT_SQL)]
    return WorthFacts(*found) if found[0] else None


def _rows(connection: Any, sql: str) -> list[Row]:
    answer = connection.execute(sql)
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
