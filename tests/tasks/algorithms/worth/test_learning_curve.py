"""The curve of random sets: its sizes, its monotone fit, and the size that has a quality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.worth.learning_curve import curve_sizes, how_told, matching_size, monotone

SIZES = np.array([100, 200, 400, 800])
CURVE = np.array([[0.4, 0.5, 0.5, 0.7]])


def size_of(quality: float, n_pool: int = 10_000) -> float:
    return float(matching_size(SIZES, CURVE, np.array([quality]), n_pool)[0])


def test_sizes_are_doubled_around_the_set_up_to_the_pool() -> None:
    assert curve_sizes(100, 1000, 10**6).tolist() == [12, 25, 50, 100, 200, 400, 800, 1000]
    assert curve_sizes(100, 850, 10**6).tolist() == [12, 25, 50, 100, 200, 400, 850]
    assert curve_sizes(100, 10_000, 300).tolist() == [12, 25, 50, 100, 200, 300]
    assert curve_sizes(3, 3, 10).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="n: wants 1 to 3"):
        curve_sizes(4, 3, 10)


def test_between_points_a_size_is_interpolated_in_the_logarithm() -> None:
    assert size_of(0.45) == pytest.approx(np.sqrt(100 * 200))
    assert size_of(0.6) == pytest.approx(np.sqrt(400 * 800))
    assert size_of(0.7) == pytest.approx(800)


def test_where_the_curve_is_level_the_middle_has_the_quality() -> None:
    assert size_of(0.5) == pytest.approx(np.sqrt(200 * 400))


def test_beyond_the_ends_the_last_line_goes_on_but_not_out_of_the_pool() -> None:
    assert size_of(0.8) == pytest.approx(800 * np.sqrt(2))
    assert size_of(0.8, n_pool=800) == pytest.approx(800)
    assert size_of(0.35) == pytest.approx(100 / np.sqrt(2))
    assert size_of(-9.0) == pytest.approx(1)
    level = np.array([[0.5, 0.5]])
    assert matching_size(SIZES[:2], level, np.array([0.6]), 900)[0] == pytest.approx(900)


def test_it_is_said_how_a_size_is_known() -> None:
    assert how_told(CURVE[0], 0.6, SIZES, 10_000) == "interpolated"
    assert how_told(CURVE[0], 0.8, SIZES, 10_000) == "extrapolated"
    assert how_told(CURVE[0], 0.8, SIZES, 800) == "lower bound"
    assert how_told(CURVE[0], 0.3, SIZES, 800) == "extrapolated"
    assert how_told(CURVE[0], 0.3, np.array([1, 2, 4, 8]), 800) == "upper bound"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_monotone_fit_is_the_one_of_pooled_adjacent_violators(points: list[tuple[int, int]]) -> None:
    blocks: list[tuple[float, float, int]] = []  # mean, weight, points
    for value, weight in points:
        blocks.append((float(value), float(weight), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, v, k), (b, w, m) = blocks[-2:]
            blocks[-2:] = [((a * v + b * w) / (v + w), v + w, k + m)]
    wanted = [mean for mean, _, n in blocks for _ in range(n)]
    values, weights = np.array(points, float).T
    assert monotone(values[None], weights)[0] == pytest.approx(wanted)
