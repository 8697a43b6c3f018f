"""Found labels and class names as they are kept, where they enter."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from windrow.schemas import CLASS_NAMES, OCCURRENCES
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.ingest.kept_labels import kept_label
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, sample_id_of
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.takedown.shard_without import rewrite_shard


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("label", "metadata", "kept", "told"),
    [
        ("cat", None, "cat", None),
        ("cat", '{"a": 1}', "cat", {"a": 1}),
        ("wild\ncat", None, "wild cat", {"windrow_label": "wild\ncat"}),
        ("NA", '{"a": 1}', None, {"a": 1, "windrow_label": "NA"}),
        ("1.0", None, "1", {"windrow_label": "1.0"}),
        ("\ud800", None, "?", {"windrow_label": "?"}),
        (
            "x" * 1001,
            None,
            None,
            {"windrow_label": "x" * 1001, "windrow_error": "label: is longer than 1,000 characters"},
        ),
        (
            "x" * 1001,
            '{"windrow_error": "b"}',
            None,
            {"windrow_label": "x" * 1001, "windrow_error": "b; label: is longer than 1,000 characters"},
        ),
    ],
)
def test_what_is_kept_otherwise_stays_in_the_metadata(
    label: str, metadata: str | None, kept: str | None, told: dict[str, str] | None
) -> None:
    found, fields = kept_label(Found(0, "key", "png", label=label, metadata=metadata))
    assert found == kept
    said = json.loads(fields) if fields else None
    assert said == told


@pytest.fixture
def classified(tmp_path: Path) -> tuple[Path, Output, list[bytes]]:
    """A shard of a Parquet file that names the numbers of its labels."""
    data = [picture(seed) for seed in range(4)]
    features = {"info": {"features": {"label": {"names": ["cat", " wild\ndog", "NA"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": data, "label": [0, 1, 2, -1]}).replace_schema_metadata(
        {"huggingface": json.dumps(features)}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    config = IngestConfig()
    (done,) = ingest_shards(tmp_path / "store", plan_shards([str(tmp_path / "rows.parquet")], config), config)
    return tmp_path / "store", open_output(tmp_path / "store" / done.path), data


def test_the_names_of_numbers_are_a_table_and_outlast_a_take_down(
    classified: tuple[Path, Output, list[bytes]],
) -> None:
    store, output, data = classified
    assert output.read(OCCURRENCES)["found_label"].to_pylist() == ["cat", "wild dog", None, None]
    names = [(row["number"], row["name"]) for row in output.read(CLASS_NAMES).to_pylist()]
    assert names == [(0, "cat"), (1, "wild dog")] and output.counts["n_class_names"] == 2
    rewrite_shard(store, output, {sample_id_of(data[0]): "wish"})
    assert open_output(output.path).read(CLASS_NAMES).num_rows == 2
