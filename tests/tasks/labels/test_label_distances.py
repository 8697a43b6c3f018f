"""A file of distances between labels, and the decisions that follow from it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from windrow.tasks.algorithms.labels.deciding.label_metric import nearest_labels
from windrow.tasks.labels.label_distances import read_distances

HEADER = "label,other,distance\n"
ANIMALS = HEADER + "cat,dog,1\ndog,truck,4\ntruck,cat,4\ncat,unknown,7\n"


def test_distances_come_in_the_order_of_the_classes_and_decide_between_what_is_alike(tmp_path: Path) -> None:
    (tmp_path / "far.csv").write_text(ANIMALS)
    metric = read_distances(tmp_path / "far.csv", ["truck", "dog", "cat"])
    assert metric.distances.tolist() == [[0, 4, 4], [4, 0, 1], [4, 1, 0]]
    # The most probable class is the truck, but most say an animal, and which one costs little.
    row = np.array([[0.4, 0.35, 0.25]], dtype=np.float32)
    assert nearest_labels(row, metric).label.tolist() == [1]


def test_parquet_says_the_same_and_a_pair_may_come_twice(tmp_path: Path) -> None:
    columns = {"label": ["7", "8"], "other": ["8", "7"], "distance": [2, 2]}
    pq.write_table(pa.table(columns), tmp_path / "far.parquet")
    assert read_distances(tmp_path / "far.parquet", ["7", "8"]).distances.tolist() == [[0, 2], [2, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "cat,dog,1\n", "there is no distance of 'cat' and 'truck'"),
        (ANIMALS + "dog,cat,2\n", "'dog' and 'cat' have distances 1.0 and 2.0"),
        (ANIMALS + "cat,cat,2\n", "'cat' and 'cat' have distances 0.0 and 2.0"),
        (HEADER + "cat,dog,near\n", r"far.csv, line 2: 'near' is no number"),
        ("a,b\n1,2\n", "wants columns label, other, distance; it has 'a', 'b'"),
        (
            HEADER + "cat,dog,9\ndog,truck,1\ntruck,cat,1\n",
            "triangle inequality, .* classes are counted from 0: cat, dog",
        ),
    ],
)
def test_a_file_that_holds_no_distances_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "far.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_distances(tmp_path / "far.csv", ["cat", "dog", "truck"])
    with pytest.raises(ValueError, match="file of distances, got 'nowhere"):
        read_distances(Path("nowhere.csv"), ["cat"])
