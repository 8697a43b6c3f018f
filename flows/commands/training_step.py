"""What `windrow explain --step` says: the samples of a step of a training job, and what the model made of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from windrow.schemas import REGISTRY
from windrow.schemas.training import TRAINING_LOG
from windrow.tasks.labels.checks.logged_dynamics import log_files
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.registry import registry_files


def print_step(console: Console, store: Path, log: Path, step: int) -> None:
    """Print the samples of a step, the largest loss first. Raises ValueError when the log has no such step."""
    rows = pa.concat_tables([_of_step(path, step) for path in log_files(log)])
    if not rows.num_rows:
        last = max(pc.max(pq.read_table(path, columns=["step"])["step"]).as_py() for path in log_files(log)[-1:])
        raise ValueError(f"step: {log} has no step {step:,}; it ends with {last:,}")
    known = read_table(REGISTRY, registry_files(store))
    known = known.filter(pc.is_in(known["sample_index"], whole(rows["sample_index"])))
    names = dict(zip(known["sample_index"].to_pylist(), known["sample_id"].to_pylist(), strict=True))
    table = Table("sample", "index", "rank", "trained as", "loss", "margin")
    for row in rows.sort_by([("loss", "descending")]).to_pylist():
        name = names.get(row["sample_index"], "not in this store")
        numbers = f"{row['loss']:.3f}", f"{row['margin']:.3f}"
        table.add_row(name, str(row["sample_index"]), str(row["rank"]), escape(row["label"]), *numbers)
    epoch = rows["epoch"][0].as_py()
    console.print(f"step {step:,}, epoch {epoch:,}: {rows.num_rows:,} samples with a label", highlight=False)
    console.print(table)


def _of_step(path: Path, step: int) -> pa.Table:
    return pq.read_table(path, schema=TRAINING_LOG.schema(), filters=[("step", "=", step)])
