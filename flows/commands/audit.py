"""What the command line says of how right labels are: by a person's verdicts, or by a file of true labels."""

from __future__ import annotations

from collections.abc import Sequence
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
from windrow.tasks.labels.audits.audit_file import (
    FilledIn,
    corrections_of,
    read_audit,
    verdicts,
    words_of_classes,
    write_audit,
)
from windrow.tasks.labels.audits.audit_sample import Figure, judge
from windrow.tasks.labels.audits.audited_set import AuditedSet, read_audited
from windrow.tasks.labels.audits.true_file import Predicted, read_predicted
from windrow.tasks.labels.states.multi_label_config import OF_FILE
from windrow.tasks.report.formats import percent
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.store.run_records import open_run
from windrow.tasks.storage.store.run_rest import whole_run
from windrow.tasks.texts.terminal import escape, visible

BAR_WIDTH = 20


def write_sample(
    console: Console, store: Path, run_id: str | None, path: Path, n: int, label_set: str, seed: int
) -> None:
    """Draw samples of a label set, write them to a file, and say how to go on."""
    run_id = run_id or _last_run(store)
    drawn = write_audit(path, connect_run(store, run_id), label_set, run_id, n, seed)
    for each in drawn:
        of, labels = len(each.rows), each.labels
        what = f"pairs that {label_set!r} says are {labels.state}" if labels.state else f"labels of {label_set!r}"
        _say(console, f"{path}: {of:,} of {labels.n:,} {what}, drawn by {each.by}")
    truth = "true state, present or absent" if drawn[0].labels.state else "true label"
    _say(console, f"fill in `correct` with y, n or the {truth}, then: windrow audit read {quote(str(path))}")


def print_verdicts(console: Console, store: Path, path: Path) -> None:
    """Print what the verdicts in a file prove. Raises ValueError when it has none, or is not as it was drawn."""
    filled = read_audit(path)
    sets = _sets(store, filled)
    checked = verdicts(filled, sets)
    n_checked = sum(len(each.rows) for each in checked)
    if not n_checked:
        raise ValueError(f"{path} has no verdict yet: fill in the column `correct`")
    _say(console, f"{filled.label_set} of run {filled.run_id}: {_coverage(sets)}")
    left = filled.n - n_checked
    _say(
        console,
        f"checked {n_checked:,} of {filled.n:,}{f'; {left:,} have no verdict and do not count' if left else ''}",
    )
    if words := words_of_classes(filled, sets):
        _say(console, f"read as true labels, not as yes or no, because classes are called so: {', '.join(words)}")
    for each in checked:
        console.print(_table(each.labels.state, judge(each)))
    _say(console, "claimed: the mean confidence; the intervals are for all labels of a row, also those not checked")


def apply_verdicts(console: Console, store: Path, path: Path, who: str) -> None:
    """Add the verdicts in a file to the corrections of the store; what was added before is not added again."""
    filled = read_audit(path)
    said = corrections_of(filled, _sets(store, filled), who)
    added = add_new(store, said)
    told = f"{counted({'kind': each.kind} for each in added)} added" if added else "all of it was there before"
    _say(console, f"corrections of {store}: {told}; the next run takes them (windrow corrections list)")


def print_curve(console: Console, store: Path, run_id: str | None, truth: Path, label_set: str) -> None:
    """Print accuracy by coverage against a file of true labels, and what the run's own policy got."""
    run = open_run(store, run_id or _last_run(store))
    all_looked_for = run.config["labels"]["multi"]["vocabulary"] == OF_FILE
    tally, curves = read_predicted(connect_run(store, run.run_id), truth, label_set, all_looked_for)
    _say(console, str(tally))
    for each in curves:
        told = (
            f"pairs of it are {each.state}, or likelier so, by" if each.state else "samples of it have a prediction of"
        )
        _say(console, f"{len(each.correct):,} {told} {label_set!r}")
        if len(each.correct):
            _print_curve(console, each)


def _print_curve(console: Console, predicted: Predicted) -> None:
    correct, said = predicted.correct, ~predicted.abstained
    console.print(_curve_table(correct, predicted.confidence))
    error = expected_calibration_error(predicted.confidence, correct)
    _say(console, f"confidence and accuracy differ by {percent(error)} on average (calibration error, 15 bins)")
    right = percent(float(correct[said].mean())) if said.any() else "–"
    _say(console, f"the policy of the run: coverage {percent(float(said.mean()))}, accuracy {right}")


def _sets(store: Path, filled: FilledIn) -> tuple[AuditedSet, ...]:
    return read_audited(connect_run(store, filled.run_id), filled.label_set, filled.n, filled.seed)


def _coverage(sets: Sequence[AuditedSet]) -> str:
    """How much of what could be said is said, but for what was given."""
    n, n_all, states = sum(each.n for each in sets), sets[0].n_all, [each for each in sets if each.state]
    given = sets[0].name == "given"
    if states:
        said = " and ".join(f"{each.n:,} {each.state}" for each in states)
        whose = "" if given else " whose state was not given"
        return f"of {n_all:,} pairs of a sample and a class{whose} {said}, coverage {percent(n / n_all)}"
    without = "" if given else " without a given label"
    return f"{n:,} of {n_all:,} samples{without} have a label, coverage {percent(n / n_all)}"


def _last_run(store: Path) -> str:
    return whole_run(store).run_id


def _table(state: str | None, figures: list[Figure]) -> Table:
    table = Table(
        state or "", "pairs" if state else "labels", "claimed", "checked", "right", "accuracy", "95% interval"
    )
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
