"""`windrow annotate`: which samples to label, in the file that `labels.given` reads back."""

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from rich.console import Console
from small_pool import make_small_pool

from windrow.flows.commands.annotate import print_annotation
from windrow.schemas import LABELS
from windrow.schemas.stages import Stage
from windrow.tasks.config import parse_config
from windrow.tasks.labels.given_labels import given_labels
from windrow.tasks.storage.store.run_records import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A store of 24 pictures, half of them with a label of two that came with them."""
    return curate_inline(make_small_pool(tmp_path_factory.mktemp("asked"), 22).config)


def annotated(run: Run, path: Path, n: int, by: str = "auto") -> str:
    shown = Console(file=io.StringIO(), width=100)
    print_annotation(shown, run.store, run.run_id, path, n, by, seed=0)
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def given(run: Run) -> dict[str, str | None]:
    tables = [output.read(LABELS) for output in run.outputs(Stage.PSEUDO_LABEL) if "labels.parquet" in output.files]
    rows = [row for table in tables for row in table.to_pylist() if row["label_set"] == "given"]
    return {row["sample_id"]: row["label"] for row in rows}


def test_the_file_is_read_back_with_the_labels_that_were_filled_in_and_those_that_there_were(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "annotate.csv"
    told = annotated(run, path, 3)
    assert "3 samples to label, chosen by typical, and the 12 that have a label" in told
    rows = read(path)
    before = given(run)
    asked = [row["sample_id"] for row in rows if not row["label"]]
    assert len(asked) == 3 and not set(asked) & set(before) and rows[0]["sample_id"] == asked[0]
    assert rows[0]["why"].startswith("stands for ") and rows[-1]["why"] == "labelled already"
    assert Path(rows[0]["source_uri"]).is_dir() and rows[0]["key"]
    ingested = {Stage.INGEST: run.outputs(Stage.INGEST)}
    assert {row["sample_id"]: row["label"] for row in given_labels(str(path), ingested).to_pylist()} == before
    for row in rows[:2]:
        row["label"] = "new"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    after = {row["sample_id"]: row["label"] for row in given_labels(str(path), ingested).to_pylist()}
    assert after == before | dict.fromkeys(asked[:2], "new")
    again = curate_inline(parse_config({**open_run(run.store, run.run_id).config, "labels": {"given": str(path)}}))
    annotated(again, tmp_path / "more.csv", 99)
    more = [row["sample_id"] for row in read(tmp_path / "more.csv") if not row["label"]]
    assert asked[2] in more and not set(more) & set(after)


def test_parquet_is_read_back_too_and_every_query_has_its_reason(run: Run, tmp_path: Path) -> None:
    for by, why in (("uncertain", "undecided"), ("hard-to-contrast", "told from its neighbours")):
        path = tmp_path / f"{by}.parquet"
        annotated(run, path, 2, by)
        rows = pq.read_table(path).to_pylist()
        assert [row["label"] for row in rows[:2]] == [None, None] and why in rows[0]["why"]
        ingested = {Stage.INGEST: run.outputs(Stage.INGEST)}
        assert len(given_labels(str(path), ingested)) == len(given(run))


def test_a_mistake_is_told_and_no_label_is_overwritten(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "annotate.csv"
    path.write_text("sample_id,label\n")
    with pytest.raises(ValueError, match="exists, and may hold labels"):
        annotated(run, path, 3)
    with pytest.raises(ValueError, match=r"wants a \.csv or \.parquet file"):
        annotated(run, tmp_path / "annotate.txt", 3)
    with pytest.raises(ValueError, match="has no finished run"):
        print_annotation(Console(), tmp_path, None, tmp_path / "new.csv", 3, "auto", seed=0)
