"""Versions of curated sets: `curated/<name>/v0001/`, v0002, ..., each complete and never changed.

A version is a folder that holds `manifest.json`; whatever is being written has another name and is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.files.left_out import leave_out
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.files.seals import read_sealed
from windrow.tasks.storage.published.withdrawal import is_withdrawn, withdrawal_text
from windrow.tasks.storage.store.outputs import MANIFEST, fingerprint
from windrow.tasks.storage.verify.findings import Inspection

SAMPLES = "samples.parquet"
CLASSES = "classes.txt"
_NUMBERED = re.compile(r"v([0-9]{4,})")


@dataclass(frozen=True)
class Version:
    """A published version. `n_bytes` is its size on disk, `n_shards` the shards of one format.

    `created` is false where publishing found that the latest version holds the same.
    """

    name: str
    version: str
    path: Path
    fingerprint: str
    n_samples: int
    n_shards: int
    n_bytes: int
    created: bool = False

    @property
    def number(self) -> int:
        """1 for v0001."""
        return version_number(self.version)


@dataclass(frozen=True)
class VersionChange:
    """What one version has and another has not.

    `added` and `removed` have columns sample_id, split and label; `relabelled` has sample_id, old and new; `moved`
    (to another split) likewise. All are in order of sample_id; a label is null where there is none.
    """

    added: pa.Table
    removed: pa.Table
    relabelled: pa.Table
    moved: pa.Table


def version_number(version: str) -> int:
    """Return 1 for 'v0001'. Raises ValueError when it is no version."""
    match = _NUMBERED.fullmatch(version)
    if match is None:
        raise ValueError(f"version: wants v and four digits or more, as in v0001, got {version!r}")
    return int(match[1])


def is_version_name(name: str) -> bool:
    """Say whether a folder is named as a version."""
    return _NUMBERED.fullmatch(name) is not None


def version_fingerprint(config: Any, classes: Sequence[str], shards: Mapping[str, str]) -> str:
    """Return the fingerprint of a version: of its config, classes and the SHA-256 of each shard by path."""
    return fingerprint({"config": config, "classes": list(classes), "shards": dict(shards)})


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Return the manifest of a version. Raises ValueError when `path` is none, or a version that was withdrawn."""
    file = Path(path) / MANIFEST
    if is_withdrawn(Path(path)):
        raise ValueError(withdrawal_text(Path(path)))
    if not file.is_file():
        raise ValueError(f"{path} is no version of a curated set: it has no {MANIFEST}")
    return read_sealed(file)


def open_version(path: Path, created: bool = False) -> Version:
    """Open a version by its folder. Raises ValueError when it is none."""
    manifest = read_manifest(path)
    return Version(
        name=manifest["name"],
        version=manifest["version"],
        path=path,
        fingerprint=manifest["fingerprint"],
        n_samples=manifest["n_samples"],
        n_shards=manifest["n_shards"],
        n_bytes=sum(file["n_bytes"] for file in manifest["files"]) + (path / MANIFEST).stat().st_size,
        created=created,
    )


def list_versions(store: Path, name: str | None = None) -> list[Version]:
    """Return the versions of a store (of the curated set `name`, if given), by name and then oldest first.

    Those that were withdrawn are none any more. What was copied by hand, or is damaged, is left out, and said to be.
    """
    return [*versions_backwards(store, name)][::-1]


def versions_backwards(store: Path, name: str | None = None) -> Iterator[Version]:
    """Yield the same from the last to the first, each opened when it is asked for: there may be one a night."""
    paths = [file.parent for file in (store / "curated").glob(f"*/v*/{MANIFEST}") if is_version_name(file.parent.name)]
    wanted = (path for path in paths if name in (None, path.parent.name) and not is_withdrawn(path))
    ordered = sorted(wanted, key=lambda path: (path.parent.name, version_number(path.name)), reverse=True)
    return (version for version in map(_open_own, ordered) if version is not None)


def _open_own(path: Path) -> Version | None:
    """Open a version where it was published; None elsewhere, and where its manifest is damaged."""
    try:
        version = open_version(path)
    except (ValueError, KeyError, TypeError, OSError) as error:
        leave_out(path, f"cannot be read ({error})")
        return None
    if (version.name, version.version) != (path.parent.name, path.name):
        leave_out(path, f"is a copy of {version.name} {version.version}")
        return None
    return version


def latest_version(store: Path, name: str) -> Version | None:
    """Return the last version of a curated set, or None."""
    return next(versions_backwards(store, name), None)


