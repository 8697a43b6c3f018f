"""The demo's scoreboard: what became of the digits, measured on the truth that the pipeline did not see."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from rich.table import Table

from windrow.flows.demo.demo_pool import SIDE, DemoPool
from windrow.flows.demo.judged_pool import judge_pool
from windrow.flows.demo.scoreboard import LabelScores, Probe, Scoreboard, SetScores, score_pool
from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone

FIRST_SEEN = """
SELECT DISTINCT ON (o.sample_id) o.* FROM occurrences o JOIN pool p USING (sample_id)
WHERE o.unreadable IS NULL AND p.dropped_by IS DISTINCT FROM 'held_out'
ORDER BY o.sample_id, o.source_uri, o.shard, o.position
"""

_ROWS = (
    ("samples", "n_samples", "{:.0f}"),
    ("class balance (1 = even)", "balance", "{:.3f}"),
    ("off-topic", "off_topic", "{:.1%}"),
    ("near-duplicates of another", "repeats", "{:.1%}"),
    ("test accuracy, true labels", "accuracy_true", "{:.1%}"),
    ("test accuracy, pseudo-labels", "accuracy_pseudo", "{:.1%}"),
)


def score_store(store: Path, demo: DemoPool, run_id: str | None = None, n_random: int = 5) -> Scoreboard:
    """Score the last finished run of a store, or run `run_id`, over the demo's pool.

    The classifier is multinomial logistic regression on 8 x 8 grey levels. Raises ValueError when the store has no such
    run, or its pool is another.
    """
    connection = connect_run(store, run_id)
    truth, test = pq.read_table(demo.truth), pq.read_table(demo.test)
    pool = judge_pool(connection, truth)
    images = [row["bytes"] for row in test["image"].to_pylist()]
    labels = np.array([pool.classes.index(name) for name in test["label"].to_pylist()])
    return score_pool(pool, Probe(_pool_pixels(connection, store), grey_pixels(images), labels), n_random)


def grey_pixels(images: Iterable[bytes]) -> Float32Array:
    """Return the grey levels (n, 64) of encoded images, averaged to 8 x 8 pixels."""
    small = [decode_rgb(data).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX) for data in images]
    return np.stack([np.asarray(image, dtype=np.float32).ravel() for image in small])


def _pool_pixels(connection: Any, store: Path) -> Float32Array:
    """Return the pixels of every readable sample, by `sample_id`."""
    images = []
    for sample_id, data in read_samples(connection.sql(FIRST_SEEN).to_arrow_table(), store):
        if isinstance(data, SampleGone):
            raise ValueError(f"store: the bytes of sample {sample_id} are gone: {data.reason}")
        images.append(data)
    return grey_pixels(images)


def render_scores(scores: Scoreboard) -> Table:
    """Return a table of the scores: the pool, random sets (mean ± standard deviation), the curated set."""
    table = Table(title="What curation was worth", caption=_label_line(scores.labels), caption_justify="left")
    table.add_column("")
    for name in ("pool", f"random, same filters ({scores.n_random} draws)", "curated"):
        table.add_column(name, justify="right")
    for title, field, form in _ROWS:
        random = _value(scores.random, field, form)
        if field != "n_samples":
            random += f" ± {_value(scores.random_std, field, form)}"
        table.add_row(title, _value(scores.pool, field, form), random, _value(scores.curated, field, form))
    return table


def _value(scores: SetScores, field: str, form: str) -> str:
    value = getattr(scores, field)
    return "-" if np.isnan(value) else form.format(value)


def _label_line(labels: LabelScores) -> str:
    return (
        f"Pseudo-labels of {labels.n_samples} samples that came without: {labels.coverage:.1%} are labelled, "
        f"{labels.accuracy:.1%} of them rightly (macro recall {labels.macro_recall:.1%}); the most probable class is "
        f"right for {labels.top_accuracy:.1%} of all (macro recall {labels.top_macro_recall:.1%}); "
        f"{labels.off_topic_labelled:.1%} of the off-topic got a label."
    )
