"""Loose files and what belongs to each: its sidecars, the pictures that only say something of it, its metadata row.

Names are read as in a tar, by key and extension, but more warily: on disk a dot in a name is often just a dot. So a
sidecar belongs to a file of its whole name ('a.jpg.json') or stem ('a.json'); one with a word in between
('a.caption.txt') to the file with a bare extension, and so does a picture whose word says that it is a mask, say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from windrow.tasks.storage.sources.beside.key_members import ALL, AUTO, is_auxiliary
from windrow.tasks.storage.sources.beside.metadata_tables import Listing, is_metadata
from windrow.tasks.storage.sources.source_fields import is_image, is_sidecar, split_name
from windrow.tasks.storage.sources.source_shard import IngestConfig, LooseFile, SourceFile

Beside = list[tuple[str, SourceFile]]


@dataclass
class LooseFiles:
    """The samples of a source by path, and what each depends on; `files` in the order of paths."""

    files: dict[str, LooseFile] = field(default_factory=dict)
    identities: dict[str, list[Any]] = field(default_factory=dict)


def split_key(path: str) -> tuple[str, str]:
    """Split a path at the first dot of its name: 'a/b.seg.PNG' gives ('a/b', 'seg.PNG')."""
    folder, slash, name = path.rpartition("/")
    stem, _, extension = name.partition(".")
    return folder + slash + stem, extension


def loose_files(
    samples: Mapping[str, SourceFile], around: Iterable[SourceFile], listing: Listing, config: IngestConfig
) -> LooseFiles:
    """Say which of the files are samples, and what comes with each; `around`: all files where sidecars may be."""
    around = sorted(around, key=lambda file: file.path)
    sidecars = _sidecars(around)
    accompanying, refused = _accompanying(samples, config.image_members)
    aside = {file.path for beside in accompanying.values() for _, file in beside} | listing.accompanying
    owned = _owned(samples, sidecars)
    everything = {file.path: file for file in around} | dict(samples) if listing.files else {}
    found = LooseFiles()
    for path in sorted({*samples, *listing.missing} - aside):
        if path not in samples:
            found.files[path] = LooseFile(path, error=listing.missing[path])
            found.identities[path] = [path, "", [], listing.missing[path]]
            continue
        file = samples[path]
        key, stem = split_key(path)[0], split_name(path)[0]
        qualifier = stem[len(key) + 1 :]
        beside = _of_sample(qualifier, split_key(path)[1], sidecars.get(key, ()), owned.get(key, frozenset()))
        masks = accompanying.get(key, [])
        listed = listing.files.get(path)
        elsewhere = [] if not qualifier else [(name, other) for name, other in masks]
        beside += [] if qualifier else masks
        if listed is not None:
            elsewhere += [(f"{role}.{split_name(other)[1] or ''}", everything[other]) for role, other in listed.beside]
        found.files[path] = LooseFile(
            path,
            tuple((name, other.n_bytes) for name, other in beside),
            file.error or refused.get(path),
            tuple((name, other.path, other.n_bytes) for name, other in elsewhere),
            listed.table if listed else None,
            listed.row if listed else None,
        )
        depends = [[other.path, other.identity] for _, other in (*beside, *elsewhere)]
        found.identities[path] = [path, file.identity, depends, *([listed.row] if listed else [])]
    return found


def _sidecars(around: Iterable[SourceFile]) -> dict[str, Beside]:
    found: dict[str, Beside] = {}
    for file in around:
        if is_sidecar(split_name(file.path)[1]) and file.error is None and not is_metadata(file):
            key, extension = split_key(file.path)
            found.setdefault(key, []).append((extension, file))
    return found


def _owned(samples: Iterable[str], sidecars: Mapping[str, Beside]) -> dict[str, set[str]]:
    """What sidecars with a word in between may be named after, by key."""
    found = {key: set[str]() for key, beside in sidecars.items() if any(name.count(".") for name, _ in beside)}
    for path in samples if found else ():
        key, extension = split_key(path)
        if key in found:
            found[key] |= {extension, extension.rpartition(".")[0]}
    return found


def _of_sample(qualifier: str, own: str, sidecars: Iterable[tuple[str, SourceFile]], owned: Iterable[str]) -> Beside:
    start = len(qualifier) + 1 if qualifier else 0
    found = []
    for name, file in sidecars:
        word = name.rpartition(".")[0]
        if word in (qualifier, own) or (not qualifier and word not in owned):
            found.append((name[start:], file))
    return found


def _accompanying(samples: Mapping[str, SourceFile], choice: Sequence[str]) -> tuple[dict[str, Beside], dict[str, str]]:
    """Return pictures that only come with others, by key, and why others are no samples, by path."""
    if tuple(choice) == (ALL,):
        return {}, {}
    by_default = tuple(choice) == (AUTO,)
    chosen = {key for key, extension in map(split_key, samples) if _leads(extension.lower(), choice)}
    found: dict[str, Beside] = {}
    refused = {}
    for path, file in samples.items():
        key, extension = split_key(path)
        if file.error or not is_image(extension.lower()):
            continue
        if is_auxiliary(extension.lower()) if by_default else not _leads(extension.lower(), choice):
            if key in chosen:
                found.setdefault(key, []).append((extension, file))
            elif not by_default:
                refused[path] = f"is none of ingest.image_members, {', '.join(choice)}"
    return found, refused


def _leads(extension: str, choice: Sequence[str]) -> bool:
    """Say whether a picture may have others that accompany it."""
    if tuple(choice) == (AUTO,):
        return is_image(extension) and "." not in extension
    return extension in choice or (extension.rpartition(".")[2] in choice and not is_auxiliary(extension))
