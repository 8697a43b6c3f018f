"""Every version is read, whole, by the readers of its own cards, whatever came with the samples of the pool."""

import csv
import importlib.util
import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from mutated_pictures import why_not
from PIL import Image
from small_pool import stripes
from unread_members import DESCRIPTION, GOOD, UNREAD

from windrow.tasks.config import parse_config
from windrow.tasks.storage.published.versions import Version, latest_version

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
N = 12
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif"}


def image_of(sample: dict[str, Any]) -> Any:
    return next(sample[name] for name in ("png", "jpg", "tiff", "webp") if sample.get(name) is not None)


def pictures(formats: tuple[str, ...] = ("PNG",)) -> list[bytes]:
    return [picture(stripes(seed), formats[seed % len(formats)]) for seed in range(N)]


def picture(pixels: np.ndarray, image_format: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, image_format)
    return out.getvalue()


def tar_with(path: Path, label: Callable[[int], str | None], formats: tuple[str, ...] = ("PNG",)) -> str:
    """A tar in which every file that no decoder reads, and every good one, comes with some sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number, data in enumerate(pictures(formats)):
            members = {EXTENSIONS[formats[number % len(formats)]]: data, "json": DESCRIPTION}
            members |= dict(list({**UNREAD, **GOOD}.items())[number::4]) if number % 3 else {}
            name = label(number)
            if name is not None:
                members["cls"] = name.encode()
            for extension, content in members.items():
                info = tarfile.TarInfo(f"{number:04d}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return str(path)


def folder(path: Path) -> str:
    for number, data in enumerate(pictures()):
        place = path / ("naß und 🌾" if number % 2 else "b")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(data)
        (place / f"{number}.json").write_bytes(DESCRIPTION if number % 4 else b'{"cut": ')
        (place / f"{number}.txt").write_bytes("naß".encode("latin-1"))
        (place / f"{number}.cls").write_bytes(["Gerste 🌾".encode(), b"wheat"][number % 2])
        (place / f"{number}.npy").write_bytes(b"")
    return str(path)


def parquet(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = [str(7 * (number % 3)) if number % 4 else None for number in range(N)]
    pq.write_table(pa.table({"image": pictures(), "label": labels, "x": list(range(N))}), path)
    return str(path)


def listed(path: Path) -> str:
    path.mkdir(parents=True)
    for number, data in enumerate(pictures()):
        (path / f"{number}.png").write_bytes(data)
    with (path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["path", "caption"], *[[f"{n}.png", f"Nr. {n}" if n > 6 else ""] for n in range(N)]]
        )
    return f"list:{path}/list.csv"


def mended(path: Path) -> str:
    """PNG with a damaged chunk, PNG and WebP with an EXIF that is none: plain readers fail over each."""
    path.mkdir(parents=True)
    for number in range(N):
        format, out = ("PNG", "WEBP")[number % 3 == 2], io.BytesIO()
        options = {"exif": b"Exif\0\0MO\0*\0\0\0\x08\0\0"} if number % 3 else {"dpi": (72, 72)}
        Image.fromarray(stripes(number).astype(np.uint8)).save(out, format, **options)
        data = out.getvalue()
        if number % 3 == 0:
            at = data.index(b"pHYs") + 4
            data = data[:at] + b"\xff" + data[at + 1 :]
        assert why_not(data) is not None
        (path / f"{number}.{format.lower()}").write_bytes(data)
    return str(path)


POOLS: dict[str, Callable[[Path], str]] = {
    "tar, names": lambda path: tar_with(path / "a.tar", lambda n: ["wheat", "rye"][n % 2]),
    "tar, numbers": lambda path: tar_with(path / "a.tar", lambda n: str(n % 2)),
    "tar, no labels": lambda path: tar_with(path / "a.tar", lambda _: None),
    "folder, unicode": lambda path: folder(path / "folder"),
    "tar, some formats": lambda path: tar_with(
        path / "a.tar", lambda n: ["wheat", None][n % 2], ("PNG", "JPEG", "TIFF")
    ),
    "parquet, some": lambda path: parquet(path / "a.parquet"),
    "folder, damaged metadata": lambda path: mended(path / "mended"),
    "list, no labels": lambda path: listed(path / "listed"),
}


@pytest.fixture(scope="module", params=POOLS)
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Version:
    place = tmp_path_factory.mktemp("readers")
    config = parse_config(
        {
            "sources": [POOLS[request.param](place / "pool")],
            "name": "read",
            "store": str(place / "store"),
            "features": {"name": "patches"},
            "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
            "labels": {"given": "found", "makers": ["knn"], "combine": ["knn"]},
            "selection": {"target_size": 100, "drop_near_duplicates": False},
        }
    )
    run = curate_inline(config)
    made = latest_version(run.store, "read")
    assert made is not None and made.n_samples >= N  # a mask may be a sample, too
    return made


@pytest.fixture
def blocks(version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The code of the version's cards, by the module that each block imports last."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.chdir(version.path)
    found = {}
    for layout in ("webdataset", "parquet"):
        for block in re.findall(r"```python\n(.*?)```", (version.path / layout / "README.md").read_text(), re.DOTALL):
            module = re.findall(r"^(?:from|import) (\w+)", block, re.MULTILINE)[-1]
            found[f"{layout} {module}"] = block
    return found


def ran(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_webdataset_decodes_every_sample(blocks: dict[str, str], version: Version) -> None:
    samples = ran(blocks["webdataset webdataset"])["samples"]
    found = list(samples)
    samples.close()
    assert len(found) == version.n_samples
    assert all(image_of(sample).size and sample["json"]["sample_id"] == sample["__key__"] for sample in found)


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_datasets_loads_every_sample(
    blocks: dict[str, str], version: Version, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "huggingface")
    splits = ran(blocks[f"{layout} datasets"])["splits"]
    assert sum(len(list(splits[split])) for split in splits) == version.n_samples


def test_litdata_reads_every_member(blocks: dict[str, str], version: Version) -> None:
    pytest.importorskip("litdata")
    members = ran(blocks["webdataset litdata"])["members"]
    assert len(members) == version.n_samples and all(image_of(each) for each in members)


def test_duckdb_and_windrow_read_it(blocks: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    ran(blocks["parquet duckdb"])
    assert "label" in capsys.readouterr().out
    assert len(ran(blocks["webdataset windrow"])["images"]) == 1


@pytest.mark.ray
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is not installed")
def test_ray_reads_every_sample(blocks: dict[str, str], version: Version) -> None:
    import ray

    ray.init(num_cpus=1, include_dashboard=False, ignore_reinit_error=True, log_to_driver=False)
    rows = ran(blocks["webdataset ray"])["rows"].take_all()
    assert len(rows) == version.n_samples
    assert all(image_of(row) is not None for row in rows)
