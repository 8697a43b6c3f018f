"""How far apart labels are, from a file of the user's: what `nearest_labels` decides by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from windrow.schemas.texts.label_text import label_of
from windrow.tasks.algorithms.labels.deciding.label_metric import LabelMetric
from windrow.tasks.labels.label_file import Tally
from windrow.tasks.storage.user_files.text_numbers import number_of
from windrow.tasks.storage.user_files.user_file import check_columns, is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted

WANTED = Wanted(("label", "other", "distance"))


def read_distances(path: Path, classes: Sequence[str]) -> LabelMetric:
    """The distances between classes, in their order, from a .csv or .parquet file with columns label, other, distance.

    A row for each pair of classes, in one order or both; other labels in it do not count. Raises ValueError, naming the
    file and the pair or the line, when one is missing, is there with two distances or with none that is a number; and
    `LabelMetric`'s when they are no distances.
    """
    place = {name: number for number, name in enumerate(classes)}
    distances = np.full((len(classes), len(classes)), np.nan)
    np.fill_diagonal(distances, 0.0)
    for label, other, distance in _rows(path):
        if label in place and other in place:
            pair = (place[label], place[other])
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


def check_distances_file(path: Path) -> None:
    """Raise ValueError unless there is such a file and it has the columns of one."""
    if not path.is_file() or not is_table(path):
        raise ValueError(f"wants a .csv, .tsv or .parquet file of distances, got {str(path)!r}")
    check_columns(path, WANTED)


def tally_distances(path: Path, classes: Sequence[str]) -> Tally:
    """Say how many rows are of these classes, at least two, or else only read the file. Raises as `read_distances`."""
    if len(classes) > 1:
        read_distances(path, classes)
    of_others = [(label, other) for label, other, _ in _rows(path) if not {label, other} <= set(classes)]
    n_rows = sum(1 for _ in _rows(path))
    shown = tuple(f"{label!r} and {other!r}" for label, other in of_others[:3])
    return Tally("labels.distances", str(path), n_rows, n_rows - len(of_others), len(of_others), 0, 0, 0, shown)


def _rows(path: Path) -> Iterator[tuple[str, str, float]]:
    check_distances_file(path)
    file = read_user_file(path, WANTED)
    texts = zip(file.texts("label"), file.texts("other"), file.texts("distance"), strict=True)
    for row, (label, other, distance) in enumerate(texts):
        try:
            yield label_of(label) or "", label_of(other) or "", number_of(distance, file.decimal_comma)
        except ValueError as error:
            raise ValueError(f"{file.place(row)}: {error}") from None
