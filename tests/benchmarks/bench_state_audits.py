"""How often an audit of pairs of a sample and a class holds the share that is right, in its interval of 95 %.

A pool of 600 banded pictures goes through the pipeline once; what it says of pairs is then wrong at random, five times:
of one class in 30 % of the pairs, of another in 10 %, of the third in 2 %, twice as often where it is less sure than
0.95. Somebody who knows that judges 80 audits of 60 pairs each.

    python tests/benchmarks/bench_state_audits.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from banded_pool import COLOURS, banded_pool
from inline_run import curate_inline

from windrow.tasks.labels.audits.audit_sample import Checked, Drawn, draw_all, judge
from windrow.tasks.labels.audits.audited_set import read_audited
from windrow.tasks.storage.catalog.views import connect_run

N, N_TRUTHS, N_AUDITS, N_CHECKS, EVERY = 600, 5, 80, 60, 10**6
WRONG = dict(zip(COLOURS, (0.3, 0.1, 0.02), strict=True))

Truth = dict[tuple[str, str], bool]


def drawn(connection: Any, n: int, seed: int) -> list[Drawn]:
    return draw_all(read_audited(connection, "pseudo", n, seed), n, seed)


def pairs(each: Drawn) -> list[tuple[str, str]]:
    return [(each.labels.sample_id[row], each.labels.class_of(row)) for row in each.rows]


def simulated(connection: Any, seed: int) -> dict[str | None, Truth]:
    """Of every pair that the run says itself, by state, whether it is right."""
    rng = np.random.default_rng(seed)
    found: dict[str | None, Truth] = {}
    for each in drawn(connection, EVERY, 0):
        rates = np.array([WRONG[label] for _, label in pairs(each)])
        rates = np.where(each.labels.sureness[each.rows] < 0.95, 2 * rates, rates)
        right = rng.random(len(rates)) >= rates
        found[each.labels.state] = dict(zip(pairs(each), right.tolist(), strict=True))
    return found


def main() -> None:
    connection = connect_run(curate_inline(banded_pool(Path(tempfile.mkdtemp()), N)).store)
    held: dict[str | None, list[bool]] = {"present": [], "absent": []}
    widths: dict[str | None, list[float]] = {"present": [], "absent": []}
    shares: dict[str | None, list[float]] = {"present": [], "absent": []}
    for number in range(N_TRUTHS):
        truth = simulated(connection, number)
        for seed in range(number * N_AUDITS, (number + 1) * N_AUDITS):
            for each in drawn(connection, N_CHECKS, seed):
                state = each.labels.state
                right = np.array([truth[state][pair] for pair in pairs(each)])
                interval = judge(Checked(each.labels, each.rows, right, each.by))[0].interval
                assert interval is not None
                share = float(np.mean(list(truth[state].values())))
                held[state].append(interval.low <= share <= interval.high)
                widths[state].append(interval.high - interval.low)
                shares[state].append(share)
    for state, found in held.items():
        low, high = 100 * min(shares[state]), 100 * max(shares[state])
        print(
            f"said to be {state}: {low:.1f} to {high:.1f} % right; held in {sum(found)} of {len(found)} audits, "
            f"mean width {100 * np.mean(widths[state]):.1f} points"
        )


if __name__ == "__main__":
    main()
