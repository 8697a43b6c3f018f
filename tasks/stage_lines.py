"""The line that tells of a stage: its counts in words, the whole before its parts, no zeros but those worth knowing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from windrow.tasks.report.formats import duration, size
from windrow.tasks.storage.store.run_records import StageRecord

WORDS: Mapping[str, str] = {
    "n_occurrences": "occurrences",
    "n_samples": "samples",
    "n_unreadable": "unreadable",
    "n_errors": "errors",
    "n_hashed": "hashed",
    "n_in_hash_groups": "alike",
    "n_hash_groups": "groups of alike pictures",
    "n_classes": "classes",
    "n_given": "given",
    "n_checked": "checked",
    "n_labelled": "labelled",
    "n_abstained": "abstained",
    "n_refused": "refused",
    "n_doubtful": "doubtful",
    "n_held_out": "held out",
    "n_ranked": "ranked",
    "n_selected": "selected",
    "n_sets": "sets",
    "n_comparisons": "comparisons",
}
"""In the order of the line; counts that are not here come after these, by their own names."""

TOLD_AT_ZERO = frozenset({"n_samples", "n_unreadable", "n_errors", "n_given", "n_checked", "n_selected"})

FOR_THE_RECORD = frozenset(
    {
        "n_label_sets",
        "n_soft_labels",
        "n_predictions",
        "n_judged",
        "n_evaluated",
        "n_user_files",
        "n_coco_files",
        "n_measured",
    }
)
"""Counts that the run's record and Prefect's table have, and nobody reads in a log."""


def stage_line(record: StageRecord) -> str:
    """Return one line about what a stage did."""
    counts = record.counts
    names = [*(name for name in WORDS if name in counts), *(name for name in counts if name not in WORDS)]
    told = ", ".join(_told(name, counts[name]) for name in names if _is_told(name, counts))
    line = f"{count_words(record.stage)}: {told or 'nothing to do'} ({', '.join(_cost(record))})"
    return "; ".join([line, *filter(None, (record.choice, record.note))])


def count_words(name: str) -> str:
    """Return the name of a count as people read it."""
    return WORDS.get(name, name.removeprefix("n_").replace("_", " "))


def _is_told(name: str, counts: Mapping[str, int]) -> bool:
    if name in FOR_THE_RECORD:
        return False
    if name.endswith("_rows"):  # of a user's file: told unless each of them found its sample
        return counts[name] != counts.get(f"{name}_matched", 0)
    if name.endswith("_rows_matched"):
        return _is_told(name.removesuffix("_matched"), counts)
    return counts[name] > 0 or name in TOLD_AT_ZERO


def _told(name: str, number: int) -> str:
    if name == "n_bytes":
        return size(number)
    words = count_words(name)
    return f"{number:,} {_singular(words) if number == 1 else words}"


def _singular(words: str) -> str:
    """The words with their first plural in the singular."""
    parts = words.split(" ")
    plural = next((at for at, word in enumerate(parts) if word.endswith("s") and not word.endswith("ss")), None)
    if plural is not None:
        word = parts[plural]
        parts[plural] = "class" if word == "classes" else word.removesuffix("s")
    return " ".join(parts)


def _cost(record: StageRecord) -> Iterator[str]:
    n_outputs = len(record.outputs)
    if record.n_found:
        yield "found done" if record.n_found == n_outputs else f"{record.n_found} of {n_outputs} outputs found done"
    yield duration(record.seconds)
