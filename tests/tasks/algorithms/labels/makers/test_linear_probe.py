import tracemalloc
from dataclasses import replace

import numpy as np
from label_pools import random_pool, said

from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.makers.linear_probe import LinearProbe

POOL, LABELS = random_pool(0, n=80, labelled=20)


def test_a_probe_that_holds_no_rows_is_the_one_that_holds_them():
    maker = LinearProbe(l2=0.05, class_balanced=False)
    held = said(maker, POOL, LABELS)
    np.testing.assert_array_equal(held, logistic_probe(POOL, LABELS, 3, 0.05, False))
    np.testing.assert_allclose(said(replace(maker, most_held=0), POOL, LABELS), held, atol=1e-4)


def most_memory(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_probe_holds_no_more_labelled_rows_than_it_may():
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((40_000, 16)).astype(np.float16)
    labels = (pool[:, 0] > 0).astype(np.int64)
    needed, few = 4 * pool.size, np.arange(5)
    peaks = []
    for most_held in (needed, needed - 1):
        maker = LinearProbe(l2=0.1, most_held=most_held)
        said(maker, pool, labels[:100].repeat(400), 2, few)  # what is imported on the first use does not count
        peaks.append(most_memory(lambda maker=maker: said(maker, pool, labels, 2, few)))
    assert peaks[1] < peaks[0] - needed / 2
