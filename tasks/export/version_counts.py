"""What a version's manifest and card count: by split, class, cluster, licence and source, read shard by shard."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from windrow.schemas.exported import CHANNELS, EXPORTED_SAMPLES, Further
from windrow.tasks.storage.published.licence_terms import asks_for_attribution
from windrow.tasks.storage.published.webdataset_shards import EVERY_VERSION
from windrow.tasks.storage.store.outputs import Output

COLUMNS = ["sample_id", "split", "label", "license", "cluster_path", "source_uri", "author", "source_url"]
STATES = ["present", "absent"]
"""Columns of versions whose samples may be of several classes."""
COLOURS = ("red", "green", "blue")
MOST_CLASSES = 3
"""Of a source, named: the largest."""


@dataclass
class _Source:
    """What is counted of a source. `colours`: the weight of what was measured, and weighted sums of the channels."""

    n: int = 0
    labels: Counter[str | None] = field(default_factory=Counter)
    licences: Counter[str | None] = field(default_factory=Counter)
    n_measured: int = 0
    colours: list[float] = field(default_factory=lambda: [0.0] * 4)

    def add(self, rows: pa.Table, measured: Sequence[Sequence[float]]) -> None:
        """Add a source's rows of a shard; those measured stand for all of them."""
        self.n += rows.num_rows
        self.labels.update(_labels(rows))
        self.licences.update(rows["license"].to_pylist())
        self.n_measured += len(measured)
        for values in measured:
            weight = rows.num_rows / len(measured)
            self.colours = [total + weight * value for total, value in zip(self.colours, (1.0, *values), strict=True)]

    def described(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        named = {label: n for label, n in self.labels.items() if label is not None}
        return {
            "n": self.n,
            "n_classes": len(named),
            "largest_classes": dict(_largest_first(named)[:MOST_CLASSES]),
            "unlabelled": self.labels[None],
            "license": dict(_largest_first({name: n for name, n in self.licences.items() if name is not None})),
            "unlicensed": self.licences[None],
            "channel_means": _means(self.colours),
            "n_measured": self.n_measured,
        }


def _labels(rows: pa.Table) -> list[str | None]:
    """The class of each row, None where it has none; where they may be of several, all of each."""
    if not set(STATES) <= set(rows.column_names):
        return list(rows["label"].to_pylist())
    stated = zip(*(rows[name].to_pylist() for name in STATES), strict=True)
    return [name for present, absent in stated for name in (present or ([] if absent else [None]))]


def count_version(
    outputs: Iterable[Output], classes: Sequence[str], further: Further = EVERY_VERSION
) -> dict[str, Any]:
    """Count the samples of some written shards; `classes` are all classes there may be.

    Samples that may be of several classes count in each that they are of; `unlabelled` are those of which no state is
    known.
    """
    declared, columns = further.added_to(EXPORTED_SAMPLES), [*COLUMNS, *(STATES if further.states else [])]
    splits, clusters = Counter[str](), Counter[int]()
    attribution = Counter[str]({"asked": 0, "without_author": 0, "without_source": 0})
    sources: dict[str, _Source] = defaultdict(_Source)
    for output in outputs:
        rows = output.read(declared, columns)
        splits.update(rows["split"].to_pylist())
        clusters.update(path[-1] for path in rows["cluster_path"].to_pylist() if path)
        _add_attribution(attribution, rows)
        _add_sources(sources, rows, output.read(CHANNELS))
    of_all = _Source()
    for each in sources.values():
        of_all.labels.update(each.labels)
        of_all.licences.update(each.licences)
        of_all.colours = [a + b for a, b in zip(of_all.colours, each.colours, strict=True)]
    known = {name: n for name, n in of_all.licences.items() if name is not None}
    return {
        "split": dict(sorted(splits.items(), key=lambda item: (item[0] != "train", item[0]))),
        "class": {name: of_all.labels[name] for name in classes},
        "unlabelled": of_all.labels[None],
        "license": dict(_largest_first(known)),
        "unlicensed": of_all.licences[None],
        "attribution": dict(attribution),
        "cluster": {str(cluster): n for cluster, n in sorted(clusters.items())},
        "source": {uri: sources[uri].described() for uri in sorted(sources, key=lambda uri: (-sources[uri].n, uri))},
        "channel_means": _means(of_all.colours),
    }


def _add_attribution(attribution: Counter[str], rows: pa.Table) -> None:
    columns = (rows[name].to_pylist() for name in ("license", "author", "source_url"))
    for licence, author, source in zip(*columns, strict=True):
        if asks_for_attribution(licence):
            attribution.update({"asked": 1, "without_author": author is None, "without_source": source is None})


def _add_sources(sources: Mapping[str, _Source], rows: pa.Table, channels: pa.Table) -> None:
    colours = {row["sample_id"]: [row[name] for name in COLOURS] for row in channels.to_pylist()}
    places: dict[str, list[int]] = defaultdict(list)
    for place, uri in enumerate(rows["source_uri"].to_pylist()):
        places[uri].append(place)
    for uri, taken in places.items():
        of_source = rows.take(pa.array(taken))
        ids = of_source["sample_id"].to_pylist()
        sources[uri].add(of_source, [colours[sample_id] for sample_id in ids if sample_id in colours])


def _means(colours: Sequence[float]) -> list[float] | None:
    """The means of red, green and blue, 0 to 1; None where nothing was measured."""
    weight, *sums = colours
    return [round(total / weight, 4) for total in sums] if weight else None


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
