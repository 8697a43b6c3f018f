"""A search in blocks of which something goes wrong: input, files, the disk, another run, a kill."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import faiss
import numpy as np
import pytest
from graph_searches import Whole, begun, config, left, linked
from inline_run import curate_inline
from small_features import ids, write_features
from small_pool import make_small_pool
from taken_down import files_with, forget_again, traces_of

from windrow.tasks.clusters import neighbor_graph as stage
from windrow.tasks.clusters.graph_blocks import learn_cells_once, search_blocks
from windrow.tasks.clusters.neighbor_graph import begin_neighbors, end_neighbors, find_neighbors
from windrow.tasks.clusters.neighbors_config import Method
from windrow.tasks.storage.store.outputs import NotDoneError, all_outputs, only_finding, open_output

pytestmark = pytest.mark.usefixtures("every_pool_is_large")


def test_a_block_that_is_not_searched_is_not_found_and_one_that_is_damaged_is_searched_again(
    tmp_path: Path, whole: Whole
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


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_where_another_run_was_first_its_graph_is_found(tmp_path: Path, whole: Whole, method: Method) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = begun(store, features, method)
    first = find_neighbors(store, features, config(method))
    assert left(store) == []
    assert [done.counts for done in search_blocks(store, what, [0])] == [{"n_samples": what.n}]
    assert end_neighbors(store, what) == replace(first, found=True)
    assert begin_neighbors(store, features, config(method)) == replace(first, found=True)


def test_a_folder_that_is_gone_while_there_is_no_graph_is_an_error(tmp_path: Path, whole: Whole) -> None:
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    what = begun(store, features, "approximate")
    (what.work(store) / "cells" / "index").unlink()
    with pytest.raises(FileNotFoundError, match="cells/index"):
        search_blocks(store, what, [0])
    with pytest.raises(FileNotFoundError, match="cells/index"):
        end_neighbors(store, what)


def test_a_pool_that_is_cut_off_is_not_searched(tmp_path: Path, whole: Whole) -> None:
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


@pytest.mark.parametrize(
    ("module", "name", "method"), [(stage, "place_of", "exact"), (faiss, "write_index", "approximate")]
)
def test_a_graph_that_another_run_publishes_meanwhile_is_found(
    tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, method: Method
) -> None:
    """Before the search has begun, and while its cells are written."""
    there, features, _ = whole
    store = linked(there, tmp_path / "store")
    do, first = getattr(module, name), []

    def late(*args: Any) -> Any:
        first.append(find_neighbors(store, features, config(method)))
        return do(*args)

    monkeypatch.setattr(module, name, late)
    assert begin_neighbors(store, features, config(method)) == replace(first[0], found=True)
    assert left(store) == []


def test_cells_for_which_the_disk_has_no_room_are_an_error_of_input_and_output(tmp_path: Path, whole: Whole) -> None:
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
    tmp_path: Path, whole: Whole, method: Method
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


def test_what_a_killed_search_left_of_forgotten_samples_goes_with_them(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path)
    curate_inline(pool.config)
    traces = {"vector": traces_of(pool.store, pool.wanted)["vector 0"]}
    features = [str(output.path.relative_to(pool.store)) for output in all_outputs(pool.store, "features")]
    what = begun(pool.store, features, "approximate")
    assert any("/.work-" in path for path in files_with(pool.store, traces)["vector"])
    forget_again(pool)
    assert not what.work(pool.store).exists()
    assert files_with(pool.store, traces)["vector"] == set()
