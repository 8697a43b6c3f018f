import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from windrow.tasks.report.drawings.embedding_map import (
    LABEL_HEIGHT,
    LETTER_WIDTH,
    EmbeddingMap,
    apart,
    embedding_map,
    project,
)
from windrow.tasks.report.drawings.figures import bar, size_curve
from windrow.tasks.report.drawings.svg import element


def test_elements_escape_text_and_attributes_but_not_other_elements() -> None:
    inner = element("title", "<b>")
    assert element("g", inner, "&", class_="a\"'>", stroke_width=2.0) == Markup(
        '<g class="a&#34;&#39;&gt;" stroke-width="2"><title>&lt;b&gt;</title>&amp;</g>'
    )


@pytest.mark.parametrize(("share", "width"), [(0, "0.0%"), (0.0001, "0.4%"), (0.5, "50.0%"), (2, "100.0%")])
def test_a_bar_shows_the_least_share_and_never_overflows(share: float, width: str) -> None:
    assert f'width="{width}"' in bar(share, "fill-pool")


def test_projection_is_that_of_the_covariances_eigenvectors() -> None:
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(200, 6)) * [5, 3, 1, 1, 1, 1] + 7).astype(np.float32)
    plane, explained = project(vectors, 150)
    values, axes = np.linalg.eigh(np.cov(vectors[:150].T.astype(np.float64), bias=True))
    expected = (vectors - vectors[:150].mean(axis=0)) @ axes[:, [-1, -2]]
    assert np.allclose(np.abs(plane), np.abs(expected), atol=1e-3)
    assert explained == pytest.approx((values[-1] / values.sum(), values[-2] / values.sum()), rel=1e-4)


def test_projection_does_not_depend_on_the_sign_that_the_svd_happens_to_return() -> None:
    vectors = np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    plane, _ = project(vectors, 40)
    turned, _ = project(vectors[::-1].copy(), 40)
    assert np.allclose(plane, turned[::-1], atol=1e-5)


def test_equal_and_one_dimensional_vectors_make_a_map_too() -> None:
    assert project(np.ones((5, 4), np.float32), 5)[1] == (0, 0)
    plane, explained = project(np.arange(5, dtype=np.float32)[:, None], 5)
    assert plane[:, 1].tolist() == [0] * 5 and explained == (1, 0)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=30), st.tuples(st.floats(0, 900), st.floats(0, 500)), max_size=10))
def test_labels_of_the_map_do_not_cover_each_other(places: dict[str, tuple[float, float]]) -> None:
    moved = list(apart(places).items())
    assert {name for name, _ in moved} == set(places)
    for n, (name, (x, y)) in enumerate(moved):
        for other, (other_x, other_y) in moved[:n]:
            wide = (min(len(name), 18) + min(len(other), 18) + 4) / 2 * LETTER_WIDTH
            assert abs(x - other_x) >= wide or abs(y - other_y) >= LABEL_HEIGHT - 1e-6


def test_the_map_gives_the_largest_classes_colours_and_draws_every_dot() -> None:
    random = np.random.default_rng(0)
    labels = tuple(f"<{n % 12}>" for n in range(60))
    found = EmbeddingMap(random.normal(size=(100, 2)), random.normal(size=(60, 2)), labels, (0.5, 0.25), 1000, 60)
    order = [f"<{n}>" for n in range(11)]
    colours = found.colours(order)
    assert list(colours.values()) == [f"c{n}" for n in range(10)] + ["other"] * 2
    drawn = embedding_map(found, order)
    assert drawn.count("h0") == 160
    assert "<3>" not in drawn and "&lt;3&gt;" in drawn
    assert "50.0% of the variance" in drawn and "25.0% of the variance" in drawn


def test_the_size_curve_draws_only_sets_that_have_samples() -> None:
    pool = np.array([0, 100, 10, 1])
    assert size_curve(pool, np.array([1, 1, 1, 1])).count("polyline points") == 2
    assert size_curve(pool, np.zeros(4, int)).count("polyline points") == 1


def test_on_the_size_curve_two_equal_clusters_are_a_line_along_the_top() -> None:
    assert 'points="56,14 744,14"' in size_curve(np.array([100, 100]), np.zeros(2, int))
