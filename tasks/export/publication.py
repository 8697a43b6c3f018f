"""Publishing: the shards of an export become an immutable, numbered version of a curated set."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.schemas.exported import EXPORTED_SAMPLES, TAR, with_tars
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import ExportShard, read_classes
from windrow.tasks.export.shard_writing import SHARD_FILES
from windrow.tasks.export.soft_arrays import soft_files
from windrow.tasks.export.version_counts import count_version
from windrow.tasks.storage.files.parquet import ROWS_PER_GROUP, writing_table
from windrow.tasks.storage.files.seals import sealed_json
from windrow.tasks.storage.files.whole_or_absent import file_digest, publish_directory, temporary_directory
from windrow.tasks.storage.published.attribution_file import ATTRIBUTION, READ, write_attribution
from windrow.tasks.storage.published.card_answers import CardAnswers
from windrow.tasks.storage.published.dataset_card import CardPlace, dataset_card
from windrow.tasks.storage.published.versions import (
    CLASSES,
    SAMPLES,
    Version,
    is_version_name,
    latest_version,
    open_version,
    shard_digests,
    version_fingerprint,
    version_number,
)
from windrow.tasks.storage.store.outputs import MANIFEST, Done, Output, open_output

CARD = "README.md"


@dataclass(frozen=True)
class _ShardFile:
    """A file of a shard's output, and its place in the version."""

    source: Path
    path: str
    sha256: str
    split: str
    n_samples: int

    def entry(self) -> dict[str, Any]:
        n_bytes = self.source.stat().st_size
        return {
            "path": self.path,
            "sha256": self.sha256,
            "n_bytes": n_bytes,
            "n_samples": self.n_samples,
            "split": self.split,
        }


