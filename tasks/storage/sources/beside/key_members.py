"""The members of one key, and what each is: a sample, what is said of it, or what accompanies it.

A key's members are told by their extensions, all after the first dot of the name: 'jpg' is bare, 'seg.png' has the
qualifier 'seg'. What `ingest.image_members` says: 'auto', 'all', or the extensions that are samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from windrow.tasks.storage.sources.source_fields import is_image, is_sidecar, words

AUTO, ALL = "auto", "all"
AUXILIARY = words("""
    seg segm segmentation semantic instance instances panoptic mask masks trimap matte alpha depth disparity normal
    normals flow edge edges contour heatmap saliency gt groundtruth annotation annotations ann label labels thumb
    thumbnail preview
""")
"""Qualifiers of pictures that say something of another, as in 'seg.png'."""
LABEL_WORDS = words("cls class label target category")
CAPTION_WORDS = words("txt text caption captions prompt description alt")
KINDS = {
    **dict.fromkeys(("cls", "class", "label"), "label"),
    **dict.fromkeys(("txt", "text", "caption"), "caption"),
    **dict.fromkeys(("json", "jsn"), "json"),
}
MOST_CACHED = 32


class Told(NamedTuple):
    """A member that says something of a sample: its number among the members, and what it holds."""

    number: int
    kind: str


@dataclass(frozen=True)
class Roles:
    """The members, by number, that are samples, and for each of these the members that say something of it.

    `told`: what wins comes first: labels and captions, then `.json`; the sample's own before what is the key's.
    """

    samples: tuple[int, ...]
    told: tuple[tuple[Told, ...], ...]


def split_qualifier(extension: str) -> tuple[str, str]:
    """Split 'left.seg.png' into 'left.seg' and 'png'."""
    qualifier, _, last = extension.rpartition(".")
    return qualifier, last


def is_auxiliary(extension: str) -> bool:
    """Say whether this is a picture of a kind that only says something of another."""
    qualifier, last = split_qualifier(extension)
    return is_image(last) and qualifier.rpartition(".")[2] in AUXILIARY


def roles_of(extensions: Sequence[str], choice: Sequence[str], label_key: str, caption_key: str) -> Roles:
    """Say what the members of a key are; extensions in lower case, '' for none."""
    of = _cached_roles if len(extensions) <= MOST_CACHED else _roles
    return of(tuple(extensions), tuple(choice), label_key, caption_key)


def _roles(extensions: tuple[str, ...], choice: tuple[str, ...], label_key: str, caption_key: str) -> Roles:
    samples = _samples(extensions, choice)
    by_qualifier: dict[str, list[int]] = {}
    for number, extension in enumerate(extensions):
        if split_qualifier(extension)[1] in KINDS:
            by_qualifier.setdefault(split_qualifier(extension)[0], []).append(number)
    owned = {name for n in samples for name in (extensions[n], split_qualifier(extensions[n])[0]) if name}
    shared = [n for name, numbers in by_qualifier.items() if name and name not in owned for n in numbers]
    told = tuple(
        _told(extensions[n], extensions, by_qualifier, shared, (label_key, caption_key)) if by_qualifier else ()
        for n in samples
    )
    return Roles(tuple(samples), told)


_cached_roles = lru_cache(4096)(_roles)


def _samples(extensions: Sequence[str], choice: Sequence[str]) -> list[int]:
    images = [n for n, extension in enumerate(extensions) if is_image(extension)]
    if tuple(choice) not in ((AUTO,), (ALL,)):
        return [n for n, extension in enumerate(extensions) if extension in choice]
    if not images:
        return [n for n, extension in enumerate(extensions) if not is_sidecar(extension)]
    if tuple(choice) == (ALL,):
        return images
    bare = [n for n in images if "." not in extensions[n]]
    return bare or [n for n in images if not is_auxiliary(extensions[n])] or images


def _told(
    own: str,
    extensions: Sequence[str],
    by_qualifier: dict[str, list[int]],
    shared: Sequence[int],
    keys: tuple[str, str],
) -> tuple[Told, ...]:
    qualifier = split_qualifier(own)[0]
    found = [
        Told(n, KINDS[split_qualifier(extensions[n])[1]])
        for name in dict.fromkeys((own, qualifier, ""))
        for n in by_qualifier.get(name, ())
    ]
    for n in shared:
        kind = _kind_of_shared(extensions[n], *keys)
        if kind:
            found.append(Told(n, kind))
    return tuple(sorted(found, key=lambda told: told.kind not in ("label", "caption")))


def _kind_of_shared(extension: str, label_key: str, caption_key: str) -> str | None:
    """What a member holds whose qualifier is no sample's: 'label.txt' holds a label, 'ocr.txt' nobody knows what."""
    qualifier, last = split_qualifier(extension)
    word, kind = qualifier.rpartition(".")[2], KINDS[last]
    if kind == "label":
        return kind
    if word in LABEL_WORDS or word == label_key.lower():
        return "label" if kind == "caption" else "label json"
    if word in CAPTION_WORDS or word == caption_key.lower():
        return "caption" if kind == "caption" else "caption json"
    return kind if kind == "json" else None
