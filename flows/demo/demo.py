"""`windrow demo`: the whole pipeline on a pool that needs no download, and how well it did against the truth."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from windrow.flows.orchestrator import Choice

TARGET_SIZE = 200
SIDE = 64

CONFIG = """\
# The demo's config, as `windrow run {path}` reads it. Every field that is not here has its default.
name: digits
store: {store}
sources: {sources}
selection:
  target_size: {target_size}
  # The digits are grey scans: what is in colour is off topic. Any SQL over the columns of `pool` will do here.
  filters:
    - {{name: greyscale, keep: "mode = 'L'"}}
  # For this backbone. The report's near-duplicate groups show whether it is right for yours.
  near_duplicate_threshold: 0.94
  splits:
    - {{name: train, share: 0.9}}
    - {{name: val, share: 0.1}}
worth:
  # Labelled digits that no label maker and no selection sees. They judge what the curated set is worth.
  evaluate: {evaluate}
"""


def demo(out: Console, data: Path, runner: Choice) -> None:
    """Make the pool in the folder `data`, run the pipeline on it, and print what came out."""
    from windrow.flows.demo.demo_pool import make_demo_pool

    started = time.monotonic()
    out.rule("a pool of digits, as pools are: long-tailed, repeated, broken in places")
    pool = make_demo_pool(data / "pool", side=SIDE)
    config = data / "windrow.yaml"
    config.write_text(
        CONFIG.format(
            path=config,
            store="store",
            sources=[str(source.relative_to(data)) for source in (*pool.sources, pool.judges)],
            evaluate=pool.evaluate.relative_to(data),
            target_size=TARGET_SIZE,
        )
    )
    out.print(f"pool:   {', '.join(map(str, pool.sources))}")
    out.print(f"judges: {pool.judges}, {pool.evaluate}\nconfig: {config}")
    out.rule("the pipeline, stage by stage")
    from windrow.flows.demo.demo_scores import render_scores, score_store
    from windrow.flows.orchestrator import carry
    from windrow.flows.summary import print_run
    from windrow.tasks.config import load_config
    from windrow.tasks.pipeline import curate

    run = carry("curate", load_config(config), runner, curate).run
    out.rule("how well it did (the pipeline never saw the true labels)")
    out.print(render_scores(score_store(data / "store", pool)))
    out.rule("what came out")
    print_run(out, run)
    out.print(f"done in {time.monotonic() - started:.0f} s")
