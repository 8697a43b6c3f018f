"""Hostile input: every one of the list gets the outcome that its page tells, and no data is ever run."""

from __future__ import annotations

import ast
import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hostile_case import Hostile
from hostile_inputs import HOSTILE, told
from hostile_parquet import parquet
from hostile_pictures import encoded, picture, png_chunk
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from windrow.schemas import EMBEDDINGS, OCCURRENCES, SAMPLES
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.ingest.ingestion import ingest_shard
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.sources import parquet_source
from windrow.tasks.storage.sources.parquet_source import iterate_parquet
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, sample_id_of
from windrow.tasks.storage.store.outputs import open_output

ROOT = Path(__file__).parents[3]


def outcome(folder: Path, name: str, data: bytes, config: IngestConfig | None = None) -> str:
    (folder / name).write_bytes(data)
    [shard] = plan_shards([str(folder / name)])
    done = open_output(folder / "store" / ingest_shard(folder / "store", shard, config or IngestConfig()).path)
    occurrences = done.read(OCCURRENCES)
    readable = occurrences.filter(pa.compute.is_null(occurrences["unreadable"]))
    assert all(isinstance(found, bytes) for _, found in read_samples(readable))  # found again where it was seen
    return told(occurrences.to_pylist(), done.read(SAMPLES).to_pylist())


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.what)
def test_it_ends_as_the_page_says(hostile: Hostile, tmp_path: Path) -> None:
    assert outcome(tmp_path, hostile.name, hostile.make()) == hostile.outcome


def slow_png() -> bytes:
    """5000 x 5000 pixels of grey: tens of milliseconds to decode."""
    rows = zlib.compress((b"\0" + bytes(5000)) * 5000)
    head = struct.pack(">IIBBBBB", 5000, 5000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(*chunk) for chunk in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )


def test_an_image_that_takes_too_long_costs_itself(tmp_path: Path) -> None:
    images = parquet({"image": [encoded(picture()), slow_png(), encoded(picture())]})
    assert outcome(tmp_path, "p.parquet", images, IngestConfig(max_seconds=0.01)) == (
        "`0`, `2`: read: 40 x 30 RGB PNG; `1`: decoder took longer than 0.01 s"
    )


@pytest.mark.parametrize(("format", "side"), [("WEBP", 6000), ("PNG", 6000)])
def test_the_memory_that_decoding_may_take_is_enough_for_every_image_within_the_limits(
    format: str, side: int, tmp_path: Path
) -> None:
    blank = Image.new("RGBA", (side, side))
    frames = {"save_all": True, "append_images": [Image.new("RGBA", (side, side), "red")]}
    data = encoded(blank, format, **(frames if format == "WEBP" else {}))
    config = IngestConfig(max_pixels=side * side, max_bytes=2**20)
    assert outcome(tmp_path, "a.img", data, config).startswith(f"read: {side} x {side} RGBA {format}")


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000)])
def test_a_picture_of_100_000_by_1_pixels_can_be_prepared_for_a_backbone(size: tuple[int, int]) -> None:
    prepared = Preprocessing(224, (224, 224)).prepare(decode_rgb(encoded(picture(*size)), min_side=224))
    assert prepared.shape == (3, 224, 224)


