"""Folders that are filled and emptied by others: what stays in the pool, what a run says, what stops a night."""

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import webdataset
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.ingest.lost_samples import Loss, PoolShrankError, check_losses
from windrow.tasks.pipeline import curate, curate_tonight
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.run_records import Run, latest_run
from windrow.tasks.storage.verify.verification import verify
from windrow.tasks.takedown.removal import forget

PICTURES = [png(stripes(seed)) for seed in range(12)]


class Telling(PlainRunner):
    """Carries a run in this thread, keeps what it says, and lets a test do something before a step."""

    def __init__(self, before: dict[str, Callable[[], None]] | None = None) -> None:
        super().__init__(n_threads=1, delays=())
        self.said: list[str] = []
        self.before = before or {}

    def say(self, text: str) -> None:
        self.said.append(text)

    def step(self, name: str, config: CurationConfig, body: Callable[[], None]) -> None:  # noqa: ARG002
        self.before.get(name, lambda: None)()
        body()


def configure(folder: Path, *sources: str, **ingest: Any) -> CurationConfig:
    values = {
        "sources": [str(folder / source) for source in sources or ("landing",)],
        "name": "landed",
        "store": str(folder / "store"),
        "ingest": ingest,
        "features": {"name": "patches", "image_size": 16},
        "clustering": {"n_clusters": [2], "n_rounds": 1},
        "executor": {"kind": "inline"},
    }
    return parse_config(values)


def fill(folder: Path, numbers: range) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / f"{number:02d}.png").write_bytes(PICTURES[number])
    return folder


def fill_tar(path: Path, numbers: range) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with webdataset.TarWriter(str(path), mtime=0) as writer:
        for number in numbers:
            writer.write({"__key__": f"{number:02d}", "png": PICTURES[number]})
    return path


def pool_of(run: Run) -> set[str]:
    return {name for output in run.outputs(Stage.INGEST) for name in output.read(SAMPLES)["sample_id"].to_pylist()}


def ingested(config: CurationConfig) -> set[str]:
    """Run the pipeline as far as the pool; return its samples."""
    return pool_of(curate(config, Telling(), until="ingest").run)


def ids(numbers: range) -> set[str]:
    return {sample_id_of(PICTURES[number]) for number in numbers}


def test_what_was_copied_stays_in_the_pool_while_its_source_is_gone(tmp_path: Path) -> None:
    landing = fill(tmp_path / "landing", range(8))
    fill_tar(landing / "more.tar", range(8, 10))
    config = configure(tmp_path, mode="copy")
    assert ingested(config) == ids(range(10))
    for path in ("01.png", "03.png", "more.tar"):
        (landing / path).unlink()
    fill(landing, range(10, 11))
    partly = curate(config, Telling(), until="ingest").run
    assert pool_of(partly) == ids(range(11))
    occurrences = [row for output in partly.outputs(Stage.INGEST) for row in output.read(OCCURRENCES).to_pylist()]
    assert len({row["occurrence_id"] for row in occurrences}) == len(occurrences) == 11
    for path in landing.iterdir():
        path.unlink()
    assert ingested(config) == ids(range(11))
    landing.rmdir()
    last = curate_inline(config)
    assert pool_of(last) == ids(range(11))
    assert {row[0] for row in open_catalog(last.store).sql("SELECT outcome FROM outcomes").fetchall()} <= {
        "exported", "not_selected", "near_duplicate"}  # fmt: skip
    assert verify(last.store).damage == ()
    fill(landing, range(4))
    again = curate_inline(config)
    assert pool_of(again) == ids(range(11))
    rows = open_catalog(again.store).sql("SELECT count(*), count(DISTINCT key) FROM occurrences").fetchall()
    assert rows == [(11, 11)]  # what came back is there once


def test_a_file_that_was_replaced_is_not_kept_beside_its_successor(tmp_path: Path) -> None:
    landing = fill(tmp_path / "landing", range(4))
    config = configure(tmp_path, mode="copy")
    ingested(config)
    (landing / "00.png").write_bytes(PICTURES[9])
    assert ingested(config) == ids(range(1, 4)) | {sample_id_of(PICTURES[9])}


