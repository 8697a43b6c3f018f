"""Seeds of parts and a reference set: read beside the pool, ranked by, weighed by, told of."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inline_run import curate_inline
from rich.console import Console
from small_pool import SmallPool, curate_small, ids, make_small_pool, png, stripes

from windrow.flows.summary import print_run
from windrow.tasks.algorithms.selection.retrieval import retrieve
from windrow.tasks.algorithms.selection.selection_policy import Candidates
from windrow.tasks.config import load_config
from windrow.tasks.selection.curated_order import curated_order
from windrow.tasks.selection.selection_config import SelectionConfig, SelectionPart
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.storage.verify.verification import verify

PARTS = [
    {"name": "like-mine", "share": 0.25, "retrieve": ["seeds"]},
    {"name": "trusted", "share": 0.25, "keep": "license = 'cc0-1.0'"},
    {"name": "towards", "keep": "density_ratio > 0", "policy": "target"},
]


def folder_of(folder: Path, *pictures: bytes) -> str:
    folder.mkdir()
    for number, data in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(data)
    return str(folder)


@pytest.fixture(scope="module")
def run_beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallPool, Run]:
    """A reference of three pictures of the pool and three others; two seeds; licences of two samples."""
    folder = tmp_path_factory.mktemp("beside")
    parts = [{**PARTS[0], "retrieve": [str(folder / "seeds")]}, *PARTS[1:]]
    selection = {"reference": [str(folder / "reference")], "parts": parts, "target_share": 1.0, "last": None}
    pool = make_small_pool(folder, selection={**selection, "near_duplicate_threshold": 0.95})
    for name in ("me", "0"):  # the first lies in a tar, too, without a licence: the folder comes first
        (folder / "pool" / "loose" / f"{name}.json").write_text('{"license": "cc0-1.0"}')
    folder_of(folder / "seeds", *pool.others[2:4])
    folder_of(folder / "reference", *pool.others[:3], *[png(stripes(seed)) for seed in (71, 72, 73)])
    return pool, curate_small(pool.config)[0]


def test_every_sample_is_of_the_part_that_brought_it(run_beside: tuple[SmallPool, Run]) -> None:
    pool, run = run_beside
    catalog = open_catalog(run.store, run.run_id)
    ranked = catalog.sql("SELECT part, sample_id FROM pool WHERE rank IS NOT NULL ORDER BY rank").fetchall()
    members = {name: [sample for part, sample in ranked if part == name] for name in ("like-mine", "trusted")}
    embedded = catalog.sql(
        "SELECT sample_id, embedding FROM embeddings JOIN selection USING (sample_id) WHERE rank > 0 ORDER BY 1"
    ).fetchall()
    rows, vectors = [row[0] for row in embedded], np.array([row[1] for row in embedded])
    seeds = ids(*pool.others[2:4])
    brought = retrieve(vectors, vectors[[rows.index(seed) for seed in seeds]], -(-len(rows) // 2))
    assert len(ranked) == 12 and members["like-mine"][0] in seeds
    assert set(members["like-mine"]) <= {rows[row] for row in brought}
    assert set(members["trusted"]) <= set(ids(pool.others[0], pool.wanted))
    licensed = catalog.sql("SELECT sample_id FROM pool WHERE license IS NOT NULL ORDER BY 1").fetchall()
    assert [row[0] for row in licensed] == ids(pool.others[0], pool.wanted)


def test_the_pool_is_weighed_by_the_reference_and_told_of(run_beside: tuple[SmallPool, Run]) -> None:
    pool, run = run_beside
    catalog = open_catalog(run.store, run.run_id)
    weighed = catalog.sql("SELECT sample_id, is_alike FROM pool WHERE density_ratio > 0").fetchall()
    assert len(weighed) == 13 and set(ids(*pool.others[:3])) <= {sample for sample, alike in weighed if alike}
    ((n, covered, low, high, n_pool, alike),) = catalog.sql("FROM reference_overlap").fetchall()
    assert (n, n_pool) == (6, 13) and 0.5 <= covered == low == high
    assert alike == sum(each[1] for each in weighed) / 13
    shown = Console(file=io.StringIO(), width=200)
    print_run(shown, run)
    assert isinstance(shown.file, io.StringIO)
    for told in (shown.file.getvalue(), (run.path / "report.html").read_text()):
        assert "Of the reference set (6 samples) " in told
    assert verify(run.store).damage == ()


def test_what_is_not_there_is_told_before_anything_is_read(run_beside: tuple[SmallPool, Run]) -> None:
    pool, _ = run_beside
    parts = (SelectionPart("mine", retrieve=("nowhere",)), SelectionPart("all"))
    wrong = replace(pool.over(pool.folder / "no-store").config, selection=SelectionConfig(parts=parts))
    with pytest.raises(ValueError, match=r"selection\.parts\.mine\.retrieve: .*nowhere"):
        curate_inline(wrong)


def test_the_nearest_of_each_seed_are_a_part_and_the_others_are_in_none() -> None:
    """By hand, on the circle: the seed at 0 degrees brings 5 and 20, as two are twice a quarter of four."""
    degrees = np.radians([90, 5, 20, 50])
    candidates = Candidates(
        np.array(["d", "c", "b", "a"]),
        np.zeros((4, 1), np.int32),
        np.zeros(4, np.float32),
        np.stack([np.cos(degrees), np.sin(degrees)], axis=1),
        columns={"none": np.zeros(4)},
    )
    parts = (SelectionPart("mine", 0.25, retrieve=("seeds",)), SelectionPart("empty", 0.75, keep="none"))
    seeds = {"selection.parts.mine.retrieve": np.array([[1.0, 0.0]])}
    config = SelectionConfig(parts=parts, policy="random", last=None)
    assert curated_order(candidates, config, 0, seeds).place.tolist() == [0, 1, 2, 0]
    turned = curated_order(candidates.at(np.array([3, 2, 1, 0])), config, 0, seeds)
    assert turned.part.tolist() == [-1, 0, 0, -1]


def test_a_target_is_asked_for_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^policy: target wants selection\.reference$"):
        SelectionConfig(policy="target")
    with pytest.raises(ValueError, match=r"parts\.a\.policy: target-fid wants selection\.reference, or retrieve"):
        SelectionConfig(parts=(SelectionPart("a", policy="target-fid"),))
    with pytest.raises(ValueError, match=r"policy: wants one that has targets, or none, .* got 'random'"):
        SelectionPart("a", policy="random", retrieve=("seeds",))
    (tmp_path / "windrow.yaml").write_text(
        "sources: [pool]\nselection: {reference: like/, policy: target, parts: [{name: a, retrieve: seeds/}]}\n"
    )
    found = load_config(tmp_path / "windrow.yaml").selection
    assert found.beside() == {
        "selection.reference": (str(tmp_path / "like"),),
        "selection.parts.a.retrieve": (str(tmp_path / "seeds"),),
    }
