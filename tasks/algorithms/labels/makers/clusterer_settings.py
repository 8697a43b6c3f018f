"""Settings of the makers that do not learn from labels: clusterers, texts and sources.

The heads' l2 of 0.0001 was the best of 0.01, 0.001 and 0.0001 on 2,000 or 3,000 CIFAR-10 images with one seed, by their
true classes: with 0.01 `depict` collapsed to even shares. With it `sp2ot` put 0.45 into the right cluster, the others
0.42 to 0.43, and k-means alone 0.42: differences that one seed does not prove.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from windrow.tasks.algorithms.labels.makers.setting_rules import check_fraction, check_from_zero, check_positive, refuse


@dataclass(frozen=True)
class ClustersSettings:
    """Of all clusterers, and of `sources`. `n_clusters`: None is one for each class; with another number a cluster gets
    the classes of its labelled samples. `smoothing`: labels that the even mixture of the classes counts as there."""

    n_clusters: int | None = None
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        if self.n_clusters is not None and self.n_clusters < 2:
            raise refuse("clusters", "n_clusters", "2 or more, or null", self.n_clusters)
        check_positive("clusters", self, "smoothing")


@dataclass(frozen=True)
class ScanSettings:
    """`entropy_weight`: against empty clusters. `n_heads`: trained side by side, the best stays. `n_epochs`: passes;
    more where it takes more to make `least_steps`. `batch_size`: samples a step. `learning_rate`: Adam's. `confident`:
    probability above which samples label themselves for SCAN's third step; null leaves it out, and so does a pool
    without such a sample. `device`: PyTorch's.

    Of 1,500 CIFAR-10 images, 90 steps (30 passes) put 0.40 into the right cluster, 300 0.43, 1000 0.43."""

    entropy_weight: float = 5.0
    n_heads: int = 5
    n_epochs: int = 30
    least_steps: int = 300
    batch_size: int = 512
    learning_rate: float = 0.03
    confident: float | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_from_zero("scan", self, "entropy_weight", "least_steps")
        check_positive("scan", self, "n_heads", "n_epochs", "batch_size", "learning_rate")
        check_fraction("scan", self, "confident")


@dataclass(frozen=True)
class DepictSettings:
    """`n_rounds`: of a head fitted to its own sharpened predictions. `l2`: of the head's weights."""

    n_rounds: int = 10
    l2: float = 0.0001

    def __post_init__(self) -> None:
        check_positive("depict", self, "n_rounds", "l2")


@dataclass(frozen=True)
class SelaSettings:
    """`n_rounds`: of a head fitted to balanced labels. `power`: how near to hard these are; 1 is the least change.
    `marginal`: shares of the clusters, the largest for the largest at the start; null is equal. `l2`: of the head."""

    n_rounds: int = 10
    power: float = 25.0
    marginal: tuple[float, ...] | None = None
    l2: float = 0.0001

    def __post_init__(self) -> None:
        check_positive("sela", self, "n_rounds", "power", "l2")
        check_marginal("sela", self.marginal)


@dataclass(frozen=True)
class SwavSettings:
    """`eps`: how soft the clusters are, in cosines; the smaller, the longer it takes. `marginal`: shares of the
    clusters, the largest for the largest at the start; null is equal."""

    eps: float = 0.05
    marginal: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_positive("swav", self, "eps")
        check_marginal("swav", self.marginal)


@dataclass(frozen=True)
class P2otSettings:
    """For clusters of unlike sizes. `n_rounds`: of a head fitted to the labels, of ever more samples. `size_weight`:
    how firmly clusters are drawn to one size. `eps`: of the entropy. `l2`: of the head. The papers' weights, which for
    clusters are other ones than `transport`'s."""

    n_rounds: int = 10
    size_weight: float = 1.0
    eps: float = 0.1
    l2: float = 0.0001

    def __post_init__(self) -> None:
        check_positive("p2ot", self, "n_rounds", "size_weight", "eps", "l2")


@dataclass(frozen=True)
class Sp2otSettings:
    """`p2ot` that also asks neighbours for one cluster. `semantic_weight`: how much. `gamma`: an edge weighs
    cosine^gamma. `n_steps`: of majorise-minimise, a round. `n_rounds`, `size_weight`, `eps`, `l2`: as of `p2ot`."""

    n_rounds: int = 10
    size_weight: float = 0.3
    eps: float = 1.0
    semantic_weight: float = 3.0
    gamma: float = 3.0
    n_steps: int = 10
    l2: float = 0.0001

    def __post_init__(self) -> None:
        check_positive("sp2ot", self, "n_rounds", "size_weight", "eps", "gamma", "n_steps", "l2")
        check_from_zero("sp2ot", self, "semantic_weight")


@dataclass(frozen=True)
class ZeroShotSettings:
    """Labels from the classes' names, for backbones with a text side ('hf:' and 'open_clip:').

    `class_names`: what the classes are called in the sentences: a list, the names being the labels too, or a mapping
    from label to name; empty takes the given labels as names. `templates`: sentences with one {} for the name. `scale`:
    an inverse temperature; null takes the model's. `refine`: correct the predictions by the pool's most typical samples
    (TFUP): `per_class` of them, whose influence falls by `beta` with distance and counts `weight` in logits.
    """

    class_names: tuple[str, ...] | Mapping[str, str] = ()
    templates: tuple[str, ...] = ("a photo of a {}.",)
    scale: float | None = None
    refine: bool = False
    per_class: int = 16
    beta: float = 1.0
    weight: float = 5.0

    def __post_init__(self) -> None:
        if not self.templates or any(template.count("{}") != 1 for template in self.templates):
            raise refuse("zero_shot", "templates", "sentences with one {} each", self.templates)
        names = tuple(self.class_names)
        if len(set(names)) < len(names) or not all(name.strip() for name in (*names, *self.names(names).values())):
            raise refuse("zero_shot", "class_names", "names that differ and are not empty", self.class_names)
        check_positive("zero_shot", self, "scale", "per_class")
        check_from_zero("zero_shot", self, "beta", "weight")

    def labels(self) -> tuple[str, ...]:
        """The classes that the names say there are, in their order; empty where the given labels say it."""
        return tuple(self.class_names)

    def names(self, labels: tuple[str, ...]) -> dict[str, str]:
        """What each label is called in the sentences, in the order of labels; itself where nothing is said."""
        said = self.class_names if isinstance(self.class_names, Mapping) else {}
        return {label: said.get(label, label) for label in labels}


@dataclass(frozen=True)
class SourcesSettings:
    """Classes from sources that hold them in other proportions. `l2`, `n_folds`: of the probe that tells the sources
    apart. `n_cells`: cells of its answers; null is one a class."""

    l2: float = 0.01
    n_folds: int = 2
    n_cells: int | None = None

    def __post_init__(self) -> None:
        check_positive("sources", self, "l2", "n_cells")
        if self.n_folds < 2:
            raise refuse("sources", "n_folds", "2 or more", self.n_folds)


def check_marginal(maker: str, marginal: tuple[float, ...] | None) -> None:
    """Raise ValueError unless the shares are finite numbers from 0, not all 0, or None."""
    if marginal is not None and not (
        marginal and all(0 <= share < math.inf for share in marginal) and sum(marginal) > 0
    ):
        raise refuse(maker, "marginal", "numbers from 0, not all 0, or null", marginal)