def test_what_was_forgotten_stays_forgotten_though_its_copy_was_kept(tmp_path: Path) -> None:
    landing = fill(tmp_path / "landing", range(6))
    config = configure(tmp_path, mode="copy")
    ingested(config)
    for number in range(3):
        (landing / f"{number:02d}.png").unlink()
    store = curate_inline(config).store
    gone = sample_id_of(PICTURES[0])
    forget(store, [{"sample_id": gone, "because_of": gone, "similarity": None}], "asked")
    for _ in range(2):
        assert ingested(config) == ids(range(1, 6))
    copies = list(store.glob("outputs/ingest/*/*/copy.tar"))
    assert copies
    assert not any(PICTURES[0][60:] in copy.read_bytes() for copy in copies)
    assert any(PICTURES[1] in copy.read_bytes() for copy in copies)


def test_a_source_that_left_the_config_is_not_kept(tmp_path: Path) -> None:
    fill(tmp_path / "landing", range(4))
    fill(tmp_path / "other", range(4, 6))
    ingested(configure(tmp_path, "landing", "other", mode="copy"))
    assert ingested(configure(tmp_path, "landing", mode="copy")) == ids(range(4))


def test_a_run_says_what_the_pool_lost_and_goes_on(tmp_path: Path) -> None:
    landing = fill(tmp_path / "landing", range(8))
    fill(tmp_path / "other", range(8, 12))
    config = configure(tmp_path, "landing", "other")
    curate_inline(config)
    for path in landing.iterdir():
        path.unlink()
    fill(landing, range(8, 9))
    runner = Telling()
    run = curate(config, runner).run
    said = " ".join(runner.said)
    assert f"{landing} lost 8 of the 8 samples of the last run (100.0%)" in said
    assert "the pool lost 8 of the 12 samples of the last run (66.7%)" in said
    assert str(tmp_path / "other") + " lost" not in said
    assert (run.stage(Stage.INGEST).note or "").startswith(f"{landing} lost")  # type: ignore[union-attr]
    again = Telling()
    curate(config, again)
    assert not any("lost" in line for line in again.said)


@pytest.mark.parametrize(
    ("left", "least", "stops"),
    [
        (3, 0.5, True),
        (4, 0.5, False),
        (0, 0.5, True),
        (2, 0.2, False),
        (2, 0.0, False),
        (7, 1.0, True),
        (8, 1.0, False),
    ],
)
def test_a_loss_ends_a_night_when_less_is_left_than_must_be(left: int, least: float, stops: bool) -> None:
    with pytest.raises(PoolShrankError, match=rf"lost {8 - left} of the 8 .*") if stops else nullcontext():
        check_losses([Loss("the pool", 8, 8 - left)], least, None)


def test_a_night_that_lost_more_than_it_may_ends_and_the_last_version_stays(tmp_path: Path) -> None:
    landing, store = fill(tmp_path / "landing", range(8)), tmp_path / "store"
    config = configure(tmp_path, least_share_of_last=0.5)
    curate_tonight(config, Telling())
    finished = latest_run(store, "landed")
    for left in (3, 0):
        for number in range(left, 8):
            (landing / f"{number:02d}.png").unlink(missing_ok=True)
        for _ in range(2):  # and so does the next night
            with pytest.raises(PoolShrankError, match=r"lost .*least_share_of_last .*v0001 stays.*windrow run.* to 0"):
                curate_tonight(config, Telling())
        assert latest_run(store, "landed") == finished
        assert latest_version(store, "landed").version == "v0001"  # type: ignore[union-attr]
    fill(landing, range(3))
    curate(config, Telling())  # how to go on all the same
    fill(landing, range(4))
    curate_tonight(config, Telling())
    for number in range(2, 4):  # half of them is no less than the half
        (landing / f"{number:02d}.png").unlink()
    curate_tonight(config, Telling())


