"""A graph that is searched in blocks has the bytes of one that is made in one call, whoever searches which block."""

import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_run import curate_inline
from small_features import ids, write_features
from small_pool import SmallPool, make_small_pool
from taken_down import files_with, forget_again, traces_of

from windrow.tasks import curation_under_way
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.clusters import graph_blocks
from windrow.tasks.clusters import neighbor_graph as stage
from windrow.tasks.clusters.graph_blocks import GraphSearch, learn_cells_once, search_blocks
from windrow.tasks.clusters.known_graph import GraphBefore
from windrow.tasks.clusters.neighbor_graph import begin_neighbors, end_neighbors, find_neighbors
from windrow.tasks.clusters.neighbors_config import Method, NeighborsConfig
from windrow.tasks.executors import ExecutorConfig, InlineExecutor, LocalExecutor, RayExecutor, close_executors
from windrow.tasks.pipeline import curate
from windrow.tasks.progress import StageProgress
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.outputs import Done, NotDoneError, Output, all_outputs, only_finding, open_output
from windrow.tasks.tally import counted, tally

N = 4500
RAY = pytest.param(
    RayExecutor,
    marks=[
        pytest.mark.ray,
        pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install windrow[ray]"),
    ],
)


@pytest.fixture(autouse=True)
def every_pool_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "MOST_HERE", 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[Method, Output]]:
    """A store with the features of a pool of two shards that share samples, and its graphs made in one call."""
    store = tmp_path_factory.mktemp("whole")
    names = np.array(ids(N))
    vectors = np.random.default_rng(0).standard_normal((N, 24)).astype(np.float16)
    vectors[100:140] = vectors[7]  # more of one than there are neighbours
    features = [
        write_features(store, names[rows].tolist(), vectors[rows], missing=[] if number else [1])
        for number, rows in enumerate((np.arange(0, N, 2), np.union1d(np.arange(1, N, 2), np.arange(0, N, 3))[::-1]))
    ]
    methods: tuple[Method, ...] = ("exact", "approximate")
    made = {how: open_output(store / find_neighbors(store, features, config(how)).path) for how in methods}
    return store, features, made


def config(method: Method = "exact") -> NeighborsConfig:
    return NeighborsConfig(k=5, method=method)


def begun(store: Path, features: list[str], method: Method) -> GraphSearch:
    """A search that begins again, in a store where the graph is not."""
    what = begin_neighbors(store, features, config(method))
    assert isinstance(what, GraphSearch)
    return what


def linked(store: Path, to: Path) -> Path:
    """A store with the same features."""
    (to / "outputs").mkdir(parents=True)
    (to / "outputs" / "features").symlink_to(store / "outputs" / "features")
    return to


def left(store: Path) -> list[str]:
    """What lies beside graphs."""
    return [path.name for path in (store / "outputs" / "neighbors").glob("*/.*")]


@pytest.mark.parametrize("method", ["exact", "approximate"])
@settings(max_examples=6, deadline=None)
@given(n_at_once=st.integers(1, 6), data=st.data())
def test_any_blocks_in_any_order_give_the_bytes_of_one_call(
    tmp_path_factory: pytest.TempPathFactory,
    whole: tuple[Path, list[str], dict[Method, Output]],
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
    whole: tuple[Path, list[str], dict[Method, Output]],
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


def test_a_block_that_is_not_searched_is_not_found_and_one_that_is_damaged_is_searched_again(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]]
) -> None:
    there, features, made = whole
    store = linked(there, tmp_path / "store")
    what = replace(begun(store, features, "exact"), rows=2048)
    with only_finding(), pytest.raises(NotDoneError):
        search_blocks(store, what, [0])
    first, second, _ = search_blocks(store, what, [0, 1, 2])
    (store / first.path).write_bytes(b"PK\x03\x04 no more of it")
    (store / second.path).unlink()
    assert open_output(store / end_neighbors(store, what).path).files == made["exact"].files


def test_samples_are_counted_after_each_block(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]], monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_pool_of_which_nothing_could_be_embedded_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    features = [write_features(tmp_path, ids(3), np.ones((3, 4)), missing=[0, 1])]
    with pytest.raises(ValueError, match="the pool has 1 samples with an embedding"):
        begin_neighbors(tmp_path, features, config())
    assert left(tmp_path) == []


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_what_is_not_finite_is_told_at_once_by_its_row_of_the_pool(tmp_path: Path, method: Method) -> None:
    vectors = np.random.default_rng(1).standard_normal((3000, 4))
    vectors[2500] = np.inf
    features = [write_features(tmp_path, ids(3000), vectors)]
    with pytest.raises(ValueError, match="embeddings must be finite, row 2500 is not"):
        begin_neighbors(tmp_path, features, config(method))
    assert left(tmp_path) == []


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


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_where_another_run_was_first_its_graph_is_found(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]], method: Method
) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = begun(store, features, method)
    first = find_neighbors(store, features, config(method))
    assert left(store) == []
    assert [done.counts for done in search_blocks(store, what, [0])] == [{"n_samples": what.n}]
    assert end_neighbors(store, what) == replace(first, found=True)
    assert begin_neighbors(store, features, config(method)) == replace(first, found=True)


