"""Megatron-Energon: the version's tars, linked, with the indexes that `energon prepare` would take hours to make."""

from __future__ import annotations

import json
import sqlite3
import struct
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml

from windrow.tasks.conversion.converted_version import Format, SourceVersion, link_file

_TABLES = """
CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, sample_index INTEGER NOT NULL,
    byte_offset INTEGER, byte_size INTEGER);
CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, content_byte_offset INTEGER,
    content_byte_size INTEGER);
"""
_INDEXES = """
CREATE INDEX idx_samples_by_tar_and_idx ON samples (tar_file_id, sample_index);
CREATE INDEX idx_sample_parts_seq ON sample_parts (tar_file_id, sample_index, content_byte_offset);
CREATE INDEX idx_sample_parts_full
    ON sample_parts (tar_file_id, sample_index, part_name, content_byte_offset, content_byte_size);
"""
_SPLITS = {"validation": "val", "valid": "val"}


@dataclass(frozen=True)
class Energon(Format):
    """`.nv-meta` and an `.idx` beside each tar, as Megatron-Energon 7 has them. It calls a validation split `val`."""

    name: ClassVar[str] = "energon"

    def write(self, version: SourceVersion, folder: Path) -> None:
        """Write the version into an empty folder."""
        shards = {split: version.shards(split) for split in version.splits}
        meta = folder / ".nv-meta"
        meta.mkdir()
        counts: dict[str, int] = {}
        with sqlite3.connect(meta / "index.sqlite") as index:
            index.executescript(_TABLES)
            for number, path in enumerate(path for paths in shards.values() for path in paths):
                link_file(version.path / path, folder / path)
                counts[path] = _index_tar(folder / path, number, index)
            index.executescript(_INDEXES)
        index.close()
        splits = {"train": list[str](), "val": [], "test": []} | {
            _SPLITS.get(split, split): shards[split] for split in shards
        }
        (meta / "split.yaml").write_text(yaml.safe_dump({"split_parts": splits, "exclude": []}, sort_keys=False))
        (meta / ".info.json").write_text(json.dumps({"energon_version": "7.4.1", "shard_counts": counts}, indent=2))
        (meta / "index.uuid").write_text(str(uuid.UUID(version.manifest["fingerprint"][:32])))
        (meta / "dataset.yaml").write_text(
            yaml.safe_dump({"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}, sort_keys=False)
        )


def _index_tar(tar: Path, number: int, index: sqlite3.Connection) -> int:
    """Write where each sample of a tar begins beside it, and its members into the index; return how many samples."""
    starts: list[int] = []
    keys: list[str] = []
    parts = []
    for key, part, member in _members(tar):
        if not keys or keys[-1] != key:
            keys.append(key)
            starts.append(member.offset)
        parts.append((number, len(keys) - 1, part, member.offset_data, member.size))
    last = parts[-1][3] + parts[-1][4]
    ends = [*starts, last + -last % tarfile.BLOCKSIZE]
    tar.with_name(f"{tar.name}.idx").write_bytes(struct.pack(f"<{len(ends)}Q", *ends))
    rows = [(number, key, n, ends[n], ends[n + 1] - ends[n]) for n, key in enumerate(keys)]
    index.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", rows)
    index.executemany("INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)", parts)
    return len(keys)


def _members(path: Path) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, part = member.name.partition(".")
            yield key, part, member
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header that it has read
