"""The guard: nothing is published that is worse than what it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from windrow.schemas import WORTH
from windrow.tasks.storage.store.outputs import open_output

Guard = Literal["off", "random", "last"]
THE_OTHERS = {"random": "random samples of the pool", "last": "the last version"}


def kept_back(store: Path, worth: str, guard: Guard) -> str | None:
    """Say why the selection is not to be published, by the table `worth`; None where it may be.

    Only a verdict 'worse' keeps it back: what cannot be told, and what is no different, is published.
    """
    rows = open_output(store / worth).read(WORTH).to_pylist() if guard != "off" else []
    worse = [row for row in rows if row["baseline"] == guard and row["decides"] and row["verdict"] == "worse"]
    for row in worse:
        trained = "what your command trains" if row["probe"] == "command" else "a probe"
        return (
            f"worse than {row['n_samples']:,} of {THE_OTHERS[guard]}: accuracy {row['quality']:.3f} of {trained}, "
            f"not {row['baseline_quality']:.3f}, on {row['n_evaluated']:,} held-out samples "
            f"(95 % interval of the difference {row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
        )
    return None
