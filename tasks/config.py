"""The config of a curated set: one frozen dataclass a stage, read from YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.clusters.neighbor_graph import NeighborsConfig
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.export.shard_writing import ExportConfig
from windrow.tasks.ingest.hash_groups import HashesConfig
from windrow.tasks.ingest.ingestion import IngestConfig
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.scorers import ScorerConfig
from windrow.tasks.selection.pool_ranking import SelectionConfig


class ConfigError(ValueError):
    """The config cannot be used; the message names the field, and what came."""


@dataclass(frozen=True)
class CurationConfig:
    """Everything that a curated set depends on, and where it is made.

    `sources`: folders, WebDataset tars, Parquet files, globs; local or fsspec URIs; `list:` before a list of URLs or
    paths. `name`: of the curated set. `store`: folder for everything that is made. `seed`: of every random choice.
    `executor` says where work runs and changes no result.
    """

    sources: tuple[str, ...]
    name: str = "curated"
    store: str = "data/store"
    seed: int = 0
    ingest: IngestConfig = field(default_factory=IngestConfig)
    hashes: HashesConfig = field(default_factory=HashesConfig)
    features: BackboneConfig = field(default_factory=BackboneConfig)
    scores: tuple[ScorerConfig, ...] = ()
    neighbors: NeighborsConfig = field(default_factory=NeighborsConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)

    def __post_init__(self) -> None:
        if not self.sources or not all(source.strip() for source in self.sources):
            raise ValueError(f"sources: wants one or more folders, tars or Parquet files, got {list(self.sources)}")
        if not self.store.strip():
            raise ValueError("store: wants a folder, got ''")
        if "://" in self.store:
            raise ValueError(f"store: wants a folder of this machine, got {self.store!r}; only sources can be URLs")
        if not self.name or set(self.name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"):
            raise ValueError(f"name: wants letters, digits, - and _, got {self.name!r}")
        scorers = [scorer.name for scorer in self.scores]
        if len(set(scorers)) != len(scorers):
            raise ValueError(f"scores: names repeat: {scorers}")
        if self.seed < 0:
            raise ValueError(f"seed: wants 0 or more, got {self.seed}")


def load_config(path: Path, overrides: Sequence[str] = ()) -> CurationConfig:
    """Read a config from a YAML file; `overrides` are 'field.field=value', the value in YAML.

    Raises ConfigError naming the file, the field and what came.
    """
    values = _read_yaml(path)
    for override in overrides:
        _override(values, override)
    try:
        return parse_config(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}; README.md shows what goes into one") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: wants fields such as `sources:` and `store:`, got {type(values).__name__}")
    return values


def _override(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set wants FIELD=VALUE, got {override!r}")
    *path, last = name.split(".")
    for part in path:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {part} has no fields")
        values = inner
    values[last] = yaml.safe_load(text)


def parse_config(values: Any) -> CurationConfig:
    """Make a config from plain values, as YAML gives them. Raises ConfigError naming the field and what came."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"wants fields such as `sources:` and `store:`, got {type(values).__name__}")
    _refuse_unknown(CurationConfig, values, "")
    try:
        return TypeAdapter(CurationConfig).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        # A rule between fields names its field itself.
        raise ConfigError(message if first["type"] == "value_error" else f"{place}: {message}") from None


def _refuse_unknown(kind: type, values: Mapping[str, Any], prefix: str) -> None:
    known = [each.name for each in fields(kind)]
    types = get_type_hints(kind)
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"known are {', '.join(known)}"
            raise ConfigError(f"{prefix}{name}: there is no such field; {hint}")
        if is_dataclass(types[name]) and isinstance(value, Mapping):
            _refuse_unknown(types[name], value, f"{prefix}{name}.")  # type: ignore[arg-type]
