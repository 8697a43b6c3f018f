"""A folder for the Hugging Face Hub: links to a version's shards, a card, and what whoever gets it must have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq

from windrow.tasks.conversion.converted_version import Format, SourceVersion, link_file
from windrow.tasks.storage.published.attribution_file import ATTRIBUTION
from windrow.tasks.storage.published.dataset_card import CardPlace, dataset_card
from windrow.tasks.storage.published.versions import CLASSES, SAMPLES
from windrow.tasks.storage.store.outputs import MANIFEST

_WITH = (ATTRIBUTION, CLASSES, SAMPLES, MANIFEST)


@dataclass(frozen=True)
class HuggingFace(Format):
    """`README.md`, `data/SPLIT-NNNNN-of-NNNNN` of one kind of shards, and the version's other files.

    `datasets` has the same splits whether it reads the card or only the names of the files, as these are its own.
    """

    name: ClassVar[str] = "huggingface"
    made_from: ClassVar[str] = "parquet"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        files = [file for split in version.splits for file in version.shard_files(split, self.made_from)]
        for file, path in zip(files, _hub_paths(files), strict=True):
            link_file(version.path / file["path"], folder / path)
        for name in _WITH:
            link_file(version.path / name, folder / name)
        place = CardPlace(self.made_from, "data/", "", is_uploaded=True)
        card = dataset_card(place, version.manifest, _image_formats(version))
        (folder / "README.md").write_text(card, encoding="utf-8")


@dataclass(frozen=True)
class HuggingFaceTars(HuggingFace):
    """Likewise with the WebDataset shards: a folder of both kinds `datasets` cannot read."""

    name: ClassVar[str] = "huggingface-webdataset"
    made_from: ClassVar[str] = "webdataset"


def _hub_paths(files: list[dict[str, Any]]) -> list[str]:
    """The names that `datasets` knows splits by without a card, whatever the splits are called."""
    n_shards, numbers = Counter(file["split"] for file in files), Counter[str]()
    paths = []
    for file in files:
        split = file["split"]
        place = f"{numbers[split]:05d}-of-{n_shards[split]:05d}"
        paths.append(f"data/{split}-{place}{Path(file['path']).suffix}")
        numbers[split] += 1
    return paths


def _image_formats(version: SourceVersion) -> list[str]:
    formats: set[str] = set()
    with pq.ParquetFile(version.path / SAMPLES) as samples:
        for batch in samples.iter_batches(columns=["format"]):
            formats.update(batch["format"].to_pylist())
    return sorted(formats)
