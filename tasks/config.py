"""The config of a curated set: one frozen dataclass a stage, read from YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen
from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from windrow.schemas.settings import IsPath, Settings, check_different
from windrow.schemas.texts.names import check_file_name
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.clustering_config import LEAST_MEMORY_GB, ClusteringConfig
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.config_errors import error_lines
from windrow.tasks.config_file import ConfigError, read_values
from windrow.tasks.executors.executor import ExecutorConfig
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.ingest.hashes_config import HashesConfig
from windrow.tasks.labels.labels_config import MOST_PROBABLE, PSEUDO, LabelsConfig
from windrow.tasks.scorers.scorer import ScorerConfig
from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.storage.sources.source_settings import SourceConfig, SourceUri, settings_of, uris_of
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.retention_config import RetentionConfig
from windrow.tasks.worth.gates_config import GatesConfig
from windrow.tasks.worth.tune_config import TuneConfig
from windrow.tasks.worth.worth_config import WorthConfig

MOST_LEVELS = 9
"""Of clusters, where the size of the pool decides."""

Source = Annotated[
    Annotated[SourceUri, Tag("text")] | Annotated[SourceConfig, Tag("settings")],
    Discriminator(lambda value: "settings" if isinstance(value, Mapping | SourceConfig) else "text"),
]
__all__ = ["ConfigError", "CurationConfig", "load_config", "parse_config"]


@dataclass(frozen=True)
class CurationConfig(Settings):
    """Everything that a curated set depends on, and where it is made.

    `sources`: folders, WebDataset tars, Parquet files, globs; local or fsspec URIs; `list:` before a list of URLs or
    paths; `{uri: ..., label_key: ...}` for one that is read by settings of `ingest` of its own. `name`: of the curated
    set. `store`: folder for everything that is made. `seed`: of every random choice. `scores`: models that score every
    picture. `corrections`: take what people have said of samples, see `windrow corrections`. `memory_gb`: roughly what
    a run may take, all its workers together; null: half of the machine's. It changes no answer.

    >>> from windrow import CurationConfig
    >>> CurationConfig(sources=("photos",), name="cats").store
    'data/store'
    """

    sources: Annotated[tuple[Source, ...], MinLen(1)]
    name: str = "curated"
    store: Annotated[str, IsPath()] = "data/store"
    seed: Annotated[int, Ge(0)] = 0
    ingest: IngestConfig = field(default_factory=IngestConfig)
    hashes: HashesConfig = field(default_factory=HashesConfig)
    features: BackboneConfig = field(default_factory=BackboneConfig)
    scores: tuple[ScorerConfig, ...] = ()
    neighbors: NeighborsConfig = field(default_factory=NeighborsConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    worth: WorthConfig = field(default_factory=WorthConfig)
    gates: GatesConfig = field(default_factory=GatesConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    corrections: bool = True
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    memory_gb: Annotated[float, Ge(LEAST_MEMORY_GB)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(uri.strip() for uri in uris_of(self.sources)):
            raise ValueError(f"sources: wants folders, tars or Parquet files, got {list(self.sources)}")
        for source in self.sources:
            settings_of(source, self.ingest)
        if not self.store.strip():
            raise ValueError(f"store: wants a folder, got {self.store!r}")
        if "://" in self.store:
            raise ValueError(f"store: wants a folder of this machine, got {self.store!r}; only sources can be URLs")
        check_file_name("name", self.name, r"[\w-]", "letters, digits, - and _")
        self._check_kind()
        self._check_label_sets()
        if self.export.what == "pool" and "rest" in [split.name for split in self.selection.splits]:
            raise ValueError("selection.splits: 'rest' is the split of what is not selected, with export.what: pool")
        check_different("scores", [scorer.name for scorer in self.scores])

    def _check_kind(self) -> None:
        """What is for samples of one class, or of several, goes with labels that are so."""
        asked = {settings_of(source, self.ingest)[1].vocabulary for source in self.sources} - {()}
        if self.labels.kind == "single":
            if asked:
                raise ValueError("ingest.vocabulary: goes with labels.kind: multi, and labels.kind is single")
            return
        export = ExportConfig()
        of_one_class = {
            "selection.stratify_splits": (self.selection.stratify_splits, False),
            "worth.evaluate": (self.worth.evaluate, None),
            "worth.command": (self.worth.command, ()),
            "worth.class_weighted": (self.worth.class_weighted, False),
            "export.soft_labels": (self.export.soft_labels, export.soft_labels),
            "export.label_sets": (self.export.label_sets, export.label_sets),
        }
        for setting, (value, usual) in of_one_class.items():
            if value != usual:
                raise ValueError(f"{setting}: is for samples of one class, and labels.kind is multi; got {value!r}")
        if self.worth.probe == "knn":
            raise ValueError("worth.probe: wants auto or logistic, as labels.kind is multi; got 'knn'")
        if self.labels.multi.cdul is not None and not self.features.has_texts:
            wants = "a model with texts, hf: or open_clip: with its own layer and pooling, as features"
            raise ValueError(f"labels.multi.cdul: wants {wants}; got {self.features.name!r}")
        if self.export.label_set not in (PSEUDO, "given"):
            got = self.export.label_set
            raise ValueError(f"export.label_set: wants {PSEUDO} or given, as labels.kind is multi; got {got!r}")

    def _check_label_sets(self) -> None:
        """Of the label sets that a run can make; which of them it makes depends on the labels that it finds."""
        levels = len(self.clustering.n_clusters) or MOST_LEVELS
        clusters = (f"cluster_{level}" for level in range(1, levels + 1))
        sets = {PSEUDO, MOST_PROBABLE, "given", *self.labels.makers, *clusters}
        asked = [("label_set", self.export.label_set), *(("label_sets", name) for name in self.export.label_sets)]
        for setting, name in asked:
            before_last = re.sub(r"_\d+$", "", name, flags=re.ASCII)  # an earlier round of a maker that has rounds
            if name not in sets and before_last not in self.labels.makers:
                makers = ", ".join(self.labels.makers)
                made = f"{PSEUDO}, {MOST_PROBABLE}, given, {makers}, cluster_1 to cluster_{levels}"
                raise ValueError(f"export.{setting}: wants one of {made}, got {name!r}")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> CurationConfig:
    """Read a config from a YAML file; `overrides` are 'field.field=value', the value in YAML.

    Relative paths in the file start from its folder, those in overrides from the current folder. Raises ConfigError
    naming the file, each field that is wrong, and what came.

    >>> from windrow import load_config
    >>> config = load_config("windrow.yaml", ["selection.target_size=50"])
    >>> config.name, config.selection.target_size
    ('digits', 50)
    """
    path = Path(path)
    return parse_values(read_values(path, overrides, CurationConfig), path)


def parse_values(values: Mapping[str, Any], path: Path) -> CurationConfig:
    """Make a config from the values of a file. Raises ConfigError whose every line names the file too."""
    try:
        return parse_config(values)
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config, with bounds and meanings."""
    return _adapter().json_schema()


@cache
def _adapter() -> TypeAdapter[CurationConfig]:
    return TypeAdapter(CurationConfig)


def parse_config(values: Any) -> CurationConfig:
    """Make a config from plain values, as YAML gives them.

    Raises ConfigError with a line for each field that is wrong, which names it and what came.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"wants fields such as `sources:` and `store:`, got {type(values).__name__}")
    try:
        return _adapter().validate_python(values)
    except ValidationError as error:
        raise ConfigError("\n".join(error_lines(error, CurationConfig, values))) from None
