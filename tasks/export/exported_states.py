"""What a version has of samples that may be of several classes: their states, the classes, and how these were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from windrow.schemas import STATE_CLASSES
from windrow.schemas.exported import STATED
from windrow.schemas.stages import Stage
from windrow.tasks.storage.catalog.state_views import VIEW
from windrow.tasks.storage.store.made import Made

COLUMNS = "".join(f", st.{column.name}" for column in STATED)
JOIN = f"LEFT JOIN (SELECT * FROM {VIEW} WHERE label_set = ?) st USING (sample_id)"
"""The SQL of the columns of STATED, and of where they come from; the label set is a parameter."""
FACTS = ("n_present", "n_absent", "method", "least_present", "most_absent", "why_unknown")


def stated_classes(connection: Any) -> list[str]:
    """Return all classes of a run, whether a sample is of them or not."""
    return [name for (name,) in connection.execute("SELECT label FROM state_classes ORDER BY label").fetchall()]


def states_told(store: Path, made: Made, label_set: str) -> dict[str, dict[str, Any]]:
    """Return how the states of a label set were made: of each class what is known of it, and its thresholds.

    It has the fields that `label_sets_told` has of a label set of one class a sample, and `states`.
    """
    found: dict[str, Any] = {}
    for output in made.opened(store, Stage.PSEUDO_LABEL)[Stage.PSEUDO_LABEL]:
        rows = output.read(STATE_CLASSES).to_pylist() if f"{STATE_CLASSES.name}.parquet" in output.files else []
        found |= {row["label"]: {name: row[name] for name in FACTS} for row in rows}
    method = "given states" if label_set == "given" else "given states, and one-vs-rest regressions on them"
    nothing = {"temperature": 1.0, "prior": None, "thresholds": None}
    return {label_set: {"method": method, "classes": list(found), **nothing, "states": found}}
