"""What every order keeps to: a new one is tested by its line in ORDERS."""

import numpy as np
import pytest

from windrow.tasks.algorithms.selection import ORDERS
from windrow.tasks.algorithms.selection.order import Samples
from windrow.tasks.algorithms.selection.ranking import inclusion_weights


def samples_of(n: int) -> Samples:
    rng = np.random.default_rng(n)
    fine = rng.integers(6, size=n).astype(np.int32)
    ids = np.array([f"{number:032x}" for number in range(n)])
    return Samples(np.stack([fine, fine // 2], axis=1), rng.random(n).astype(np.float32), ids)


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("n", [0, 1, 60])
def test_every_sample_has_one_rank_by_the_seed_alone_and_the_weights_add_up(name: str, n: int) -> None:
    samples, order = samples_of(n), ORDERS[name]()
    found, again = order.rank(samples, 3), order.rank(samples, 3)
    assert sorted(found.place.tolist()) == list(range(1, n + 1)) and found.place.dtype == np.int64
    assert found.place.tobytes() == again.place.tobytes()
    assert found.strata.dtype == np.int32 and len(found.strata) == n
    if n == 60:
        assert len({order.rank(samples, seed).place.tobytes() for seed in range(8)}) > 4
        assert inclusion_weights(found.strata, found.place <= 20).sum() == pytest.approx(n)
