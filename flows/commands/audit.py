"""What the command line says of how right labels are: by a person's verdicts, or by a file of true labels."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from windrow.tasks.algorithms.labels.combining.calibration import expected_calibration_error
from windrow.tasks.algorithms.labels.label_audit import Interval, coverage_accuracy_curve
from windrow.tasks.corrections.correction_list import add_new, counted
from windrow.tasks.labels.audit_file import corrections_of, read_audit, verdicts, words_of_classes, write_audit
from windrow.tasks.labels.audit_sample import Figure, check_label_set, judge, read_label_set
from windrow.tasks.labels.label_file import Tally, load_label_file
from windrow.tasks.report.formats import percent
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.store.run_rest import whole_run
from windrow.tasks.texts.terminal import escape, visible

BAR_WIDTH = 20
# What would be the label where a set abstains is the first of its classes.
CURVE_SQL = """
SELECT l.classes[1] = t.label AS correct, l.confidence, l.abstained
FROM labels l JOIN truth t USING (sample_id)
WHERE l.label_set = $1 AND ($1 = 'given' OR sample_id NOT IN (SELECT sample_id FROM labels WHERE label_set = 'given'
AND label IS NOT NULL))
"""


def write_sample(
    console: Console, store: Path, run_id: str | None, path: Path, n: int, label_set: str, seed: int
) -> None:
    """Draw samples of a label set, write them to a file, and say how to go on."""
    run_id = run_id or _last_run(store)
    connection = connect_run(store, run_id)
    labels = read_label_set(connection, label_set)
    n_drawn, by = write_audit(path, connection, labels, run_id, n, seed)
    _say(console, f"{path}: {n_drawn:,} of {len(labels.label):,} labels of {label_set!r}, drawn by {by}")
    _say(console, f"fill in `correct` with y, n or the true label, then: windrow audit read {quote(str(path))}")


def print_verdicts(console: Console, store: Path, path: Path) -> None:
    """Print what the verdicts in a file prove. Raises ValueError when it has none, or is not as it was drawn."""
    filled = read_audit(path)
    labels = read_label_set(connect_run(store, filled.run_id), filled.label_set)
    rows, correct, by = verdicts(filled, labels)
    if not len(rows):
        raise ValueError(f"{path} has no verdict yet: fill in the column `correct`")
    n_all = len(labels.label) + labels.n_abstained
    _say(
        console,
        f"{filled.label_set} of run {filled.run_id}: {len(labels.label):,} of {n_all:,} samples"
        f"{'' if filled.label_set == 'given' else ' without a given label'} have a label, "
        f"coverage {percent(len(labels.label) / n_all)}",
    )
    figures = judge(labels, rows, correct, by)
    left = filled.n - len(rows)
    _say(
        console,
        f"checked {len(rows):,} of {filled.n:,}{f'; {left:,} have no verdict and do not count' if left else ''}",
    )
    if words := words_of_classes(filled, labels):
        _say(console, f"read as true labels, not as yes or no, because classes are called so: {', '.join(words)}")
    console.print(_table(figures))
    _say(console, "claimed: the mean confidence; the intervals are for all labels of a row, also those not checked")


def apply_verdicts(console: Console, store: Path, path: Path, who: str) -> None:
    """Add the verdicts in a file to the corrections of the store; what was added before is not added again."""
    filled = read_audit(path)
    labels = read_label_set(connect_run(store, filled.run_id), filled.label_set)
    said = corrections_of(filled, labels, who)
    added = add_new(store, said)
    told = f"{counted({'kind': each.kind} for each in added)} added" if added else "all of it was there before"
    _say(console, f"corrections of {store}: {told}; the next run takes them (windrow corrections list)")


def print_curve(console: Console, store: Path, run_id: str | None, truth: Path, label_set: str) -> None:
    """Print accuracy by coverage against a file of true labels, and what the run's own policy got."""
    connection = connect_run(store, run_id or _last_run(store))
    check_label_set(connection, label_set)
    tally = _load_truth(connection, truth)
    found = connection.execute(CURVE_SQL, [label_set]).fetchnumpy()
    correct, confidence = (np.ma.getdata(found[name]) for name in ("correct", "confidence"))
    if not len(correct):
        raise ValueError(
            f"{truth} names none of the samples that {label_set!r} labels, but for those with a given label ({tally})"
        )
    _say(console, str(tally))
    _say(console, f"{len(correct):,} samples of it have a prediction of {label_set!r}")
    console.print(_curve_table(correct.astype(np.bool_), confidence))
    error = expected_calibration_error(confidence, correct.astype(np.bool_))
    _say(console, f"confidence and accuracy differ by {percent(error)} on average (calibration error, 15 bins)")
    given = ~np.ma.getdata(found["abstained"]).astype(np.bool_)
    right = percent(float(correct[given].mean())) if given.any() else "–"
    _say(console, f"the policy of the run: coverage {percent(float(given.mean()))}, accuracy {right}")


def _last_run(store: Path) -> str:
    return whole_run(store).run_id


def _load_truth(connection: Any, truth: Path) -> Tally:
    tally = load_label_file(connection, str(truth), "TRUTH")
    sql = "SELECT sample_id, min(label) AS label, count(DISTINCT label) AS n FROM file_labels GROUP BY sample_id"
    connection.execute(f"CREATE TABLE truth AS {sql}")
    twice = connection.execute("SELECT sample_id FROM truth WHERE n > 1 ORDER BY 1").fetchone()
    if twice:
        raise ValueError(f"{truth} has more than one label for sample {twice[0]}")
    return tally


def _table(figures: list[Figure]) -> Table:
    table = Table("", "labels", "claimed", "checked", "right", "accuracy", "95% interval")
    for column in table.columns[1:]:
        column.justify = "right"
    for figure in figures:
        counts = (f"{figure.n_labels:,}", percent(figure.confidence), f"{figure.n_checked:,}", f"{figure.n_right:,}")
        table.add_row(escape(figure.name), *counts, *_accuracy(figure.interval), end_section=figure is figures[0])
    return table


def _accuracy(interval: Interval | None) -> tuple[str, str]:
    if interval is None:
        return "–", "–"
    return percent(interval.estimate), f"{percent(interval.low)} to {percent(interval.high)}"


def _curve_table(correct: npt.NDArray[np.bool_], confidence: npt.NDArray[Any]) -> Table:
    """A row for each tenth of coverage, or the next that a threshold can give."""
    curve = coverage_accuracy_curve(confidence, correct)
    table = Table("coverage", "confidence from", "accuracy", "")
    for column in table.columns[:3]:
        column.justify = "right"
    places = np.searchsorted(curve.coverage, np.arange(1, 11) / 10 - 1e-9)
    for place in np.unique(places):
        accuracy = float(curve.accuracy[place])
        bar = Bar(1.0, 0.0, accuracy, width=BAR_WIDTH)
        table.add_row(percent(float(curve.coverage[place])), f"{curve.threshold[place]:.3f}", percent(accuracy), bar)
    return table


def _say(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True)