def inspect_version_files(inspection: Inspection, path: Path) -> dict[str, Any] | None:
    """Compare the files of a version with its manifest, and return that; None when it is not as it was written."""
    manifest = inspection.sealed(path / MANIFEST)
    if manifest is None:
        return None  # what it says of the other files is not to be believed
    with inspection.reading(path / MANIFEST):
        inspection.files(path, {file["path"]: file["sha256"] for file in manifest["files"]}, [MANIFEST])
        for file in manifest["files"]:
            _inspect_size(inspection, path / file["path"], file["n_bytes"])
        shards = shard_digests(manifest["files"])
        if path.parent.parent.name == "curated" and path.parts[-2:] != (manifest["name"], manifest["version"]):
            inspection.report(path / MANIFEST, f"is that of {manifest['name']} {manifest['version']}: a copy by hand")
        if manifest["fingerprint"] != version_fingerprint(manifest["config"], manifest["classes"], shards):
            inspection.report(path / MANIFEST, "its fingerprint is not that of its shards")
    return manifest


def _inspect_size(inspection: Inspection, path: Path, n_bytes: int) -> None:
    if inspection.is_sound(path) and path.stat().st_size != n_bytes:
        inspection.report(path, f"has {path.stat().st_size:,} bytes, in the manifest {n_bytes:,}")


def shard_digests(files: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return path and SHA-256 of the shards among the files of a manifest."""
    return {file["path"]: file["sha256"] for file in files if "n_samples" in file}


def diff_versions(old: str | Path, new: str | Path) -> VersionChange:
    """Compare two versions by their folders; images are not read. Raises ValueError when one is no version."""
    versions = {"old": Path(old), "new": Path(new)}
    connection = open_connection(path / SAMPLES for path in versions.values())
    for view, path in versions.items():
        read_manifest(path)
        connection.execute(
            f"CREATE VIEW {view} AS SELECT sample_id, split, label FROM {parquet_scan([path / SAMPLES])}"
        )

    def only_in(one: str, other: str) -> str:
        return f"SELECT * FROM {one} ANTI JOIN {other} USING (sample_id) ORDER BY sample_id"

    def changed(column: str) -> str:
        return (
            f"SELECT sample_id, old.{column} AS old, new.{column} AS new FROM old JOIN new USING (sample_id)"
            f" WHERE old.{column} IS DISTINCT FROM new.{column} ORDER BY sample_id"
        )

    queries = (only_in("new", "old"), only_in("old", "new"), changed("label"), changed("split"))
    with connection:
        return VersionChange(*(connection.sql(query).to_arrow_table() for query in queries))


def samples_sql(path: Path) -> str:
    """Return the SQL that reads the samples of a version: sample_id, split, label."""
    return f"(SELECT sample_id, split, label FROM {parquet_scan([path / SAMPLES])})"


def class_changes_sql(old: Path, new: Path) -> str:
    """Return the SQL of what changed between two versions, a row a class, most changed first; the class may be null.

    Columns: class, before, came, went, relabelled_to, relabelled_from, now: before + came - went + relabelled_to -
    relabelled_from = now.
    """
    return f"""
SELECT label AS class, sum(is_old)::BIGINT AS before, sum(came)::BIGINT AS came, sum(went)::BIGINT AS went,
    sum(gained)::BIGINT AS relabelled_to, sum(lost)::BIGINT AS relabelled_from, sum(1 - is_old)::BIGINT AS now
FROM (
    SELECT n.label, 0 AS is_old, (o.sample_id IS NULL)::INT AS came, 0 AS went,
        (o.sample_id IS NOT NULL AND o.label IS DISTINCT FROM n.label)::INT AS gained, 0 AS lost
    FROM {samples_sql(new)} n LEFT JOIN {samples_sql(old)} o USING (sample_id)
    UNION ALL
    SELECT o.label, 1, 0, (n.sample_id IS NULL)::INT, 0,
        (n.sample_id IS NOT NULL AND o.label IS DISTINCT FROM n.label)::INT
    FROM {samples_sql(old)} o LEFT JOIN {samples_sql(new)} n USING (sample_id)
) GROUP BY label ORDER BY sum(came + went + gained + lost) DESC, label
"""


def class_changes(old: Path, new: Path) -> list[dict[str, Any]]:
    """Return what changed between two versions, a row a class: see `class_changes_sql`."""
    with open_connection([old / SAMPLES, new / SAMPLES]) as connection:
        answer = connection.execute(class_changes_sql(old, new))
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
