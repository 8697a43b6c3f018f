"""What `windrow leaks` says of two sets: which samples of one are near-duplicates of samples of the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.neighbors.leaking_pairs import FAR, Leaks, find_leaks
from windrow.tasks.config import parse_config
from windrow.tasks.report.formats import of_pairs, percent
from windrow.tasks.selection.compared_sets import ComparedSet, read_set
from windrow.tasks.selection.kept_away import evidence
from windrow.tasks.selection.proposed_threshold import threshold_of
from windrow.tasks.storage.store.run_rest import whole_run
from windrow.tasks.texts.terminal import escape, visible

MOST_SHOWN = 20
UNREADABLE_SHOWN = 3


def print_leaks(
    console: Console,
    store: Path,
    run_id: str | None,
    names: tuple[str, str],
    threshold: float | None,
    bits: int | None,
    as_json: bool,
) -> bool:
    """Print the near-duplicates between two sets, and say whether there are any.

    threshold: cosine similarity, and bits: of 64; None takes the run's `selection.near_duplicate_threshold` and
    `hashes.max_distance`. Raises ValueError when the store has no finished run, and what `read_set` raises.
    """
    run = whole_run(store, run_id)
    config = parse_config(run.config)
    if threshold is None:
        threshold = threshold_of(run.outputs(Stage.NEIGHBORS)[0], config.selection).threshold
    bits = config.hashes.max_distance if bits is None else bits
    left, right = (read_set(run, name, config.ingest, config.features, config.seed) for name in names)
    found = find_leaks(left.fingerprints, right.fingerprints, threshold, bits)
    if as_json:
        print(json.dumps(_plain(left, right, found, threshold, bits), ensure_ascii=False))
    else:
        _print(console, left, right, found, threshold, bits)
    return len(found) > 0


def _plain(left: ComparedSet, right: ComparedSet, found: Leaks, threshold: float, bits: int) -> dict[str, Any]:
    sets = {
        side: {
            "name": each.name,
            "n_samples": len(each.fingerprints),
            "n_unreadable": len(each.unreadable),
            "unreadable": list(each.unreadable),
            "n_without_embedding": int((~each.fingerprints.has_embedding).sum()),
            "n_leaking": len(np.unique(rows)),
        }
        for side, each, rows in (("a", left, found.left), ("b", right, found.right))
    }
    pairs = [
        {
            "a": {"sample_id": str(left.fingerprints.ids[i]), **left.place(i)},
            "b": {"sample_id": str(right.fingerprints.ids[j]), **right.place(j)},
            **evidence(found, at),
        }
        for at, (i, j) in enumerate(zip(found.left.tolist(), found.right.tolist(), strict=True))
    ]
    return {**sets, "threshold": threshold, "bits": bits, "n_pairs": len(found), "pairs": pairs}


def _print(console: Console, left: ComparedSet, right: ComparedSet, found: Leaks, threshold: float, bits: int) -> None:
    for each, rows in ((left, found.left), (right, found.right)):
        n, leaking = len(each.fingerprints), len(np.unique(rows))
        share = f" ({percent(leaking / n)})" if n else ""
        _say(console, f"{each.name}: {n:,} samples, {leaking:,}{share} in a pair{_not_compared(each)}")
    by = {
        "the same bytes": int(found.same_bytes.sum()),
        f"cosine similarity {threshold:g} or more": int((~np.isnan(found.similarity)).sum()),
        f"hashes within {bits} bits": int((found.distance != FAR).sum()),
    }
    counts = ", ".join(f"{n:,} by {how}" for how, n in by.items())
    _say(console, f"pairs: {len(found):,}" + (f" ({counts}; a pair may be of several)" if len(found) else ""))
    n_pairs = int(left.fingerprints.has_embedding.sum()) * int(right.fingerprints.has_embedding.sum())
    _say(console, f"embeddings: {of_pairs(found.n_compared, n_pairs)}; no other pair can be as similar")
    if len(found):
        console.print(_table(left, right, found))
        if len(found.closest()) > MOST_SHOWN:
            _say(console, f"the {MOST_SHOWN} closest; --json prints all pairs")


def _not_compared(each: ComparedSet) -> str:
    n_blind = int((~each.fingerprints.has_embedding).sum())
    blind = f"; {n_blind:,} have no embedding and are compared by bytes and hash alone" if n_blind else ""
    if not each.unreadable:
        return blind
    named = ", ".join(each.unreadable[:UNREADABLE_SHOWN]) + (", ..." if len(each.unreadable) > UNREADABLE_SHOWN else "")
    return f"{blind}; not compared, since unreadable: {len(each.unreadable):,} ({named})"


def _table(left: ComparedSet, right: ComparedSet, found: Leaks) -> Table:
    """The closest pair of each sample of A, the closest of all first."""
    table = Table("A", "B", "same bytes", "similarity", "bits", title="closest of each sample of A")
    closest = found.closest()
    similarity = np.nan_to_num(found.similarity[closest], nan=-1.0)
    for at in closest[np.lexsort((-similarity, ~found.same_bytes[closest]))][:MOST_SHOWN]:
        shown = evidence(found, int(at))
        table.add_row(
            escape(_named(left, int(found.left[at]))),
            escape(_named(right, int(found.right[at]))),
            "yes" if found.same_bytes[at] else "",
            "" if shown["similarity"] is None else f"{shown['similarity']:.4f}",
            "" if shown["distance"] is None else str(shown["distance"]),
        )
    return table


def _named(each: ComparedSet, row: int) -> str:
    return each.place(row)["key"] or str(each.fingerprints.ids[row])


def _say(console: Console, text: str) -> None:
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True)