def publish_version(
    store: Path,
    name: str,
    shards: Sequence[ExportShard],
    dones: Sequence[Done],
    config: ExportConfig,
    provenance: Mapping[str, Any],
    barred: Collection[str] = (),
    answers: CardAnswers | None = None,
    label_sets: Mapping[str, Any] | None = None,
) -> Version:
    """Publish the shards of a plan, in its order, as the next version of `name`, or find that the last one holds them.

    `dones` are what `write_export_shard` returned for `shards`. `provenance` goes into the manifest as it is (digests
    of the stages' outputs); it does not make a version new, as equal images and labels are equal whatever they were
    made from. Nothing here depends on the time, so the same shards give the same bytes. Shards without samples are left
    out. `label_sets` says how each exported label set was made (`label_sets_told`), and goes in likewise.

    `answers` are those of `config.card`; they are part of the version, and its fingerprint knows of them.

    `barred` are samples that must not be in it, leaks say: RuntimeError when one is, and nothing is published.

    Raises ValueError when the name is no folder's name, when `dones` do not fit `shards`, and when no sample is left.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise ValueError(f"name: wants letters, digits, _, - and ., got {name!r}")
    filled = _filled(store, name, shards, dones)
    outputs = [output for _, output in filled]
    _check_barred(outputs, barred)
    classes = read_classes(store, shards[0].plan)
    files = _shard_files(filled, config)
    shard_entries = [file.entry() for file in files]
    settings = _as_published(config, answers or CardAnswers())
    manifest = {
        "name": name,
        "fingerprint": version_fingerprint(settings, classes, shard_digests(shard_entries)),
        "windrow_version": package_version("windrow"),
        "n_samples": sum(output.counts["n_samples"] for output in outputs),
        "n_shards": len(filled),
        "config": settings,
        "classes": classes,
        "label_sets": dict(label_sets or {}),
        "provenance": dict(provenance),
        "files": shard_entries,
    }
    parent = store / "curated" / name
    parent.mkdir(parents=True, exist_ok=True)
    if same := _latest_if_same(store, manifest):
        return same
    manifest["counts"] = count_version(outputs, classes, config.further)
    with temporary_directory(parent) as folder:
        _lay_out(folder, files, outputs, classes, config)
        read = (output.read(EXPORTED_SAMPLES, ["format"])["format"] for output in outputs)
        formats = sorted({name for column in read for name in column.to_pylist()})
        while True:
            # The number before the look: a version that another publishes in between then has this number, and renaming
            # fails. The other way round an equal version would get the number after it.
            version = _next_version(parent)
            if same := _latest_if_same(store, manifest):
                return same
            _describe(folder, {"name": name, "version": version, **manifest}, formats)
            if publish_directory(folder, parent / version):
                return open_version(parent / version, created=True)


def _as_published(config: ExportConfig, answers: CardAnswers) -> dict[str, Any]:
    """The settings as a manifest has them: with the answers in the place of their file, and keys that JSON has."""
    names = {str(number): name for number, name in sorted(config.class_names.items())}
    return {**asdict(config), "class_names": names, "card": asdict(answers)}


def _check_barred(outputs: Sequence[Output], barred: Collection[str]) -> None:
    apart = set(barred)
    ids = (output.read(EXPORTED_SAMPLES, ["sample_id"])["sample_id"].to_pylist() for output in outputs if apart)
    found = sorted(sample_id for some in ids for sample_id in some if sample_id in apart)
    if found:
        raise RuntimeError(
            f"{len(found):,} samples that the set is kept away from would be in it, {found[0]} the first"
        )


def _latest_if_same(store: Path, manifest: Mapping[str, Any]) -> Version | None:
    latest = latest_version(store, manifest["name"])
    return latest if latest is not None and latest.fingerprint == manifest["fingerprint"] else None


def _next_version(parent: Path) -> str:
    """Return a number that no folder has, be it a version or what is left of one."""
    numbers = [version_number(path.name) for path in parent.iterdir() if is_version_name(path.name)]
    return f"v{max(numbers, default=0) + 1:04d}"


def _filled(
    store: Path, name: str, shards: Sequence[ExportShard], dones: Sequence[Done]
) -> list[tuple[ExportShard, Output]]:
    if len(shards) != len(dones):
        raise ValueError(f"dones: wants one for each of {len(shards)} shards, got {len(dones)}")
    for shard, done in zip(shards, dones, strict=True):
        if done.counts["n_samples"] + done.counts["n_gone"] != shard.n_rows:
            raise ValueError(f"dones: {shard.split} {shard.number} has {shard.n_rows} samples, got {dict(done.counts)}")
    filled = [(shard, done) for shard, done in zip(shards, dones, strict=True) if done.counts["n_samples"]]
    if not filled:
        raise ValueError(f"curated set {name!r}: no sample was selected, or all are gone; there is nothing to publish")
    return [(shard, open_output(store / done.path)) for shard, done in filled]


def _shard_files(filled: Sequence[tuple[ExportShard, Output]], config: ExportConfig) -> list[_ShardFile]:
    n_shards = Counter(shard.split for shard, _ in filled)
    numbers: Counter[str] = Counter()
    files = []
    for shard, output in filled:
        number = numbers[shard.split]
        numbers[shard.split] += 1
        paths = {
            "webdataset": f"webdataset/{shard.split}-{number:06d}.tar",
            "parquet": f"parquet/{shard.split}-{number:05d}-of-{n_shards[shard.split]:05d}.parquet",
        }
        wanted = {SHARD_FILES[layout]: paths[layout] for layout in config.formats}
        wanted |= {
            label_set.file: f"{label_set.folder}/{shard.split}-{number:06d}.npy"
            for label_set in soft_files(output.path, config)
        }
        n_samples = output.counts["n_samples"]
        files += [
            _ShardFile(output.path / file, path, output.files[file], shard.split, n_samples)
            for file, path in wanted.items()
        ]
    return files


def _lay_out(
    folder: Path,
    files: Sequence[_ShardFile],
    outputs: Sequence[Output],
    classes: Sequence[str],
    config: ExportConfig,
) -> None:
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(file.source)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(file.source, target)
    (folder / CLASSES).write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
    declared = config.further.added_to(EXPORTED_SAMPLES)
    placed, tars = with_tars(declared), {file.source: file.path for file in files}
    tables = (_placed(output.read(declared), tars.get(output.path / SHARD_FILES["webdataset"])) for output in outputs)
    with writing_table(placed, folder / SAMPLES, placed.schema()) as add:
        for part in _whole_groups(placed.schema(), tables):
            add(part)
    write_attribution(folder / ATTRIBUTION, (output.read(EXPORTED_SAMPLES, list(READ)) for output in outputs))


def _placed(samples: pa.Table, tar: str | None) -> pa.Table:
    """The samples of a shard with the tar that they lie in."""
    return samples.append_column(TAR.name, pa.repeat(pa.scalar(tar, TAR.type), len(samples)))


def _whole_groups(schema: pa.Schema, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Cut rows anew into tables of ROWS_PER_GROUP, and the last of what is left."""
    left = schema.empty_table()
    for part in parts:
        left = pa.concat_tables([left, part])
        while left.num_rows >= ROWS_PER_GROUP:
            yield left.slice(0, ROWS_PER_GROUP)
            left = left.slice(ROWS_PER_GROUP)
    if left.num_rows:
        yield left


def _describe(folder: Path, manifest: Mapping[str, Any], formats: Sequence[str]) -> None:
    """Write what names the version: the cards and the manifest, again when another publisher took the number."""
    places = {layout: CardPlace(layout) for layout in manifest["config"]["formats"]}
    texts = {f"{layout}/{CARD}": dataset_card(place, manifest, formats) for layout, place in places.items()}
    for path, text in texts.items():
        _write_anew(folder / path, text)
    written = [{"path": path, **_size(folder / path)} for path in (*texts, CLASSES, SAMPLES, ATTRIBUTION)]
    entries = sorted([*manifest["files"], *written], key=lambda entry: entry["path"])
    _write_anew(folder / MANIFEST, sealed_json({**manifest, "files": entries}, ensure_ascii=False))


def _size(path: Path) -> dict[str, Any]:
    return {"sha256": file_digest(path), "n_bytes": path.stat().st_size}


def _write_anew(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # it may not be writable any more
    path.write_text(text, encoding="utf-8")
