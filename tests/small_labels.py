"""Given labels as a stage hands them on, made of lists."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from windrow.schemas import LABELS
from windrow.tasks.storage.outputs import OutputWriter, make_output


def given_table(samples: Sequence[str], labels: Sequence[str | None]) -> pa.Table:
    """Return rows of LABELS, label set 'given'."""
    n = len(samples)
    rest = {"annotator": ["user"] * n, "method": ["test"] * n, "round": [0] * n, "label_set": ["given"] * n}
    columns = {
        "sample_id": samples,
        "label": labels,
        "classes": [[label or "cat"] for label in labels],
        "probabilities": [[1.0]] * n,
        "confidence": [1.0] * n,
        "abstained": [label is None for label in labels],
        "weight": [1.0] * n,
    }
    return LABELS.build({**columns, **rest})


def write_given(store: Path, samples: Sequence[str], labels: Sequence[str | None]) -> str:
    """Write an output that holds these labels, and another label set that says something else."""
    given = given_table(samples, labels)
    other = given_table(samples, ["else"] * len(samples))
    place = other.schema.get_field_index("label_set")
    other = other.set_column(place, other.schema.field(place), pa.array(["pseudo"] * len(samples)))

    def write(writer: OutputWriter) -> None:
        writer.write(LABELS, pa.concat_tables([given, other]))

    return make_output(store, "given", 1, {"samples": list(samples), "labels": list(labels)}, write).path
