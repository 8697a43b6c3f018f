"""How far apart labels are, from a file of the user's: what `nearest_labels` decides by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from windrow.tasks.algorithms.labels.deciding.label_metric import LabelMetric
from windrow.tasks.storage.catalog.connections import open_connection, scan_file


def read_distances(path: Path, classes: Sequence[str]) -> LabelMetric:
    """The distances between classes, in their order, from a .csv or .parquet file with columns label, other, distance.

    A row for each pair of classes, in one order or both; other labels in it do not count. Raises ValueError, naming the
    file and the pair, when one is missing, is there with two distances or with none that is a number; and
    `LabelMetric`'s when they are no distances.
    """
    place = {name: number for number, name in enumerate(classes)}
    distances = np.full((len(classes), len(classes)), np.nan)
    np.fill_diagonal(distances, 0.0)
    for label, other, distance in _rows(path):
        if label in place and other in place:
            pair = (place[label], place[other])
            if distance is None:
                raise ValueError(f"{path}: the distance of {label!r} and {other!r} is no number")
            if not np.isnan(distances[pair]) and distances[pair] != distance:
                raise ValueError(f"{path}: {label!r} and {other!r} have distances {distances[pair]} and {distance}")
            distances[pair] = distances[pair[::-1]] = distance
    if np.isnan(distances).any():
        first, second = (classes[number] for number in np.argwhere(np.isnan(distances))[0])
        raise ValueError(f"{path}: there is no distance of {first!r} and {second!r}")
    try:
        return LabelMetric(distances)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; classes are counted from 0: {', '.join(classes[:20])}") from None


def _rows(path: Path) -> list[tuple[str, str, float | None]]:
    if not path.is_file() or path.suffix not in (".parquet", ".csv"):
        raise ValueError(f"wants a .parquet or .csv file of distances, got {str(path)!r}")
    connection = open_connection([path])
    connection.execute(f"CREATE TABLE given AS SELECT * FROM {scan_file(path)}")
    columns = {row[0] for row in connection.sql("DESCRIBE given").fetchall()}
    if not {"label", "other", "distance"} <= columns:
        raise ValueError(f"{path} wants columns label, other and distance; it has {sorted(columns)}")
    sql = "SELECT label::VARCHAR, other::VARCHAR, try_cast(distance AS DOUBLE) FROM given"
    rows: list[tuple[str, str, float | None]] = connection.sql(sql).fetchall()
    return rows
