"""The names of the methods that judge given labels."""

from typing import Literal, get_args

CheckName = Literal[
    "self_confidence",
    "normalised_margin",
    "weighted_entropy",
    "confident_learning",
    "noise_transition",
    "neighbor_agreement",
    "noise_ignorant_probe",
    "cross_split",
    "loss_mixture",
    "small_loss",
    "linear_separation",
    "long_tail_calibration",
    "aum",
    "el2n",
    "grand",
    "early_learning",
]
CHECKS: tuple[CheckName, ...] = get_args(CheckName)
