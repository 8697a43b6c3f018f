"""SeLa's power is the paper's, 25: a ratio of two rows and two classes is raised to it."""

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.cores.balanced_labels import sela_labels
from windrow.tasks.labels.labels_config import LabelsConfig


def odds(p: np.ndarray) -> float:
    return float(np.log(p[0, 0] * p[1, 1] / (p[0, 1] * p[1, 0])))


@pytest.mark.parametrize("settings", [{}, {"power": LabelsConfig().settings.sela.power}])
def test_the_ratios_of_the_probabilities_are_raised_to_the_power_of_25(settings: dict[str, float]) -> None:
    shares = np.array([[0.51, 0.49], [0.48, 0.52], [0.5, 0.5], [0.505, 0.495]], np.float32)
    balanced = sela_labels(shares, tolerance=1e-7, **settings).astype(np.float64)
    assert odds(balanced) == pytest.approx(25 * odds(shares.astype(np.float64)), rel=1e-3)
