"""Forget: say what will go, ask, and do it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from windrow.tasks.report.formats import plural
from windrow.tasks.storage.store.run_rest import runs_with_rest
from windrow.tasks.takedown import removal as takedown
from windrow.tasks.takedown.forget_targets import Choice, choose
from windrow.tasks.texts.terminal import escape

SHOWN = 20


def forget(
    console: Console,
    store: Path,
    targets: Sequence[str],
    near_duplicates: bool,
    reason: str | None,
    agreed: Callable[[], bool] | None,
) -> None:
    """Forget what targets are about (`choose`) once the user has `agreed`; only say what would go where that is None.

    A take-down that was cut short is finished first: it was agreed to. Raises ValueError for a target that is none, and
    while a run is at work.
    """
    if not targets and not takedown.unfinished(store):
        raise ValueError("wants a sample_id, a source or @file: what is to be forgotten? (No take-down was cut short.)")
    for name in takedown.finish_takedowns(store) if agreed else ():
        console.print(f"finished take-down {name}, which had been cut short", soft_wrap=True)
    choice = choose(store, targets, near_duplicates) if targets else Choice((), (), {})
    if choice.already:
        console.print(f"{plural(len(choice.already), 'sample')} forgotten before: nothing to do for them")
    if not choice.chosen:
        return
    _say_what_goes(console, choice, takedown.survey(store, [each.sample_id for each in choice.chosen]))
    if agreed is None:
        console.print("dry run: nothing was changed")
    elif agreed():
        done = takedown.forget(store, [vars(each) for each in choice.chosen], reason)
        _say_what_went(console, store, done)


def _say_what_goes(console: Console, choice: Choice, survey: Mapping[str, Any]) -> None:
    near = sorted((-each.similarity, each) for each in choice.chosen if each.similarity is not None)
    n_asked = len(choice.chosen) - len(near)
    console.print(f"to forget for ever: {plural(n_asked, 'sample')} asked for, {plural(len(near), 'near-duplicate')}")
    for name, threshold in choice.thresholds.items():
        console.print(f"near-duplicates: of the last run of {name}, from a cosine similarity of {threshold:g}")
    for _, each in near[:SHOWN]:
        console.print(f"  {each.sample_id}  {each.similarity:.4f}  because of {each.because_of}", soft_wrap=True)
    _say_more(console, len(near))
    console.print(
        f"seen {plural(len(survey['occurrences']), 'time')}; {plural(len(survey['remove']), 'output')} to delete, "
        f"{plural(len(survey['rewrite']), 'shard')} to rewrite, {plural(len(survey['runs']), 'run')} to withdraw"
    )
    if any(path.startswith("outputs/fit_backbone/") for path in survey["remove"]):
        console.print("the fitted backbone learnt from them: it goes, and the next run fits and embeds anew")
    for version in survey["versions"]:
        n_held = len(version["sample_ids"])
        console.print(f"{escape(version['path'])} holds {n_held:,} of them: to withdraw", soft_wrap=True)


def _say_what_went(console: Console, store: Path, done: Mapping[str, Any]) -> None:
    by_source = Counter(row["source_uri"] for row in done["occurrences"])
    console.print(
        f"forgotten. The source files are yours and still hold the bytes ({plural(by_source.total(), 'place')}):"
    )
    for row in done["occurrences"][:SHOWN]:
        console.print(f"  {escape(row['source_uri'])}  {escape(row['shard'])}  {escape(row['key'])}", soft_wrap=True)
    _say_more(console, len(done["occurrences"]))
    console.print(f"take-down: {escape(str(takedown.manifest_path(store, done['takedown'])))}", soft_wrap=True)
    left = [run for run in runs_with_rest(store) if run.run_id in done["runs"]]
    for run in left:
        told = f"run {run.run_id} of {run.name} can still be asked, without them, until the next run is finished"
        console.print(escape(told), soft_wrap=True)
    console.print("next:      windrow run, which publishes a version without them", soft_wrap=True)


def _say_more(console: Console, n: int) -> None:
    if n > SHOWN:
        console.print(f"  and {n - SHOWN:,} more")
