"""What `selection.keep_away` names stays out of the set: found, recorded, told, and checked at publication."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from inline_run import curate_inline
from PIL import Image
from rich.console import Console
from small_pool import SmallPool, curate_small, ids, make_small_pool, png, stripes

from windrow.flows.commands.answers import print_story
from windrow.flows.summary import print_run
from windrow.schemas import LEAKS, OUTCOMES, SELECTION
from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.schemas.stages import Stage
from windrow.tasks.config import load_config
from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.storage.verify.verification import verify


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallPool, Run, bytes]:
    """A pool that shares the bytes of one sample with a test set, which also has another one compressed anew."""
    folder = tmp_path_factory.mktemp("kept")
    test = folder / "test"
    test.mkdir()
    pool = make_small_pool(folder, selection={"keep_away": [str(test)], "target_share": 1.0})
    (test / "same.png").write_bytes(pool.others[0])
    compressed = io.BytesIO()
    Image.open(io.BytesIO(pool.others[1])).save(compressed, "JPEG", quality=60)
    (test / "again.jpg").write_bytes(compressed.getvalue())
    (test / "unlike.png").write_bytes(png(stripes(77)))
    (test / "broken.png").write_bytes(b"no picture")
    run, _ = curate_small(pool.config)
    return pool, run, compressed.getvalue()


def printed(run: Run, sample: bytes) -> str:
    shown = Console(file=io.StringIO(), width=200)
    print_story(shown, open_catalog(run.store, run.run_id), sample_id_of(sample))
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_a_leak_is_dropped_with_what_shows_it_and_is_not_exported(kept: tuple[SmallPool, Run, bytes]) -> None:
    pool, run, compressed = kept
    leaks = {row["sample_id"]: row for row in run.outputs(Stage.RANK)[1].read(LEAKS).to_pylist()}
    assert sorted(leaks) == ids(*pool.others[:2])
    same, near = (leaks[sample_id_of(data)] for data in pool.others[:2])
    assert (same["evidence"], same["distance"]) == ("bytes", 0) and same["similarity"] == pytest.approx(1)
    assert near["evidence"] != "bytes" and near["leak_of"] == sample_id_of(compressed) and near["key"] == "again.jpg"
    dropped = run.outputs(Stage.RANK)[0].read(SELECTION).to_pylist()
    assert sorted(row["sample_id"] for row in dropped if row["dropped_by"] == "leak") == sorted(leaks)
    outcomes = [row for row in run.outputs(Stage.ACCOUNT)[0].read(OUTCOMES).to_pylist() if row["reason"] == "leak"]
    assert [row["outcome"] for row in outcomes] == ["filtered"] * 2
    version = run.stage(Stage.EXPORT)
    assert version is not None and version.version is not None
    exported = read_table(EXPORTED_SAMPLES, [run.store / version.version / "samples.parquet"])
    assert len(exported) and not set(exported["sample_id"].to_pylist()) & set(leaks)
    assert verify(run.store).damage == ()


def test_summary_and_story_tell_of_it(kept: tuple[SmallPool, Run, bytes]) -> None:
    pool, run, _ = kept
    shown = Console(file=io.StringIO(), width=200)
    print_run(shown, run)
    assert isinstance(shown.file, io.StringIO)
    told = shown.file.getvalue()
    assert "Leaks (table leaks): 2 samples kept out, 1 of them the same bytes" in told
    assert "kept away: it has the same bytes as" in printed(run, pool.others[0])
    assert "kept away: it is a near-duplicate, by its" in printed(run, pool.others[1])
    assert "kept away" not in printed(run, pool.others[2])


def test_a_second_run_finds_it_done_and_another_test_set_is_another_answer(
    kept: tuple[SmallPool, Run, bytes],
) -> None:
    pool, run, _ = kept
    again = curate_inline(pool.config)
    before, after = run.stage(Stage.RANK), again.stage(Stage.RANK)
    assert before is not None and after is not None and after.outputs == before.outputs
    assert after.n_found == len(after.outputs)
    (pool.folder / "test" / "more.png").write_bytes(pool.others[2])
    more = curate_inline(pool.config)
    assert len(more.outputs(Stage.RANK)[1].read(LEAKS)) == 3


def test_what_is_not_there_is_told_before_anything_is_read(kept: tuple[SmallPool, Run, bytes]) -> None:
    pool, _, _ = kept
    nowhere = str(pool.folder / "nowhere")
    wrong = replace(pool.over(pool.folder / "no-store").config, selection=SelectionConfig(keep_away=(nowhere,)))
    with pytest.raises(ValueError, match=r"selection\.keep_away: .*nowhere"):
        curate_inline(wrong)
    with pytest.raises(ValueError, match="keep_away: wants each once"):
        SelectionConfig(keep_away=("a", "a"))


def test_its_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "windrow.yaml").write_text("sources: [pool]\nselection: {keep_away: test/}\n")
    assert load_config(tmp_path / "windrow.yaml").selection.keep_away == (str(tmp_path / "test"),)


def test_a_leak_that_selection_let_through_is_not_published(
    kept: tuple[SmallPool, Run, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _, _ = kept
    ranked_anew = replace(pool.config, selection=replace(pool.config.selection, target_share=0.9, policy="random"))
    versions = list_versions(pool.store)
    monkeypatch.setattr("windrow.tasks.selection.pool_ranking._without_leaks", lambda broken, *_: broken)
    with pytest.raises(RuntimeError, match="samples that the set is kept away from would be in it"):
        curate_inline(ranked_anew)
    assert list_versions(pool.store) == versions
