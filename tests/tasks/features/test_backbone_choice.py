"""What a pool decides of its backbone: by what it holds, once, whatever its shards."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone, is_drawn
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig

AUTO = BackboneConfig()


def photograph(side: int, seed: int) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side + 8, side), Image.Resampling.BICUBIC)


def drawing(seed: int) -> Image.Image:
    ink = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    ink[:, 3:] = 255
    return Image.fromarray(ink)


def ingested(store: Path, *pictures: Image.Image, n_folders: int = 1) -> list[str]:
    """Put pictures into folders beside the store, and ingest them."""
    folders = [store.parent / f"{store.name}-{number}" for number in range(n_folders)]
    for at, picture in enumerate(pictures):
        folder = folders[at % n_folders]
        folder.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        picture.save(out, "PNG")
        (folder / f"{at}.png").write_bytes(out.getvalue())
    return [done.path for done in ingest_shards(store, plan_shards([str(each) for each in folders]), IngestConfig())]


def choice(store: Path, shards: list[str], config: BackboneConfig = AUTO) -> tuple[str, int | None, str | None]:
    chosen, reason = chosen_backbone(store, choose_backbone(store, shards, config), config)
    return chosen.name, chosen.image_size, reason


def test_photographs_are_seen_by_lite0_at_their_size_and_drawings_by_patches(tmp_path: Path) -> None:
    large = [photograph(300, seed) for seed in range(3)]
    small = [photograph(40, seed) for seed in range(3)]
    drawn = [drawing(seed) for seed in range(4)]
    store = tmp_path / "large"
    shards = ingested(store, *large, *small[:2])
    told = "0 of 5 pictures looked at are drawings or scans in grey; the median short side is 300 pixels"
    assert choice(store, shards) == ("lite0", 224, f"lite0 at 224 pixels ({told})")
    assert choice(store, shards, BackboneConfig(image_size=128))[:2] == ("lite0", 128)
    assert choice(tmp_path / "small", ingested(tmp_path / "small", *small, *large[:2], *drawn))[:2] == ("lite0", 96)
    store = tmp_path / "drawn"
    shards = ingested(store, *small, *drawn)
    assert choice(store, shards)[:2] == ("patches", None)
    assert choice(store, shards, BackboneConfig("lite0"))[:2] == ("lite0", 96)


def test_what_the_config_says_is_heeded_and_nothing_is_looked_at(tmp_path: Path) -> None:
    for config in (BackboneConfig("patches"), BackboneConfig("lite0", image_size=64), BackboneConfig("hf:some/model")):
        assert choose_backbone(tmp_path, ["no/such/shard"], config) is None
        assert chosen_backbone(tmp_path, None, config) == (config, None)


def test_a_store_keeps_to_its_first_choice_and_another_sharding_makes_the_same(tmp_path: Path) -> None:
    pictures = [*(photograph(70, seed) for seed in range(3)), *(photograph(60, seed) for seed in range(2))]
    first = choice(tmp_path / "one", ingested(tmp_path / "one", *pictures))
    assert first[:2] == ("lite0", 224)
    # One of them in two shards counts once, or the median would be 60.
    again = [*reversed(pictures), *pictures[3:], pictures[3]]
    assert choice(tmp_path / "two", ingested(tmp_path / "two", *again, n_folders=3)) == first
    later = ingested(tmp_path / "one", *(drawing(seed) for seed in range(20)))
    assert choice(tmp_path / "one", later) == first


def test_a_pool_of_nothing_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "store-0").mkdir()
    (tmp_path / "store-0" / "bad.png").write_bytes(b"no picture")
    shards = [
        done.path
        for done in ingest_shards(tmp_path / "store", plan_shards([str(tmp_path / "store-0")]), IngestConfig())
    ]
    for config in (AUTO, BackboneConfig("lite0")):
        with pytest.raises(ValueError, match=r"no sample can be read|no readable sample"):
            choose_backbone(tmp_path / "store", shards, config)


def test_colour_or_tones_everywhere_make_no_drawing() -> None:
    grey = photograph(40, 0).convert("L")
    inverted = Image.eval(drawing(1), lambda value: 255 - value)
    tinted = Image.merge("RGB", [drawing(1), drawing(1), Image.new("L", (8, 8), 90)])
    found = [is_drawn(each.convert("RGB")) for each in (drawing(1), inverted, grey, tinted, photograph(40, 0))]
    assert found == [True, True, False, False, False]
