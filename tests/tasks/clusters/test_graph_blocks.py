"""A graph that is searched in blocks has the bytes of one that is made in one call, whoever searches which block."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_searches import Whole, begun, config, left, linked
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_run import curate_inline
from small_features import ids, write_features
from small_pool import make_small_pool

from windrow.tasks import curation_under_way
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.clusters import graph_blocks
from windrow.tasks.clusters import neighbor_graph as stage
from windrow.tasks.clusters.graph_blocks import GraphSearch, search_blocks
from windrow.tasks.clusters.known_graph import GraphBefore
from windrow.tasks.clusters.neighbor_graph import begin_neighbors, end_neighbors, find_neighbors
from windrow.tasks.clusters.neighbors_config import Method
from windrow.tasks.executors import ExecutorConfig, InlineExecutor, LocalExecutor, RayExecutor, close_executors
from windrow.tasks.pipeline import curate
from windrow.tasks.progress import StageProgress
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.outputs import Done, only_finding, open_output
from windrow.tasks.tally import counted, tally

pytestmark = pytest.mark.usefixtures("every_pool_is_large")
RAY = pytest.param(
    RayExecutor,
    marks=[
        pytest.mark.ray,
        pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install windrow[ray]"),
    ],
)


@pytest.mark.parametrize("method", ["exact", "approximate"])
@settings(max_examples=6, deadline=None)
@given(n_at_once=st.integers(1, 6), data=st.data())
def test_any_blocks_in_any_order_give_the_bytes_of_one_call(
    tmp_path_factory: pytest.TempPathFactory,
    whole: Whole,
    method: Method,
    n_at_once: int,
    data: st.DataObject,
) -> None:
    there, features, made = whole
    store = linked(there, tmp_path_factory.mktemp("blocks"))
    what = replace(begun(store, features, method), rows=1024 * n_at_once)
    assert what.by_cells == (method == "approximate")
    numbers = data.draw(st.permutations(range(len(what.blocks))))
    cut = data.draw(st.integers(0, len(numbers)))
    n_samples = [
        done.counts["n_samples"]
        for some in (numbers[:cut], numbers[cut:])
        for done in search_blocks(store, what, some)
        if not done.found
    ]
    assert sum(n_samples) == what.n
    done = end_neighbors(store, what)
    assert open_output(store / done.path).files == made[method].files
    assert (done.path, dict(done.counts)) == (
        str(made[method].path.relative_to(there)),
        dict(made[method].counts),
    )
    assert left(store) == []


@pytest.mark.parametrize("method", ["exact", "approximate"])
@pytest.mark.parametrize("kind", [InlineExecutor, LocalExecutor, RAY])
def test_blocks_that_workers_search_give_the_same_bytes_and_are_found_by_all(
    tmp_path: Path,
    whole: Whole,
    method: Method,
    kind: type[InlineExecutor | LocalExecutor | RayExecutor],
) -> None:
    there, features, made = whole
    store = linked(there, tmp_path / "store")
    what = replace(begun(store, features, method), rows=1024)
    with closing(InlineExecutor() if kind is InlineExecutor else kind(2)) as workers, ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(workers.run, search_blocks, store, what, [n]) for n in range(len(what.blocks))]
        assert [done.found for each in asked for done in each.result()] == [False] * len(what.blocks)
    with only_finding():
        assert all(done.found for done in search_blocks(store, what, range(len(what.blocks))))
    assert open_output(store / end_neighbors(store, what).path).files == made[method].files


def test_samples_are_counted_after_each_block(tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = replace(begun(store, features, "exact"), rows=1024)
    search_blocks(store, what, [1])
    seen, search = [], graph_blocks.unchecked_search
    with tally(2) as counts:

        def watched(*args: Any, **settings: Any) -> NeighborGraph:
            seen.append(counts.n_done())
            return search(*args, **settings)

        monkeypatch.setattr(graph_blocks, "unchecked_search", watched)
        counted(counts.path, 1, search_blocks, store, what, range(5))
        assert (seen, counts.n_done()) == ([1024, 2048, 3072, 4096], what.n)


def test_as_few_samples_as_have_no_cells_are_searched_exactly_and_their_recall_is_told(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((1500, 8))
    features = [write_features(tmp_path, ids(1500), vectors)]
    what = begun(tmp_path, features, "approximate")
    assert not what.by_cells
    assert end_neighbors(tmp_path, what).counts == {"n_samples": 1500, "recall_per_mille": 1000}


def test_a_graph_that_little_is_new_to_is_extended_in_one_call(tmp_path: Path) -> None:
    vectors = np.random.default_rng(2).standard_normal((300, 8))
    names = ids(300)
    first, second = (write_features(tmp_path, names[:n], vectors[:n]) for n in (290, 300))
    known = GraphBefore(find_neighbors(tmp_path, [first], config()).path, (first,))
    done = begin_neighbors(tmp_path, [second], config(), known)
    assert isinstance(done, Done) and not done.found
    assert begin_neighbors(tmp_path, [second], config(), known) == replace(done, found=True)
    other = write_features(tmp_path, names, -vectors[::-1])
    assert isinstance(begin_neighbors(tmp_path, [other], config(), known), GraphSearch)


def test_a_whole_run_on_workers_that_search_the_graph_in_blocks_makes_the_same_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_small_pool(tmp_path)
    blocks, here = pool.over(tmp_path / "blocks"), pool.over(tmp_path / "here")
    shown, progress = [], curation_under_way.stage_progress

    def watched(stage: str, *args: Any) -> AbstractContextManager[StageProgress]:
        shown.append(stage)
        return progress(stage, *args)

    monkeypatch.setattr(curation_under_way, "stage_progress", watched)
    run = curate(replace(blocks.config, executor=ExecutorConfig("local", 2)), PlainRunner(delays=())).run
    close_executors()
    assert shown.count("neighbors") == 1, "one bar"
    monkeypatch.setattr(stage, "MOST_HERE", 2**40)
    in_blocks, in_one = run.stage("neighbors"), curate_inline(here.config).stage("neighbors")
    assert in_blocks is not None and in_one is not None
    assert in_blocks.outputs == in_one.outputs and in_blocks.n_samples == in_one.n_samples
    digests = [open_output(each.store / in_one.outputs[0]).digest for each in (blocks, here)]
    versions = [latest_version(each.store, "small") for each in (blocks, here)]
    assert digests[0] == digests[1] and left(blocks.store) == []
    assert versions[0] and versions[1] and versions[0].path.name == versions[1].path.name
