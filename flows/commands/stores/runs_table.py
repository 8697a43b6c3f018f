"""`windrow runs`: the runs of a store, what each published, and what that is worth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from windrow.schemas import WORTH, WORTH_KEPT
from windrow.schemas.stages import Stage
from windrow.tasks.report.run_versions import version_of
from windrow.tasks.report.worth_facts import times
from windrow.tasks.storage.published.versions import Version, diff_versions, open_version
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.run_records import Run, runs_backwards
from windrow.tasks.storage.store.run_rest import rest_told
from windrow.tasks.texts.terminal import escape

COLUMNS = ("run", "set", "started (UTC)", "took", "pool", "version", "samples", "stayed", "worth")


@dataclass(frozen=True)
class RunFacts:
    """A run in a row. `n_samples`: of the pool. `version`: what it published, or found to hold the same; `n_selected`:
    the samples of that.

    `stayed`: samples that this version shares with the one before it, over those in either (Jaccard). `multiplier`: how
    many times as many random samples the set is worth, in words, and which version was judged where a night kept a
    judgement. `remark`: why it ended badly, or published nothing.
    """

    run_id: str
    name: str
    started_at: str
    seconds: float | None
    status: str
    n_samples: int | None
    version: str | None
    is_new: bool
    n_selected: int | None
    stayed: float | None
    multiplier: str | None
    remark: str | None


def print_runs(console: Console, store: Path, name: str | None, most: int, as_json: bool) -> None:
    """Print the last runs, the newest first. Raises ValueError where there is none."""
    runs = [run for run in runs_backwards(store) if name in (None, run.name)]
    found = [_facts(run, _published(runs, place) is not None) for place, run in enumerate(runs[:most])]
    if not found:
        raise ValueError(f"store {store} has no run{f' of {name}' if name else ''}: `windrow run` makes one")
    if as_json:
        for facts in found:
            print(json.dumps(asdict(facts), ensure_ascii=False))
        return
    table = Table(*COLUMNS, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for facts in found:
        table.add_row(*map(escape, _cells(facts)))
    for column in table.columns:
        column.no_wrap = True
    console.print(table)
    for facts in found:
        if facts.remark:
            console.print(escape(f"run {_number(facts)}: {facts.remark}"), soft_wrap=True)


def _cells(facts: RunFacts) -> Iterator[str]:
    version = facts.version or "none"
    yield _number(facts)
    yield facts.name
    yield facts.started_at[:16].replace("T", " ")
    yield "" if facts.seconds is None else f"{facts.seconds:,.0f} s"
    yield "" if facts.n_samples is None else f"{facts.n_samples:,}"
    yield facts.status if facts.status != "finished" else version if facts.is_new else f"({version})"
    yield "" if facts.n_selected is None else f"{facts.n_selected:,}"
    yield "" if facts.stayed is None else f"{facts.stayed:.1%}"
    yield facts.multiplier or ""


def _number(facts: RunFacts) -> str:
    return facts.run_id.partition("-")[0].lstrip("0")


def _published(runs: Sequence[Run], place: int) -> str | None:
    """The version that a run published; None where it published none, or found the last one to hold the same."""
    version = _version_path(runs[place])
    earlier = next((run for run in runs[place + 1 :] if run.name == runs[place].name), None)
    return version if version is not None and (earlier is None or _version_path(earlier) != version) else None


def _version_path(run: Run) -> str | None:
    export = run.stage(Stage.EXPORT)
    return export.version if export else None


def _facts(run: Run, is_new: bool) -> RunFacts:
    stages = {record.stage: record for record in run.stages()}
    export, features = stages.get(Stage.EXPORT), stages.get(Stage.FEATURES)
    version = version_of(run)
    return RunFacts(
        run.run_id,
        run.name,
        run.started_at,
        _seconds(run),
        run.status,
        features.n_samples if features else None,
        version.version if version else None,
        is_new,
        version.n_samples if version else None,
        _stayed(version) if version else None,
        _multiplier(run),
        (run.error and run.error + rest_told(run)) or (export.kept_back if export else None) or run.warning,
    )


def _stayed(version: Version) -> float | None:
    before = version.path.with_name(f"v{version.number - 1:04d}")
    with suppress(ValueError):
        old, change = open_version(before), diff_versions(before, version.path)
        return float((old.n_samples - change.removed.num_rows) / (old.n_samples + change.added.num_rows))
    return None


def _seconds(run: Run) -> float | None:
    if run.finished_at is None:
        return None
    return (datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)).total_seconds()


def _multiplier(run: Run) -> str | None:
    for output in run.outputs(Stage.WORTH):
        for row in output.read(WORTH).to_pylist():
            if row["decides"] and row["baseline"] == "random" and row["multiplier"] is not None:
                return ", ".join([times(row), *_kept(output)])
    return None


def _kept(output: Output) -> list[str]:
    if output.counts.get("n_kept") is None:
        return []
    return [str(row["judged_on"]) for row in output.read(WORTH_KEPT).to_pylist()]
