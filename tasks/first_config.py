"""`windrow init`: a commented config for what lies in a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from windrow.tasks.config_yaml import FILE, ConfigError, parse_yaml, yaml_of
from windrow.tasks.folder_contents import Contents, look_into

TEXT = """\
# What to curate, and how: `windrow run` reads this file. `windrow config` prints every setting there is, its value and
# what it means. Relative paths start from this file's folder.
# A line that begins with # and no space after it is a setting: take the # away to use it.

name: {name}
# Everything that is made goes here; `--store` of the other commands names it.
store: data/store

# {found}
sources: {sources}
#ingest: {{mode: copy}}  # copies the bytes into the store, for sources that will not stay
{ingest}
# What pictures are compared by: 'lite0' for photographs, 'patches' for drawings and scans in grey; 'auto' looks once.
# Neither needs a download; a larger model sees more: hf:FOLDER or hf:HUB/ID.
features: {{name: auto}}
#features: {{name: "hf:facebook/dinov2-small"}}

{labels}
selection:
  # How many samples to select; without it a share of those that are ranked.
  #target_size: 1000
  target_share: 0.5
  # Rules that samples must satisfy: SQL over the columns of the table `pool`.
  filters: []
  #filters: [{{name: small, keep: "least(width, height) >= 64"}}]
  # Cosine similarity from which on two pictures are near-duplicates; auto proposes one from the pool. The report shows
  # whether it is right for yours.
  near_duplicate_threshold: auto
  splits: [{{name: train, share: 0.9}}, {{name: val, share: 0.1}}]

#export: {{formats: [webdataset], license: cc-by-4.0}}
#export: {{card: card.yaml}}  # what only people can say, for the dataset card; `windrow card` writes it
#executor: {{n_workers: 4}}  # processes at once; without it one a core
"""
CLASSES = "\n# The name of a picture's folder is its label: {names}.\ningest: {{folder_labels: true}}\n"
NO_CLASSES = "#ingest: {folder_labels: true}  # the name of any folder is the label of its pictures\n"
LABELS = (
    "# Labels that are known, by `sample_id` or `key`; the others are found from them.\nlabels: {{given: {file}}}\n"
)
NO_LABELS = (
    "# A CSV or Parquet file of known labels, by `sample_id` or `key`, if they did not come with the samples.\n"
    "#labels: {given: labels.csv}\n"
)


def write_first_config(folder: Path) -> tuple[Path, list[str]]:
    """Write `windrow.yaml` for what is in the folder; returns its path and what was found, a line each.

    Raises ValueError when there is such a file already, no such folder, or nothing in it that can be a source.
    """
    path = folder / FILE
    if path.exists():
        raise ValueError(f"{path}: is there already; remove it, or edit it")
    contents = sources_in(folder)
    text = config_text(folder.resolve().name, contents)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path, contents.told()


def first_values(folder: Path) -> dict[str, Any]:
    """Return the values of that config, for a folder that is left as it is; paths start from the folder."""
    values: dict[str, Any] = parse_yaml(config_text(folder.resolve().name, sources_in(folder)).encode(), str(folder))
    return values


def sources_in(folder: Path) -> Contents:
    """Look into a folder. Raises ConfigError when nothing in it can be a source."""
    contents = look_into(folder)
    if not contents.sources:
        raise ConfigError(f"{folder}: wants images, tars, Parquet files or lists of URLs, found none")
    return contents


def config_text(name: str, contents: Contents) -> str:
    """Return the config as text, for a folder of that name."""
    classes = CLASSES.format(names=", ".join(contents.classes[:5]).replace("\n", " "))
    return TEXT.format(
        name=yaml_of(re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "curated"),
        found="; ".join(contents.told()).replace("\n", " "),
        sources=yaml_of(contents.sources),
        ingest=classes if contents.classes else NO_CLASSES,
        labels=LABELS.format(file=yaml_of(contents.labels)) if contents.labels else NO_LABELS,
    )
