"""One pass over new shards makes the bytes that ingest, embedding and scoring make one after the other."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damaged_pictures import saved, scene
from layouts import put_tar
from own_models import write_module

from windrow.schemas.stages import Stage
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.backbones.patches import Patches
from windrow.tasks.features import models_at_work, one_pass
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.features.model_scores import identify_scorer, score_shards
from windrow.tasks.features.models_at_work import KnownBackbone, KnownModel, KnownScorer
from windrow.tasks.features.one_pass import ingest_with_models
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.scorers import ScorerConfig
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.storage.store.registry import register_shards

OWN = BackboneConfig("python:own_toys:Thumbnails", batch_size=3)
PATCHES = BackboneConfig("patches", image_size=32, batch_size=4)
SCORER = ScorerConfig("own", "python:own_toys:Brightness", ("light",), batch_size=5)


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a backbone that was fitted before."""
    file = tmp_path_factory.mktemp("weights") / "patches.npz"
    Patches.fit(PATCHES, (scene(seed, 40, 30) for seed in range(8)), file, 8, 0)
    return file


def pictures(first: int = 0) -> dict[str, bytes]:
    """Twenty names: pictures of several formats and sizes, duplicates, and what cannot be read."""
    kinds = ("JPEG", "PNG", "WebP", "JPEG, progressive")
    made = {
        f"{n:02d}.{kinds[n % 4][:4].lower().strip()}": saved(scene(first + n, 40 + 37 * n, 30 + 29 * n), kinds[n % 4])
        for n in range(16)
    }
    whole = made["04.jpeg"]
    made |= {"20.jpeg": whole, "21.jpeg": whole[: len(whole) // 2], "22.png": b"no picture", "23.png": b""}
    return made


def as_tars(folder: Path, first: int = 0) -> str:
    folder.mkdir()
    put_tar(folder / "a.tar", pictures(first))
    put_tar(folder / "b.tar", dict(list(pictures(first + 100).items())[:3] + list(pictures(first).items())[:2]))
    put_tar(folder / "none.tar", {"1.png": b"no picture"})
    return str(folder)


def as_folder(folder: Path, first: int = 0) -> str:
    folder.mkdir()
    for name, data in pictures(first).items():
        (folder / name).write_bytes(data)
    return str(folder)


def as_parquet(folder: Path, first: int = 0) -> str:
    folder.mkdir()
    rows = list(pictures(first).values())
    pq.write_table(pa.table({"image": [*rows, rows[3]], "n": range(len(rows) + 1)}), folder / "rows.parquet")
    return str(folder)


def as_objects(folder: Path, first: int = 0) -> str:
    as_tars(folder, first)
    memory = fsspec.filesystem("memory")
    for file in folder.iterdir():
        memory.pipe(f"/{folder.name}/{file.name}", file.read_bytes())
    return f"memory://{folder.name}"


def models(store: Path, patches: Path) -> tuple[KnownModel, ...]:
    return (
        KnownScorer(SCORER, identify_scorer(store, SCORER)),
        KnownBackbone(OWN, None, identify_backbone(OWN, None, store)),
        KnownBackbone(PATCHES, patches, identify_backbone(PATCHES, patches, store)),
    )


def in_turn(store: Path, source: str, patches: Path, config: IngestConfig) -> list[str]:
    """Ingest, then embed by each backbone, then score; return the ingested shards."""
    paths = [done.path for done in ingest_shards(store, plan_shards([source], config), config)]
    for backbone, weights in ((OWN, None), (PATCHES, patches)):
        extract_shards(store, paths, backbone, weights, identify_backbone(backbone, weights, store))
    score_shards(store, paths, SCORER)
    return paths


def at_once(store: Path, source: str, patches: Path, config: IngestConfig) -> list[one_pass.Ingested]:
    return ingest_with_models(store, plan_shards([source], config), config, np.inf, models(store, patches))


def contents(store: Path) -> dict[str, Any]:
    """Every output by its place, with what it was made from, its counts and the digests of its files."""
    return {
        str(output.path.relative_to(store)): (dict(output.inputs), dict(output.counts), dict(output.files))
        for output in all_outputs(store)
    }


@pytest.fixture(autouse=True)
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    write_module(tmp_path, monkeypatch)
    yield
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("config", [IngestConfig(), IngestConfig(mode="copy", verify="header")], ids=["index", "copy"])
@pytest.mark.parametrize("write", [as_tars, as_folder, as_parquet, as_objects])
def test_one_pass_gives_the_bytes_of_three(
    tmp_path: Path, patches: Path, write: Callable[[Path], str], config: IngestConfig
) -> None:
    source = write(tmp_path / "pool")
    paths = in_turn(tmp_path / "three", source, patches, config)
    made = at_once(tmp_path / "one", source, patches, config)
    assert [each.path for each in made] == paths
    assert not any(done.found for each in made for done in each.beside)
    assert {len(each.beside) for each in made if each.counts["n_samples"]} == {3}
    in_turn(tmp_path / "one", source, patches, config)  # finds all but what there is of a shard without samples
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


def test_what_was_made_is_found_and_what_was_cut_short_is_gone_on_with(tmp_path: Path, patches: Path) -> None:
    source, store = as_tars(tmp_path / "pool"), tmp_path / "store"
    at_once(store, source, patches, IngestConfig())
    whole = contents(store)
    again = at_once(store, source, patches, IngestConfig())
    assert all(each.found and not each.beside for each in again)
    stages = Counter(place.split("/")[1] for place in whole)
    assert stages[Stage.FEATURES] == 4 and stages[Stage.MODEL_SCORES] == 2
    for place in whole:  # a process can be killed between any two of them
        shutil.rmtree(store / place)
        at_once(store, source, patches, IngestConfig())
        in_turn(store, source, patches, IngestConfig())
        assert {name: contents(store)[name] for name in whole} == whole


def test_a_pool_that_moved_is_not_embedded_again(
    tmp_path: Path, patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, store = as_tars(tmp_path / "pool"), tmp_path / "store"
    register_shards(store, [each.path for each in at_once(store, source, patches, IngestConfig())])
    before = contents(store)
    batches: list[object] = []
    embed = models_at_work.embed_batch
    monkeypatch.setattr(models_at_work, "embed_batch", lambda *args: batches.append(args) or embed(*args))
    (tmp_path / "pool").rename(tmp_path / "moved")
    moved = at_once(store, str(tmp_path / "moved"), patches, IngestConfig())
    assert [(each.found, each.beside) for each in moved] == [(False, ())] * 3
    assert not batches
    in_turn(store, str(tmp_path / "moved"), patches, IngestConfig())
    new = {place.split("/")[1] for place in contents(store).keys() - before.keys()}
    assert new <= {Stage.INGEST, Stage.FEATURES, Stage.MODEL_SCORES}
    put_tar(tmp_path / "moved" / "new.tar", pictures(200))
    assert len(at_once(store, str(tmp_path / "moved"), patches, IngestConfig())[2].beside) == 3


@pytest.mark.parametrize(("held_bytes", "n_beside"), [(2**26, 3), (2**12, 0)])
def test_a_folder_with_one_new_file_is_embedded_on_the_way_unless_too_much_of_it_is_known(
    held_bytes: int, n_beside: int, tmp_path: Path, patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_pass, "HELD_BYTES", held_bytes)
    source, store = as_folder(tmp_path / "pool"), tmp_path / "store"
    register_shards(store, [each.path for each in at_once(store, source, patches, IngestConfig())])
    (tmp_path / "pool" / "99.png").write_bytes(saved(scene(99), "PNG"))
    [made] = at_once(store, source, patches, IngestConfig())
    assert (made.found, len(made.beside)) == (False, n_beside)
    in_turn(store, source, patches, IngestConfig())
    in_turn(tmp_path / "three", source, patches, IngestConfig())
    assert contents(tmp_path / "three").items() <= contents(store).items()


def test_a_model_that_fails_leaves_nothing_half_done(
    tmp_path: Path, patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, store = as_tars(tmp_path / "pool"), tmp_path / "store"

    def fail(*_: object) -> None:
        raise OSError(5, "the device is gone")

    with monkeypatch.context() as broken:
        broken.setattr(models_at_work, "embed_batch", fail)
        with pytest.raises(OSError, match="the device is gone"):
            at_once(store, source, patches, IngestConfig())
    assert contents(store) == {}
    at_once(store, source, patches, IngestConfig())
    in_turn(tmp_path / "three", source, patches, IngestConfig())
    made = contents(tmp_path / "three")
    assert {place: made[place] for place in contents(store)} == contents(store)
