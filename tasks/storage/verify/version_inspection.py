"""Does a published version hold what it says: the samples of its table, in its shards, with their own bytes?"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from windrow.schemas.exported import EXPORTED, EXPORTED_SAMPLES, LABEL_INDEX, TAR, TAR_OFFSET, Further, with_tars
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.published.versions import CLASSES, SAMPLES, inspect_version_files, is_version_name
from windrow.tasks.storage.published.webdataset_shards import class_indices, image_extension
from windrow.tasks.storage.published.withdrawal import is_withdrawn
from windrow.tasks.storage.store.outputs import MANIFEST
from windrow.tasks.storage.verify.findings import LIMITS, PIECE, Inspection
from windrow.tasks.storage.verify.table_inspection import inspect_rows

_ID_DIGITS = 32
_ROWS = 1024

Row = Mapping[str, Any]


def inspect_versions(inspection: Inspection, store: Path, registry: list[Path]) -> None:
    """Look at every version of a store, and compare its samples with the registry where both are sound."""
    for folder in inspection.folders(store / "curated", depth=2):
        if not is_version_name(folder.name):
            inspection.report(folder, "is no version")
            continue
        if is_withdrawn(folder):
            continue
        inspect_version(inspection, folder)
        if inspection.is_sound(folder, store / "registry"):
            _compare_with_registry(inspection, folder / SAMPLES, registry)


def inspect_version(inspection: Inspection, folder: Path) -> None:
    """Look at the files of a version; at the samples of its shards only where its files are sound."""
    manifest = inspect_version_files(inspection, folder)
    if manifest is None:
        return
    if not inspection.is_sound(folder):
        inspection.unchecked.append(f"the samples of {folder}, as files of it are damaged")
        return
    with inspection.reading(folder / MANIFEST):
        declared = Further.of(manifest).added_to(EXPORTED_SAMPLES)
        has_tars = TAR.name in pq.read_schema(folder / SAMPLES).names
        inspect_rows(inspection, with_tars(declared) if has_tars else declared, folder / SAMPLES)
        _inspect_counts(inspection, folder, manifest)
    if inspection.is_sound(folder) and not inspection.quick:
        for layout in manifest["config"]["formats"]:
            _inspect_shards(inspection, folder, manifest, layout)


def _inspect_counts(inspection: Inspection, folder: Path, manifest: Mapping[str, Any]) -> None:
    shards = [file for file in manifest["files"] if "n_samples" in file]
    for layout in manifest["config"]["formats"]:
        mine = [file for file in shards if file["path"].startswith(f"{layout}/")]
        found = (len(mine), sum(file["n_samples"] for file in mine))
        if found != (manifest["n_shards"], manifest["n_samples"]):
            inspection.report(
                folder / MANIFEST,
                f"has {found[0]:,} {layout} shards with {found[1]:,} samples, and says "
                f"{manifest['n_shards']:,} with {manifest['n_samples']:,}",
            )
    n_rows = pq.read_metadata(folder / SAMPLES).num_rows
    if n_rows != manifest["n_samples"]:
        inspection.report(folder / SAMPLES, f"has {n_rows:,} rows, in the manifest {manifest['n_samples']:,}")
    if (folder / CLASSES).read_text(encoding="utf-8").splitlines() != manifest["classes"]:
        inspection.report(folder / CLASSES, "has other classes than the manifest")
    for file in shards:
        if file["path"].endswith(".parquet"):
            n_rows = pq.read_metadata(folder / file["path"]).num_rows
            if n_rows != file["n_samples"]:
                wanted = file["n_samples"]
                inspection.report(folder / file["path"], f"has {n_rows:,} samples, in the manifest {wanted:,}")


def _inspect_shards(inspection: Inspection, folder: Path, manifest: Mapping[str, Any], layout: str) -> None:
    """Shards and the table are in one order: by split, then by number of the shard."""
    rows, names = _table_rows(folder / SAMPLES), Further.of(manifest).described()
    files = sorted(
        (file for file in manifest["files"] if "n_samples" in file and file["path"].startswith(f"{layout}/")),
        key=lambda file: (file["split"], file["path"]),
    )
    for file in files:
        path = folder / file["path"]
        n_before = len(inspection.damage)
        with inspection.reading(path):
            if layout == "webdataset":
                _compare(inspection, path, names, rows, _tar_rows(path, file["path"], manifest["classes"]), file)
            else:
                _compare(inspection, path, names, rows, _parquet_rows(path, manifest["classes"]), file)
        inspection.advance(path.stat().st_size, inspection.name(path))
        if len(inspection.damage) > n_before:
            return  # where the next shard starts in the table is not known


def _compare(
    inspection: Inspection,
    path: Path,
    names: Sequence[str],
    rows: Iterator[Row],
    samples: Iterator[Row],
    file: Mapping[str, Any],
) -> None:
    """Compare the samples of a shard with the next rows of the table. Raises ValueError at the first that differs."""
    n = 0
    for n, sample in enumerate(samples, start=1):
        row = next(rows, None)
        if row is None:
            raise ValueError(f"sample {n:,}, {sample['sample_id']}, is not in {SAMPLES}")
        if row["split"] != file["split"]:
            raise ValueError(f"sample {n:,}, {sample['sample_id']}, is not of split {file['split']} in {SAMPLES}")
        placed = [name for name in (TAR_OFFSET.name, TAR.name) if name in sample and name in row]
        differing = [name for name in (*names, *placed) if row[name] != sample.get(name)]
        if differing:
            raise ValueError(f"sample {n:,}, {sample['sample_id']}, has another {differing[0]} than in {SAMPLES}")
        inspection.n_rows += 1
    if n != file["n_samples"]:
        inspection.report(path, f"has {n:,} samples, in the manifest {file['n_samples']:,}")


def _table_rows(path: Path) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()


def _tar_rows(path: Path, name: str, classes: list[str]) -> Iterator[Row]:
    """Read a tar member by member: yield what the `.json` of each sample says, once its bytes and class fit that.

    `name`: what the version calls it.
    """
    indices = class_indices(classes)
    with tarfile.open(path) as tar:
        members: dict[str, Any] = {}
        for member in tar:
            key, _, extension = member.name.partition(".")
            if members and key != members["key"]:
                yield {**_tar_sample(members, indices), TAR.name: name}
                members = {}
            members["key"] = key
            data = tar.extractfile(member)
            if data is None or extension in members:
                raise ValueError(f"member {member.name} is no file, or is there twice")
            members.setdefault(TAR_OFFSET.name, member.offset_data)  # the image comes first
            members[extension] = data.read() if extension in ("json", "cls") else _id_of(data)
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header that it has read
        if members:
            yield {**_tar_sample(members, indices), TAR.name: name}


def _tar_sample(members: Mapping[str, Any], indices: Mapping[str, int]) -> Row:
    key = members["key"]
    if "json" not in members:
        raise ValueError(f"sample {key} has no .json")
    described: dict[str, Any] = json.loads(members["json"])
    image = image_extension(described["format"])
    label = described["label"]
    expected = {"key", TAR_OFFSET.name, "json", image} | ({"cls"} if label is not None else set())
    expected |= set(described["provenance"]["members"].split("/")) - {""}
    if set(members) != expected:
        raise ValueError(f"sample {key} has the members {sorted(set(members) - {'key', TAR_OFFSET.name})}")
    found = members[image] if described["mended"] is None else key  # the id is that of the bytes before
    if not key == described["sample_id"] == found:
        raise ValueError(
            f"sample {key} has the bytes of {members[image]} and the description of {described['sample_id']}"
        )
    if label is not None and members["cls"] != str(indices[label]).encode():
        raise ValueError(f"sample {key} has class {members['cls']!r}, but its label is {label!r}")
    return {**described, TAR_OFFSET.name: members[TAR_OFFSET.name]}


def _id_of(data: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := data.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()[:_ID_DIGITS]


def _parquet_rows(path: Path, classes: list[str]) -> Iterator[Row]:
    """Read a Parquet shard by groups of rows: yield its rows without the image, once its bytes and class fit them."""
    indices = class_indices(classes)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            EXPORTED.validate(table)
            for row, image in zip(table.drop_columns("image").to_pylist(), table["image"], strict=True):
                data = memoryview(image["bytes"].as_buffer())
                sample_id = row["sample_id"]
                found = hashlib.sha256(data).hexdigest()[:_ID_DIGITS]
                if found != sample_id and row["mended"] is None:
                    raise ValueError(f"sample {sample_id} has the bytes of {found}")
                if image["path"].as_py() != f"{sample_id}.{image_extension(row['format'])}":
                    raise ValueError(f"sample {sample_id} has the path {image['path'].as_py()}")
                if row[LABEL_INDEX.name] != (None if row["label"] is None else indices[row["label"]]):
                    raise ValueError(
                        f"sample {sample_id} has class {row[LABEL_INDEX.name]}, but its label is {row['label']!r}"
                    )
                yield row


def _compare_with_registry(inspection: Inspection, samples: Path, registry: list[Path]) -> None:
    files = [samples, *registry]
    with inspection.reading(samples), open_connection(files, limits=LIMITS) as connection:
        known = f"FROM {parquet_scan(files[:1])} s JOIN {parquet_scan(registry)} r USING (sample_id, sample_index)"
        n_known = connection.execute(f"SELECT count(*) {known}").fetchall()[0][0] if registry else 0
        n = pq.read_metadata(samples).num_rows - n_known
        if n:
            inspection.report(samples, f"{n:,} samples have no index in the registry, or another one")
