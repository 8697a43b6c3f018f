import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.report.drawings.icicle import (
    LEAST_HEIGHT,
    LEVELS_DRAWN,
    SHADES,
    Block,
    blocks,
    full_shade,
    icicle,
    shade,
)
from windrow.tasks.report.facts import Level


@st.composite
def hierarchies(draw: st.DrawFn) -> tuple[Level, ...]:
    n_levels = draw(st.integers(1, 5))
    sizes = sorted(draw(st.lists(st.integers(1, 60), min_size=n_levels, max_size=n_levels)), reverse=True)
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    pool = (random.pareto(1, sizes[0]) * 10).astype(np.int64)
    pool[0] = 5
    curated = random.binomial(pool, 0.3)
    levels = []
    for number, n in enumerate(sizes):
        above = sizes[number + 1] if number + 1 < n_levels else 0
        parents = random.integers(0, above, n) if above else np.full(n, -1)
        levels.append(Level(number + 1, parents, pool, curated))
        if above:
            pool, curated = np.bincount(parents, pool, above), np.bincount(parents, curated, above)
            pool, curated = pool.astype(np.int64), curated.astype(np.int64)
    return tuple(levels)


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_every_column_is_filled_without_gap_or_overlap_and_holds_every_sample(levels: tuple[Level, ...]) -> None:
    drawn = blocks(levels, height=500.0)
    n_samples, n_selected = levels[0].pool.sum(), levels[0].curated.sum()
    for column in range(min(len(levels), LEVELS_DRAWN)):
        stack = sorted((block for block in drawn if block.column == column), key=lambda block: block.top)
        assert sum(block.n_pool for block in stack) == n_samples
        assert sum(block.n_curated for block in stack) == n_selected
        edges = np.array([(block.top, block.top + block.height) for block in stack])
        assert np.allclose(edges[1:, 0], edges[:-1, 1]) and np.allclose((edges[0, 0], edges[-1, 1]), (0, 500))


@settings(max_examples=40, deadline=None)
@given(hierarchies())
def test_a_cluster_lies_beside_its_parent(levels: tuple[Level, ...]) -> None:
    drawn = blocks(levels, height=500.0)
    coarsest_first = list(reversed(levels))
    for block in drawn:
        for child in (other for other in drawn if other.column == block.column + 1):
            parents = coarsest_first[child.column].parents[child.clusters]
            inside = block.top - 1e-6 <= child.top and child.top + child.height <= block.top + block.height + 1e-6
            assert inside == bool(np.isin(parents, block.clusters).all()) or child.height < 1e-6


def test_a_hundred_thousand_clusters_are_a_few_hundred_blocks() -> None:
    random = np.random.default_rng(0)
    parents = random.integers(0, 500, 100_000)
    pool = np.ones(100_000, np.int64)
    top = np.bincount(parents, minlength=500)
    levels = (Level(1, parents, pool, pool), Level(2, np.full(500, -1), top, top))
    assert len(blocks(levels, 500.0)) <= 2 * 500 / LEAST_HEIGHT


def test_shades_go_from_nothing_selected_to_the_usual_most() -> None:
    assert [shade(share, 0.5) for share in (0, 0.01, 0.1, 0.11, 0.5, 0.9)] == ["s0", "s1", "s1", "s2", "s5", "s5"]
    drawn = [Block(0, np.array([0]), 100, n, 0, 1) for n in (1, 2, 4)]
    assert full_shade(drawn) == 0.05
    assert full_shade([]) == 1.0
    assert shade(1, full_shade([Block(0, np.array([0]), 1, 1, 0, 1)])) == f"s{SHADES}"


def test_names_from_data_are_escaped_in_labels_and_titles() -> None:
    level = Level(1, np.array([-1]), np.array([9]), np.array([3]))
    drawn = icicle([level], [{0: "<script>&\"'"}])
    assert "<script>" not in drawn
    assert drawn.count("&lt;script&gt;&amp;&#34;&#39;") == 2
    assert "9 · 33%" in drawn
