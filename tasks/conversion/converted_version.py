"""A version in the format of another trainer's loader: what every format is made of, and how it becomes visible.

A format is a class with a `name`, what it `needs` to be installed, and `write`, in a file of its own, with a line in
`all_formats.py`.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from windrow.tasks.loading.image_dataset import OpenTars
from windrow.tasks.loading.version_samples import VersionSamples, read_version_samples
from windrow.tasks.storage.files.whole_or_absent import temporary_directory
from windrow.tasks.storage.published.versions import read_manifest


@dataclass(frozen=True)
class ExportedSample:
    """A sample of a version: its original bytes, the index of its class (NO_LABEL for none), and its other columns."""

    data: bytes
    label: int
    row: dict[str, Any]


@dataclass(frozen=True)
class SourceVersion:
    """A version that is to be converted."""

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return read_manifest(self.path)

    @property
    def splits(self) -> list[str]:
        return list(self.manifest["counts"]["split"])

    def shards(self, split: str) -> list[str]:
        """The paths of a split's tars, relative to the version, in order."""
        return [file["path"] for file in self.shard_files(split)]

    def shard_files(self, split: str, layout: str = "webdataset") -> list[dict[str, Any]]:
        """What the manifest says of the shards of a split, in order: path, n_samples, sha256, ..."""
        files = self.manifest["files"]
        return [file for file in files if file["path"].startswith(f"{layout}/") and file.get("split") == split]

    def samples(self, split: str) -> VersionSamples:
        return read_version_samples(self.path, split)

    def iterate(self, split: str) -> Iterator[ExportedSample]:
        """Yield the samples of a split, by rank."""
        samples = self.samples(split)
        tars = OpenTars(samples.tars)
        for number, row in enumerate(samples.table.to_pylist()):
            place = int(samples.shard[number]), int(samples.offset[number]), int(samples.n_bytes[number])
            yield ExportedSample(tars.read(*place), int(samples.labels[number]), row)


class Format(Protocol):
    """A format, and the shards that it is `made_from`.

    `needs`: the package, as Python imports it, that writes it; None where Windrow does.
    """

    name: ClassVar[str]
    made_from: ClassVar[str] = "webdataset"
    needs: ClassVar[str | None] = None

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        ...


def convert_version(version: Path, target: Path, layout: Format) -> int:
    """Write a version in another format into the folder `target`, which is there when all of it is; return its bytes.

    Shards are linked, not copied, where the format can read them and the disk can link. Raises ValueError when `target`
    is there, `version` is none, or the package that writes the format is not installed.
    """
    source = SourceVersion(version)
    if not any(source.shard_files(split, layout.made_from) for split in source.splits):
        raise ValueError(
            f"{version} has no {layout.made_from} shards, which {layout.name} is made from: see export.formats"
        )
    if target.exists():
        raise ValueError(f"output: {target} is there already")
    if layout.needs is not None and importlib.util.find_spec(layout.needs) is None:
        raise ValueError(f"to: {layout.name} wants the package that Python imports as {layout.needs}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_directory(target.parent) as folder:
        layout.write(source, folder)
        folder.rename(target)
    return sum(file.stat().st_size for file in target.rglob("*") if file.is_file() and file.stat().st_nlink == 1)


def link_file(source: Path, target: Path) -> None:
    """Make `target` a hard link of `source`, or a copy where the disk has none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
