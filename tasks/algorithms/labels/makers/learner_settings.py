"""Settings of the makers that learn from labels: what `labels.settings` holds, with the defaults of their functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from windrow.tasks.algorithms.labels.makers.setting_rules import (
    check_choice,
    check_fraction,
    check_from_zero,
    check_positive,
)

Start = Literal[
    "knn", "propagation", "probe", "prototypes", "smoothed", "naive_bayes", "spectral", "transductive", "transport"
]


@dataclass(frozen=True)
class KnnSettings:
    """`k`: labelled samples that vote. `temperature`: a vote weighs exp(cosine / temperature). `class_balanced`: a
    class's votes are divided by its number of labels."""

    k: int = 20
    temperature: float = 0.07
    class_balanced: bool = True

    def __post_init__(self) -> None:
        check_positive("knn", self, "k", "temperature")


@dataclass(frozen=True)
class PropagationSettings:
    """`alpha`: how far labels spread, 0 to 1. `gamma`: an edge weighs cosine^gamma. `class_balanced`: every class
    spreads the same mass."""

    alpha: float = 0.9
    gamma: float = 3.0
    class_balanced: bool = True

    def __post_init__(self) -> None:
        check_fraction("propagation", self, "alpha")
        check_positive("propagation", self, "gamma")


@dataclass(frozen=True)
class ProbeSettings:
    """`l2`: of the weights; None is 1 over the number of labels. `class_balanced`: every class weighs the same.
    `most_held`: bytes; where the labelled samples need more (4 a number of their embeddings), they are read in blocks
    again and again instead of held: the same probe to its tolerance, not to the bit."""

    l2: float | None = None
    class_balanced: bool = True
    most_held: int = 8 * 2**30

    def __post_init__(self) -> None:
        check_positive("probe", self, "l2")
        check_from_zero("probe", self, "most_held")


@dataclass(frozen=True)
class PrototypesSettings:
    """`temperature`: of the softmax of cosines. `transport_weight`: how many labels the pool's correction of a class's
    mean counts as; 0 is the plain mean. `smoothed` starts from these too."""

    temperature: float = 0.08
    transport_weight: float = 10.0

    def __post_init__(self) -> None:
        check_positive("prototypes", self, "temperature")
        check_from_zero("prototypes", self, "transport_weight")


@dataclass(frozen=True)
class SmoothedSettings:
    """`strength`: how many neighbours' votes a prediction hears; 0 leaves the prototypes as they are. `gamma`: an edge
    weighs cosine^gamma."""

    strength: float = 2.0
    gamma: float = 3.0

    def __post_init__(self) -> None:
        check_from_zero("smoothed", self, "strength")
        check_positive("smoothed", self, "gamma")


@dataclass(frozen=True)
class SmoothedProbeSettings:
    """`penalty`: of the probe, in labels: its l2 is this over their number. `strength`: how many neighbours' votes a
    prediction hears."""

    penalty: float = 0.1
    strength: float = 2.0

    def __post_init__(self) -> None:
        check_positive("smoothed_probe", self, "penalty")
        check_from_zero("smoothed_probe", self, "strength")


@dataclass(frozen=True)
class NaiveBayesSettings:
    """`prior`: 'uniform', or 'labels' for their frequencies. `class_variances`: each class has its own. `shrinkage`:
    samples that the prior variance counts as. `n_effective`: independent dimensions that the embedding is worth."""

    prior: Literal["uniform", "labels"] = "uniform"
    class_variances: bool = False
    shrinkage: float = 10.0
    n_effective: float = 30.0

    def __post_init__(self) -> None:
        check_choice("naive_bayes", self, "prior", ("uniform", "labels"))
        check_positive("naive_bayes", self, "shrinkage", "n_effective")


@dataclass(frozen=True)
class SpectralSettings:
    """`eta`: how much cheaper the pool's own directions are, from 0 (plain ridge regression) to below 1. `ridge`: of
    the weights. `temperature`: of the softmax of what is regressed."""

    eta: float = 0.9
    ridge: float = 0.03
    temperature: float = 0.08

    def __post_init__(self) -> None:
        check_fraction("spectral", self, "eta", zero=True)
        check_positive("spectral", self, "ridge", "temperature")


@dataclass(frozen=True)
class TransductiveSettings:
    """`strength`: of the neighbours; 0 leaves them out. `temperature`: 0 gives every sample to one class.
    `seed_weight`: samples that a labelled one counts as in its class's mean. `gamma`: an edge weighs cosine^gamma."""

    strength: float = 0.1
    temperature: float = 0.05
    seed_weight: float = 100.0
    gamma: float = 3.0

    def __post_init__(self) -> None:
        check_from_zero("transductive", self, "strength", "temperature")
        check_positive("transductive", self, "seed_weight", "gamma")


@dataclass(frozen=True)
class TransportSettings:
    """Of SP2OT over the probe (whose settings are `probe`'s). `rho`: share of the pool's mass that gets a class; it
    must not be less than the labelled share. `semantic_weight`: of neighbours with the same class. `size_weight`: how
    firmly classes are drawn to one size. `eps`: of the entropy. `gamma`: an edge weighs cosine^gamma. `n_steps`: of
    majorise-minimise."""

    rho: float = 1.0
    semantic_weight: float = 3.0
    size_weight: float = 0.3
    eps: float = 1.0
    gamma: float = 3.0
    n_steps: int = 10

    def __post_init__(self) -> None:
        check_fraction("transport", self, "rho", one=True)
        check_from_zero("transport", self, "semantic_weight")
        check_positive("transport", self, "size_weight", "eps", "gamma", "n_steps")


@dataclass(frozen=True)
class MlpSettings:
    """A network of one hidden layer. `n_hidden`: its units. `n_epochs`: passes over the labelled samples; more where it
    takes more to make `least_steps`, since with few labels a pass is a step or two. `batch_size`: samples a step.
    `learning_rate`, `weight_decay`: AdamW's. `held_out`: share of the labels that stops the training, after
    `patience` epochs without a better one. `class_balanced`: every class weighs the same. `device`: PyTorch's.

    Macro recall on CIFAR-10 with 10 labels a class: 20 steps learn next to nothing, 100 0.46, 300 0.47, 1000 0.48."""

    n_hidden: int = 256
    n_epochs: int = 20
    least_steps: int = 300
    batch_size: int = 256
    learning_rate: float = 0.0003
    weight_decay: float = 0.01
    held_out: float = 0.0
    patience: int = 3
    class_balanced: bool = True
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_positive("mlp", self, "n_hidden", "n_epochs", "batch_size", "learning_rate", "patience")
        check_from_zero("mlp", self, "least_steps", "weight_decay")
        check_fraction("mlp", self, "held_out", zero=True)


@dataclass(frozen=True)
class IterativeSettings:
    """Rounds of self-training. `start`: the maker whose predictions the first round learns. `n_rounds`: probes, one
    after the other. `labelled_share`: of a fit's weight, for the labelled samples. `l2`, `balance` (of the classes),
    `entropy` (against unsure predictions): terms of each fit. `max_iters`: of a fit."""

    start: Start = "probe"
    n_rounds: int = 3
    labelled_share: float = 0.16
    l2: float = 0.001
    balance: float = 0.8
    entropy: float = 0.4
    max_iters: int = 50

    def __post_init__(self) -> None:
        check_choice("iterative", self, "start", get_args(Start))
        check_positive("iterative", self, "n_rounds", "l2", "max_iters")
        check_fraction("iterative", self, "labelled_share")
        check_from_zero("iterative", self, "balance", "entropy")