class Logarithm(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.log(pixels.mean((2, 3)))  # of the negative means of dark pictures: not a number


def test_a_backbone_that_gives_no_number_is_an_error_of_that_sample(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    pictures = {
        "dark": Image.new("RGB", (9, 9)),
        "light": Image.new("RGB", (9, 9), "white"),
        "long": picture(99_999, 1),
    }
    for name, image in pictures.items():
        (pool / f"{name}.png").write_bytes(encoded(image))
    settings = {"size": {"height": 8, "width": 8}, "image_mean": [0.2] * 3, "image_std": [0.5] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Logarithm(), torch.zeros(4, 3, 8, 8)).save(str(tmp_path / "log.pt"))
    config = BackboneConfig(f"torchscript:{tmp_path}/log.pt", batch_size=4, device="cpu")
    [shard] = plan_shards([str(pool)])
    ingested = ingest_shard(tmp_path / "store", shard, IngestConfig())
    [done] = extract_shards(tmp_path / "store", [ingested.path], config, None, identify_backbone(config, None))
    rows = {row["sample_id"]: row for row in open_output(tmp_path / "store" / done.path).read(EMBEDDINGS).to_pylist()}
    dark, light, long = (rows[sample_id_of(encoded(image))] for image in pictures.values())
    assert (dark["embedding"], dark["error"]) == (None, "backbone gave a non-finite embedding")
    assert [np.isfinite(row["embedding"]).all() and row["error"] is None for row in (light, long)] == [True, True]
    assert done.counts["n_errors"] == 1


@given(st.integers(1, 6), st.integers(300, 900), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_ends_of_a_long_picture_are_cut_off_without_a_trace(short: int, long: int, upright: bool) -> None:
    image = picture(short, long) if upright else picture(long, short)
    steps = Preprocessing(8, (8, 8))
    width, height = (8, 8 * long // short) if upright else (8 * long // short, 8)
    whole = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - 8) // 2, (height - 8) // 2
    expected = np.asarray(whole.crop((left, top, left + 8, top + 8)), dtype=int).transpose(2, 0, 1)
    assert np.abs(steps.prepare(image).astype(int) - expected).mean() < 3  # of noise, where any shift would give 50


WHOLE = parquet(
    {"image": [b"x" * 50] * 9, "label": list(range(9)), "t": ["some text"] * 9},
    row_group_size=3,
    compression="none",
)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
@example([(WHOLE.rindex(b"image"), b"\x80")])
def test_no_damage_to_a_parquet_file_makes_reading_it_raise_or_go_on_for_ever(damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(WHOLE)
    for start, patch in damage:
        data[start : start + len(patch)] = patch
    for n, _ in enumerate(iterate_parquet(io.BytesIO(bytes(data)), "p", IngestConfig())):
        assert n < 4 * parquet_source.MAX_DAMAGED_ROWS


def test_a_damaged_row_group_of_very_many_rows_is_one_occurrence_that_says_so() -> None:
    n_rows = parquet_source.MAX_DAMAGED_ROWS + 5
    data = bytearray(parquet({"image": pa.nulls(n_rows, pa.binary())}, row_group_size=n_rows))
    data[4:12] = b"\xff" * 8
    found = list(iterate_parquet(io.BytesIO(bytes(data)), "p", IngestConfig()))
    assert [one.error for one in found] == [f"damaged row group of {n_rows} rows"]


def test_a_value_that_is_in_a_file_once_for_many_rows_is_not_unfolded_for_all() -> None:
    rows = parquet({"image": pa.array([b"i" * 2**20] * 100)})
    assert len(rows) < 2**21
    before = pa.total_allocated_bytes()
    peak = 0
    for one in iterate_parquet(io.BytesIO(rows), "p", IngestConfig()):
        assert one.data is not None and len(one.data) == 2**20
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 2**26


FORBIDDEN = {
    ("pickle", "load"), ("pickle", "Unpickler"), ("marshal", "loads"), ("marshal", "load"), ("shelve", "open"),
    ("joblib", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("dill", "loads"),
    ("cloudpickle", "loads"), ("os", "system"), ("pd", "read_pickle"),
}  # fmt: skip
OWN_PICKLES = {"tasks/executors/calls.py", "tasks/executors/shared_file.py", "tasks/pictures/sandbox_worker.py"}
"""What these unpickle was pickled by a process of the same run, and never came near the data."""

USERS_PROGRAMS = (
    "tasks/backbones/exported_models.py"  # the only code that is loaded: a file that the user's config names
)


def _code() -> Iterator[tuple[str, ast.AST]]:
    for top in ("flows", "tasks", "schemas"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                yield path.relative_to(ROOT).as_posix(), node


def test_nothing_is_unpickled_or_run_that_comes_from_data_or_weights() -> None:
    offences = []
    for place, node in _code():
        if isinstance(node, ast.Call):
            offences += [f"{place}:{node.lineno} {what}" for what in _offence(node, place)]
    assert offences == []


def _offence(call: ast.Call, place: str) -> Iterator[str]:
    name = ast.unparse(call.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    pair = tuple(name.rsplit(".", 1))
    if pair in FORBIDDEN or name in ("eval", "exec", "compile", "__import__"):
        yield name
    if name == "pickle.loads" and place not in OWN_PICKLES:
        yield name
    if name in ("torch.jit.load", "torch.export.load") and place != USERS_PROGRAMS:
        yield name
    if name == "np.load" and options.get("allow_pickle") != "False":
        yield "np.load without allow_pickle=False"
    if name == "torch.load" and options.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if options.get("trust_remote_code", "False") != "False" or options.get("shell", "False") != "False":
        yield f"{name} with trust_remote_code or shell"


@pytest.mark.parametrize(
    "code",
    [
        "pickle.loads(x)",
        "pickle.load(x)",
        "torch.jit.load(x)",
        "np.load(x)",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "yaml.load(x)",
        "eval(x)",
        "subprocess.run(x, shell=True)",
    ],
)
def test_the_search_for_dangerous_calls_finds_them(code: str) -> None:
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert list(_offence(call, "tasks/x.py"))
