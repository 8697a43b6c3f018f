"""A pool must hold two pictures at least: with fewer there is nothing to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.storage.store.outputs import Output

LEAST_SAMPLES = 2
MOST_REASONS = 3


def check_pool(ingested: Sequence[Output]) -> None:
    """Raise ValueError that says what the sources hold where that are fewer than two different pictures."""
    if len(_samples(ingested)) >= LEAST_SAMPLES:
        return
    n_samples, reasons = len(_samples(ingested)), _reasons(ingested)
    n_found = sum(output.counts["n_occurrences"] for output in ingested)
    n_copies = n_found - n_samples - reasons.total()
    told = [f"{n:,} x {reason}" for reason, n in reasons.most_common(MOST_REASONS)]
    told += ["..."] if len(reasons) > MOST_REASONS else []
    parts = [
        f"{n_samples} can be used",
        f"{n_copies:,} with the same bytes" if n_copies else "",
        f"{reasons.total():,} cannot ({'; '.join(told)})" if told else "",
    ]
    what = ", ".join(filter(None, parts))
    raise ValueError(
        f"sources: a curated set needs at least {LEAST_SAMPLES} different pictures; of {n_found:,} found, {what}"
    )


def _samples(ingested: Sequence[Output]) -> set[str]:
    return {
        sample_id
        for output in ingested
        if output.counts["n_samples"]
        for sample_id in output.read(SAMPLES, ["sample_id"])["sample_id"].to_pylist()[:LEAST_SAMPLES]
    }


def _reasons(ingested: Sequence[Output]) -> Counter[str]:
    found: Counter[str] = Counter()
    for output in ingested:
        found.update(reason for reason in output.read(OCCURRENCES, ["unreadable"])["unreadable"].to_pylist() if reason)
    return found