def test_a_folder_that_is_gone_while_there_is_no_graph_is_an_error(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]]
) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = begun(store, features, "approximate")
    (what.work(store) / "cells" / "index").unlink()
    with pytest.raises(FileNotFoundError, match="cells/index"):
        search_blocks(store, what, [0])
    with pytest.raises(FileNotFoundError, match="cells/index"):
        end_neighbors(store, what)


def test_a_pool_that_is_cut_off_is_not_searched(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]]
) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = begun(store, features, "exact")
    vectors = what.work(store) / "pool" / "vectors"
    vectors.chmod(0o644)
    os.truncate(vectors, vectors.stat().st_size - 100)
    with pytest.raises(OSError, match="pool/vectors is damaged"):
        search_blocks(store, what, [0])
    with pytest.raises(OSError, match="pool/vectors is damaged"):
        begin_neighbors(store, features, config())


def test_a_graph_that_another_run_publishes_while_cells_are_written_is_found(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    write, first = faiss.write_index, []

    def late(*args: object) -> None:
        first.append(find_neighbors(store, features, config("approximate")))
        write(*args)

    monkeypatch.setattr(faiss, "write_index", late)
    assert begin_neighbors(store, features, config("approximate")) == replace(first[0], found=True)
    assert left(store) == []


def test_cells_for_which_the_disk_has_no_room_are_an_error_of_input_and_output(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]]
) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = begun(store, features, "approximate")
    shutil.rmtree(what.work(store) / "cells")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"index: Error in .*faiss"):
            learn_cells_once(store, what)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (what.work(store) / "cells").exists()


def test_a_search_is_not_begun_when_another_run_has_published_meanwhile(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    place, first = stage.place_of, []

    def late(*args: Any) -> Path:
        first.append(find_neighbors(store, features, config()))
        return place(*args)

    monkeypatch.setattr(stage, "place_of", late)
    assert begin_neighbors(store, features, config()) == replace(first[0], found=True)
    assert left(store) == []


ALONE = """
import sys
from dataclasses import replace
from pathlib import Path
from windrow.tasks.clusters import neighbor_graph as stage
from windrow.tasks.clusters.graph_blocks import search_blocks
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
stage.MOST_HERE = 0
store, method, *features = sys.argv[1:]
what = stage.begin_neighbors(Path(store), features, NeighborsConfig(k=5, method=method))
what = replace(what, rows=1024)
for number in range(len(what.blocks)):
    search_blocks(Path(store), what, [number])
stage.end_neighbors(Path(store), what)
"""


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_a_search_that_was_killed_goes_on_with_the_blocks_that_are_done(
    tmp_path: Path, whole: tuple[Path, list[str], dict[Method, Output]], method: Method
) -> None:
    there, features, made = whole
    store = linked(there, tmp_path / "store")
    alone = subprocess.Popen([sys.executable, "-c", ALONE, str(store), method, *features])
    graphs = store / "outputs" / "neighbors"
    while alone.poll() is None and not any(graphs.glob("*/.work-*/block-0-*.npz")):
        os.sched_yield()
    alone.kill()
    assert alone.wait() == -signal.SIGKILL  # it was at work, not done
    assert list(all_outputs(store, "neighbors")) == []
    inodes = {path: path.stat().st_ino for path in graphs.glob("*/.work-*/*/*")}
    what = replace(begun(store, features, method), rows=1024)
    assert {path: path.stat().st_ino for path in graphs.glob("*/.work-*/*/*")} == inodes, "learnt once"
    found = [done.found for done in search_blocks(store, what, range(len(what.blocks)))]
    assert found[0] and found == sorted(found, reverse=True)
    assert open_output(store / end_neighbors(store, what).path).files == made[method].files
    assert left(store) == []


@pytest.fixture
def pool(tmp_path: Path) -> SmallPool:
    return make_small_pool(tmp_path)


def test_a_whole_run_on_workers_that_search_the_graph_in_blocks_makes_the_same_version(
    pool: SmallPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_what_a_killed_search_left_of_forgotten_samples_goes_with_them(pool: SmallPool) -> None:
    curate_inline(pool.config)
    traces = {"vector": traces_of(pool.store, pool.wanted)["vector 0"]}
    features = [str(output.path.relative_to(pool.store)) for output in all_outputs(pool.store, "features")]
    what = begun(pool.store, features, "approximate")
    assert any("/.work-" in path for path in files_with(pool.store, traces)["vector"])
    forget_again(pool)
    assert not what.work(pool.store).exists()
    assert files_with(pool.store, traces)["vector"] == set()
