"""The settings of every label maker, `labels.settings` in YAML, and what each maker's answer depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from windrow.tasks.algorithms.labels.label_makers import CLUSTERERS, MAKERS, MakerName
from windrow.tasks.algorithms.labels.makers.clusterer_settings import (
    ClustersSettings,
    DepictSettings,
    P2otSettings,
    ScanSettings,
    SelaSettings,
    SourcesSettings,
    Sp2otSettings,
    SwavSettings,
    ZeroShotSettings,
)
from windrow.tasks.algorithms.labels.makers.learner_settings import (
    IterativeSettings,
    KnnSettings,
    MlpSettings,
    NaiveBayesSettings,
    ProbeSettings,
    PropagationSettings,
    PrototypesSettings,
    SmoothedProbeSettings,
    SmoothedSettings,
    SpectralSettings,
    TransductiveSettings,
    TransportSettings,
)

GRAPH_MAKERS = frozenset({"propagation", "smoothed", "smoothed_probe", "transductive", "transport", "scan", "sp2ot"})


@dataclass(frozen=True)
class MakerSettings:
    """A field for each maker, by its name, and `clusters`, what all clusterers share."""

    knn: KnnSettings = field(default_factory=KnnSettings)
    propagation: PropagationSettings = field(default_factory=PropagationSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    prototypes: PrototypesSettings = field(default_factory=PrototypesSettings)
    smoothed: SmoothedSettings = field(default_factory=SmoothedSettings)
    smoothed_probe: SmoothedProbeSettings = field(default_factory=SmoothedProbeSettings)
    naive_bayes: NaiveBayesSettings = field(default_factory=NaiveBayesSettings)
    spectral: SpectralSettings = field(default_factory=SpectralSettings)
    transductive: TransductiveSettings = field(default_factory=TransductiveSettings)
    transport: TransportSettings = field(default_factory=TransportSettings)
    mlp: MlpSettings = field(default_factory=MlpSettings)
    iterative: IterativeSettings = field(default_factory=IterativeSettings)
    clusters: ClustersSettings = field(default_factory=ClustersSettings)
    scan: ScanSettings = field(default_factory=ScanSettings)
    depict: DepictSettings = field(default_factory=DepictSettings)
    sela: SelaSettings = field(default_factory=SelaSettings)
    swav: SwavSettings = field(default_factory=SwavSettings)
    p2ot: P2otSettings = field(default_factory=P2otSettings)
    sp2ot: Sp2otSettings = field(default_factory=Sp2otSettings)
    zero_shot: ZeroShotSettings = field(default_factory=ZeroShotSettings)
    sources: SourcesSettings = field(default_factory=SourcesSettings)


DEFAULT = MakerSettings()


def settings_of(name: MakerName, settings: MakerSettings = DEFAULT) -> dict[str, Any]:
    """All settings that this maker's answer depends on, by their place: its own, and those of what it starts from.

    A stored answer of a maker is still good where these, its inputs and its seed are the same.
    """
    _check_name(name)
    own: dict[str, Any] = {name: getattr(settings, name)}
    if name == "smoothed":
        return {**own, "prototypes": settings.prototypes}
    if name == "transport":
        return {**own, "probe": settings.probe}
    if name == "iterative":
        return {**own, **settings_of(settings.iterative.start, settings)}
    if name in CLUSTERERS or name == "sources":
        return {**own, "clusters": settings.clusters}
    return own


def needs_graph(name: MakerName, settings: MakerSettings | None = None) -> bool:
    """Whether a maker's answer depends on the neighbour graph.

    That of 'iterative' does where its start's does; without settings, it may.
    """
    _check_name(name)
    if name == "iterative":
        return settings is None or settings.iterative.start in GRAPH_MAKERS
    return name in GRAPH_MAKERS


def _check_name(name: str) -> None:
    if name not in MAKERS:
        raise ValueError(f"name must be one of {', '.join(MAKERS)}, got {name!r}")