def test_a_source_that_was_emptied_is_known_and_one_that_never_held_any_is_a_mistake(tmp_path: Path) -> None:
    landing = fill(tmp_path / "landing", range(4))
    fill(tmp_path / "other", range(4, 8))
    (tmp_path / "never").mkdir()
    config = configure(tmp_path, "landing", "other")
    ingested(config)
    shutil.rmtree(landing)
    with pytest.raises(ValueError, match="landing' does not exist"):
        curate_inline(config)  # a disk that is not mounted
    landing.mkdir()
    assert ingested(config) == ids(range(4, 8))
    assert pool_of(curate_inline(config)) == ids(range(4, 8))
    with pytest.raises(ValueError, match="never' holds no samples"):
        curate_inline(configure(tmp_path, "landing", "other", "never"))


def replace_file(path: Path, data: bytes) -> None:
    """Put other bytes in the place of a file, with its size and its time of change."""
    before = path.stat()
    assert len(data) == before.st_size
    path.with_suffix(".new").write_bytes(data)
    path.with_suffix(".new").replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def overwrite(path: Path, data: bytes) -> None:
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [replace_file, overwrite])
@pytest.mark.parametrize("kind", ["file", "tar", "list"])
def test_a_replaced_file_of_the_same_size_and_time_is_noticed(
    tmp_path: Path, change: Callable[[Path, bytes], None], kind: str
) -> None:
    landing = fill(tmp_path / "landing", range(4))
    same_size = png_of_size(len(PICTURES[0]))
    place, source = landing / "00.png", str(landing)
    if kind == "tar":
        place = fill_tar(tmp_path / "a.tar", range(4))
        source = str(place)
    if kind == "list":
        (landing / "list.csv").write_text("path\n" + "".join(f"{n:02d}.png\n" for n in range(4)))
        source = f"list:{landing}/list.csv"
    config = replace(configure(tmp_path), sources=(source,))
    ingested(config)
    change(place, place.read_bytes().replace(PICTURES[0], same_size))
    assert ingested(config) == ids(range(1, 4)) | {sample_id_of(same_size)}


@pytest.mark.parametrize("mode", ["index", "copy"])
def test_a_pool_that_was_copied_to_another_place_and_back_gives_the_same(tmp_path: Path, mode: str) -> None:
    landing = fill(tmp_path / "landing", range(6))
    config = configure(tmp_path, mode=mode)
    first = curate_inline(config)
    shutil.copytree(landing, tmp_path / "moved")
    shutil.rmtree(landing)
    (tmp_path / "moved").rename(landing)
    second = curate_tonight(config, Telling())
    assert pool_of(second.run) == pool_of(first)
    assert not second.is_new


def png_of_size(n_bytes: int) -> bytes:
    """Another picture, padded after its end to a size."""
    data = png(stripes(77)[:8, :8])
    assert len(data) <= n_bytes
    return data + bytes(n_bytes - len(data))


@pytest.mark.parametrize("step", ["extract-features", "export"])
def test_a_file_that_changes_while_a_run_is_on_its_way_is_told_and_read_again_in_the_next(
    tmp_path: Path, step: str
) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    pool = f"/landing-{step}-{tmp_path.name}"
    memory.pipe({f"{pool}/{n:02d}.png": PICTURES[n] for n in range(6)})
    config = replace(configure(tmp_path), sources=(f"memory:/{pool}",))
    stamp = memory.store[f"{pool}/00.png"].created

    def change() -> None:
        memory.pipe(f"{pool}/00.png", png_of_size(len(PICTURES[0])))
        memory.store[f"{pool}/00.png"].created = stamp  # a store whose listing does not show it

    runner = Telling({step: change})
    first = curate(config, runner).run
    assert any("changed while the run was on its way" in line and "00.png" in line for line in runner.said)
    told = "SELECT outcome, reason FROM outcomes JOIN occurrences USING (occurrence_id) WHERE key = '00.png'"
    assert open_catalog(first.store).sql(told).fetchall() == [("unreadable", "changed since it was ingested")]
    for _ in range(2):
        quiet = Telling()
        run = curate(config, quiet).run
        assert pool_of(run) == ids(range(1, 6)) | {sample_id_of(png_of_size(len(PICTURES[0])))}
        assert not any("changed while" in line for line in quiet.said)
        assert open_catalog(run.store).sql(told).fetchall()[0][0] != "unreadable"
    assert verify(run.store).damage == ()
