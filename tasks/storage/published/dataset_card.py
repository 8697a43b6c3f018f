"""The dataset card of a version: one README.md in the folder of each format, in Hugging Face's layout.

A folder may hold files of one format only, or `datasets` cannot tell how to read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from windrow.schemas.exported import EXPORTED, EXPORTED_SAMPLES, Further
from windrow.tasks.storage.published.attribution_file import ATTRIBUTION
from windrow.tasks.storage.published.card_loading import LOADING, ON_THE_HUB
from windrow.tasks.storage.published.card_tables import (
    answer_sections,
    class_table,
    field_table,
    label_words,
    licence_table,
    paragraph,
    source_table,
    split_table,
    state_table,
)
from windrow.tasks.storage.published.hub_features import class_names, parquet_features, webdataset_features
from windrow.tasks.storage.published.licence_terms import hub_licence
from windrow.tasks.texts.markdown import code

_PREFIXES = ((10**3, "K"), (10**6, "M"), (10**9, "B"), (10**12, "T"))
_EXTENSIONS = {"webdataset": "tar", "parquet": "parquet"}

_ABOUT = """\
{n_samples:,} images{of_classes}, chosen by Windrow {windrow_version} from a larger pool{ranked}. Those of rank 1 to T \
are what would have been chosen with room for T. The images are as they were found, byte for \
byte; but where `mended` is not null, they pass over what readers would fail over: `damaged chunks` of a PNG, or \
`metadata`.
"""
_RANKED = {
    "balanced": " so that its clusters are balanced: each image was embedded, the embeddings were clustered "
    "hierarchically, and the pool was ranked by hierarchical balanced sampling "
    "(Vo et al. 2024, https://arxiv.org/abs/2405.15613)",
    "class-balanced": " so that its classes are balanced, and among images without a sure class the clusters",
    "parts": " in several parts, each ranked by a rule of its own",
    "random": " at random",
}
_MADE = (
    "Its fingerprint is `{fingerprint}`. `{above}manifest.json` has the SHA-256 of every file, the settings of the "
    "export and the digests of what the version was made from; `{above}samples.parquet` has a row for each image, "
    "without its bytes."
)


@dataclass(frozen=True)
class CardPlace:
    """Where a card lies: beside the files of `layout`, which `files` begins the names of.

    `above` leads to the version's other files. `is_uploaded`: the folder is made to go to a hub as it is.
    """

    layout: str
    files: str = ""
    above: str = "../"
    is_uploaded: bool = False

    def pattern(self, split: str) -> str:
        """Return what the files of a split are called."""
        return f"{self.files}{split}-*.{_EXTENSIONS[self.layout]}"


def dataset_card(place: CardPlace, manifest: Mapping[str, Any], formats: Iterable[str]) -> str:
    """Return the card of the version that `manifest` describes.

    `formats` are the image formats in it ('JPEG', ...).
    """
    header = yaml.safe_dump(_header(place, manifest, formats), sort_keys=False, allow_unicode=True)
    return f"---\n{header}---\n\n{_body(place, manifest)}"


def _header(place: CardPlace, manifest: Mapping[str, Any], formats: Iterable[str]) -> dict[str, Any]:
    counts, names = manifest["counts"], class_names(manifest)
    files = [{"split": split, "path": place.pattern(split)} for split in counts["split"]]
    header: dict[str, Any] = {"pretty_name": f"{manifest['name']} {manifest['version']}"}
    licences = _licences(manifest)
    if licences:
        header["license"] = licences[0] if len(licences) == 1 else licences
    if names:
        header["task_categories"] = ["image-classification"]
    header["size_categories"] = [size_category(manifest["n_samples"])]
    header["tags"] = ["windrow"]
    header["configs"] = [{"config_name": "default", "data_files": files}]
    is_tars = place.layout == "webdataset"
    features = webdataset_features(formats, names, manifest) if is_tars else parquet_features(names, manifest)
    header["dataset_info"] = {"config_name": "default", "features": features}
    return header


def _licences(manifest: Mapping[str, Any]) -> list[str]:
    """The set's licence as Hugging Face calls it; without one those of its images, where all have one that it knows."""
    counts = manifest["counts"]
    if manifest["config"]["license"] is not None:
        return [manifest["config"]["license"]]
    known = [hub_licence(name) for name in counts["license"]]
    return [] if counts["unlicensed"] or None in known else list(dict.fromkeys(name for name in known if name))


def size_category(n_samples: int) -> str:
    """Return Hugging Face's size category: 'n<1K', '1K<n<10K', ..., 'n>1T'."""
    if n_samples < 1000:
        return "n<1K"
    if n_samples >= 10**12:
        return "n>1T"
    low = 10 ** (len(str(n_samples)) - 1)
    return f"{_short(low)}<n<{_short(10 * low)}"


def _short(power_of_ten: int) -> str:
    unit, letter = max((unit, letter) for unit, letter in _PREFIXES if unit <= power_of_ten)
    return f"{power_of_ten // unit}{letter}"


def _body(place: CardPlace, manifest: Mapping[str, Any]) -> str:
    counts, config, above = manifest["counts"], manifest["config"], place.above
    further = Further.of(manifest)
    of_classes = f" of {len(manifest['classes']):,} classes" if manifest["classes"] else ""
    names = ("n_samples", "windrow_version")
    about = _ABOUT.format(
        **{name: manifest[name] for name in names}, of_classes=of_classes, ranked=_ranked(manifest["provenance"])
    )
    loading = ON_THE_HUB if place.is_uploaded else LOADING[place.layout]
    lines = [
        f"# {manifest['name']} {manifest['version']}",
        "",
        paragraph(about),
        "",
        *split_table(counts),
        "## How to load it",
        "",
        loading.format(split=next(iter(counts["split"]))),
        *class_table(manifest["classes"], config["class_names"], counts, above, _labelled(manifest)),
        *(state_table(manifest) if further.states else ()),
        *licence_table(counts, above, f"{above}{ATTRIBUTION}"),
        *answer_sections(config["card"]),
        *source_table(counts, above),
        *_fields(place, further),
        "## How it was made",
        "",
        paragraph(_MADE.format(fingerprint=manifest["fingerprint"], above=above)),
        "",
    ]
    return "\n".join(lines)


def _ranked(provenance: Mapping[str, Any]) -> str:
    policy = provenance.get("ranked_by")
    return "" if policy is None else _RANKED.get(policy, f", ranked by the policy {code(policy)}")


def _fields(place: CardPlace, further: Further) -> Iterator[str]:
    if place.layout == "parquet":
        return field_table(further.added_to(EXPORTED).columns, "")
    names = further.described()
    described = (column for column in further.added_to(EXPORTED_SAMPLES).columns if column.name in names)
    return field_table(
        described,
        "A sample is an image, its `.json` and, where it has a label, its `.cls`: the number of its class. "
        "Files that came with an image are there too, under its name. The `.json` has these fields, and as `provenance`"
        " where the image was found.",
    )


def _labelled(manifest: Mapping[str, Any]) -> str:
    """What the labels are, how many images have none, and what the number of a class is."""
    n = manifest["counts"]["unlabelled"]
    if Further.of(manifest).states:
        return f"An image counts in each class that is present in it. Of {n:,} no state of any class is known."
    if not manifest["classes"]:
        return "No image has a label."
    none = f" {n:,} images have none: what they show is not known, or not surely enough." if n else ""
    numbered = " The number of a class is its name, where all are named by numbers, and else its place in"
    place = "`classes.txt`, from 0."
    return f"{label_words(manifest['config']['label_set'])}{none}{numbered} {place}"
