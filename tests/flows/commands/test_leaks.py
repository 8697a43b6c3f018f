"""`windrow leaks A B`: near-duplicates between any two sets, as text, as JSON and as an exit code."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from small_pool import SmallPool, png, stripes
from taken_down import copied
from typer.testing import CliRunner

from windrow.flows.commands.cli import app
from windrow.flows.commands.leaks import print_leaks
from windrow.schemas import EMBEDDINGS
from windrow.schemas.stages import Stage
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.run_records import Run, latest_run

Made = tuple[SmallPool, Run, Version]


@pytest.fixture(scope="module")
def made(small: SmallPool, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A pool with a version, and beside it a test set of a leak, a near-duplicate of it and a file that is no image."""
    folder = tmp_path_factory.mktemp("leaks")
    pool = replace(copied(small, folder / "store"), folder=folder)
    test = pool.folder / "test"
    test.mkdir()
    (test / "same.png").write_bytes(pool.others[0])
    (test / "near.png").write_bytes(png(np.clip(stripes(2) + 1, 0, 255)))
    (test / "broken.png").write_bytes(b"no picture")
    run, version = latest_run(pool.store), latest_version(pool.store, "small")
    assert run is not None and version is not None
    return pool, run, version


def compared(
    run: Run, capsys: pytest.CaptureFixture[str], a: object, b: object, **settings: float
) -> dict[str, object]:
    threshold, bits = settings.get("threshold"), settings.get("bits")
    found = print_leaks(Console(), run.store, None, (str(a), str(b)), threshold, bits and int(bits), True)
    told = json.loads(capsys.readouterr().out)
    assert found == (told["n_pairs"] > 0)
    return dict(told)


def lefts(told: dict[str, object]) -> set[str]:
    return {pair["a"]["sample_id"] for pair in told["pairs"]}  # type: ignore[attr-defined]


def test_every_kind_of_set_can_be_compared_with_another(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pool, run, version = made
    leaking = {sample_id_of(data) for data in pool.others[:2]}
    told = compared(run, capsys, "pool", pool.folder / "test")
    assert lefts(told) == leaking
    assert told["b"] == {
        "name": str(pool.folder / "test"), "n_samples": 2, "n_unreadable": 1,
        "unreadable": ["broken.png: not an image"], "n_without_embedding": 0, "n_leaking": 2,
    }  # fmt: skip
    same = next(pair for pair in told["pairs"] if pair["evidence"] == "bytes")  # type: ignore[attr-defined]
    assert same["b"]["key"] == "same.png" and same["similarity"] == pytest.approx(1) and same["distance"] == 0
    assert lefts(compared(run, capsys, version.path, pool.folder / "test")) == leaking
    listed = tmp_path / "ids.txt"
    listed.write_text("".join(f"{sample_id_of(data)}\n" for data in pool.others[1:4]))
    assert lefts(compared(run, capsys, f"@{listed}", pool.folder / "test")) == {sample_id_of(pool.others[1])}
    vectors = run.outputs(Stage.FEATURES)[0].read(EMBEDDINGS)
    pq.write_table(vectors, tmp_path / "vectors.parquet")
    assert lefts(compared(run, capsys, tmp_path / "vectors.parquet", "pool")) == set(vectors["sample_id"].to_pylist())
    assert compared(run, capsys, f"@{listed}", "pool", threshold=1.0, bits=0)["n_pairs"] == 3


def test_the_text_counts_and_shows_the_closest(made: Made) -> None:
    pool, run, _ = made
    shown = Console(file=io.StringIO(), width=120)
    assert print_leaks(shown, run.store, None, ("pool", str(pool.folder / "test")), None, None, False)
    assert isinstance(shown.file, io.StringIO)
    told = shown.file.getvalue()
    assert "pool: 13 samples, 2 (15.4%) in a pair" in told
    assert "test: 2 samples, 2 (100%) in a pair; not compared, since unreadable: 1 (broken.png: not an image)" in told
    assert "pairs: 2 (1 by the same bytes, 2 by cosine similarity 0.95 or more" in told
    assert re.search(r"embeddings: \d+ of 26 pairs compared", told)
    assert "same.png" in told and "near.png" in told


def test_the_exit_code_says_whether_there_is_a_leak(made: Made, tmp_path: Path) -> None:
    _, run, _ = made
    (tmp_path / "unlike.png").write_bytes(png(np.random.default_rng(0).integers(0, 256, (48, 48, 3))))
    command = ["leaks", "pool", str(tmp_path), "--store", str(run.store), "--bits", "0", "--threshold"]
    assert CliRunner().invoke(app, [*command, "0.999"]).exit_code == 0
    assert CliRunner().invoke(app, [*command, "0.001"]).exit_code == 1


def test_a_mistake_is_told(made: Made, tmp_path: Path) -> None:
    _, run, _ = made

    def refused(name: object, match: str) -> None:
        with pytest.raises(ValueError, match=match):
            print_leaks(Console(), run.store, None, (str(name), "pool"), None, None, False)

    refused(tmp_path / "nowhere", "nowhere")
    (tmp_path / "ids.txt").write_text("0" * 32)
    refused(f"@{tmp_path}/ids.txt", "is not in the pool of run")
    for name, columns, match in (
        ("other", {"sample_id": ["a"], "embedding": [[1.0]], "backbone_id": ["x"]}, "embeddings of backbone x, where"),
        ("short", {"sample_id": ["a"], "embedding": [[1.0]]}, "the sets have 1 and"),
        ("ragged", {"sample_id": ["a", "b"], "embedding": [[1.0], [1.0, 2.0]]}, "wants vectors of one length"),
        ("twice", {"sample_id": ["a", "a"], "embedding": [[1.0], [1.0]]}, "wants each sample once"),
    ):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        refused(tmp_path / f"{name}.parquet", match)
    with pytest.raises(ValueError, match="has no finished run"):
        print_leaks(Console(), tmp_path, None, ("a", "b"), None, None, False)
