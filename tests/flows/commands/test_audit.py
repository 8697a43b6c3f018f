"""`windrow audit`: samples to check by hand, what the verdicts prove, and what is refused."""

import csv
import io
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from rich.console import Console
from small_pool import make_small_pool

from windrow.flows.commands.audit import print_curve, print_verdicts, write_sample
from windrow.flows.commands.mistakes import explain_error
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig
from windrow.tasks.report.formats import percent
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.run_records import Run

Row = dict[str, str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A store of 42 pictures, half of them with a label of two that came with them; the others all get one."""
    labels = {"policy": {"policy": "none"}}
    return curate_inline(make_small_pool(tmp_path_factory.mktemp("audited"), 40, labels=labels).config)


def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def sampled(run: Run, path: Path, n: int = 100, label_set: str = "pseudo", seed: int = 0) -> list[Row]:
    write_sample(console(), run.store, None, path, n, label_set, seed)
    return read(path)


def read(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        rows: list[Row] = pq.read_table(path).to_pylist()
        return rows
    with path.open() as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[Row], delimiter: str = ",", encoding: str = "utf-8") -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def told(run: Run, path: Path) -> str:
    shown = console()
    print_verdicts(shown, run.store, path)
    return printed(shown)


def cells(text: str, first: str) -> list[str]:
    """The row of the table whose first cell this is."""
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    return next(line[1:] for line in lines if line[0] == first)


def test_a_sample_says_where_its_bytes_are_and_leaves_out_what_was_given(run: Run, tmp_path: Path) -> None:
    rows = sampled(run, tmp_path / "audit.csv", 12)
    connection = open_catalog(run.store, run.run_id)
    assert len({row["sample_id"] for row in rows}) == 12
    for row in rows:
        facts = connection.execute(
            "SELECT given_label, label, confidence FROM pool WHERE sample_id = ?", [row["sample_id"]]
        ).fetchone()
        assert facts[:2] == (None, row["label"]) and facts[2] == pytest.approx(float(row["confidence"]), abs=1e-4)
        assert (Path(row["source_uri"]) / row["key"]).is_file() and row["correct"] == ""
        assert row["stratum"].startswith(f"{row['label']}, ")


def test_the_same_seed_draws_the_same_and_another_draws_others(run: Run, tmp_path: Path) -> None:
    first, same, other, parquet = (
        sampled(run, tmp_path / name, 8, seed=seed)
        for name, seed in [("a.csv", 0), ("b.csv", 0), ("c.csv", 1), ("d.parquet", 0)]
    )
    assert first == same == parquet
    assert {row["sample_id"] for row in first} != {row["sample_id"] for row in other}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_verdicts_in_many_words_are_counted_by_class_and_in_all(run: Run, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"audit{suffix}"
    rows = sampled(run, path)
    assert len(rows) == 21
    words = ["y", "YES", " true ", "n", "No", "FALSE"]
    for number, row in enumerate(rows):
        row["correct"] = words[number % 6]
    write(path, rows)
    text = told(run, path)
    right = [number % 6 < 3 for number in range(21)]
    assert "21 of 21 samples without a given label have a label, coverage 100%" in text
    assert "checked 21 of 21" in text and cells(text, "all")[:4:2] == ["21", "21"]
    assert cells(text, "all")[3:5] == [str(sum(right)), f"{sum(right) / 21:.1%}"]
    for label in {row["label"] for row in rows}:
        of_class = [verdict for verdict, row in zip(right, rows, strict=True) if row["label"] == label]
        figures = [str(len(of_class)), str(sum(of_class)), percent(float(np.mean(of_class)))]
        assert cells(text, label)[2:5] == figures


def test_a_true_label_is_a_verdict_and_a_class_that_is_called_1_is_no_yes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "audit.csv"
    rows = sampled(run, path)
    for row in rows:
        row["correct"] = "1"
    write(path, rows)
    text = told(run, path)
    assert cells(text, "all")[3] == str(sum(row["label"] == "1" for row in rows))
    assert "read as true labels, not as yes or no, because classes are called so: 1" in text


def test_whoever_stops_early_still_gets_an_answer(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "audit.csv"
    rows = sampled(run, path)
    for row in rows[:2]:
        row["correct"] = "y"
    write(path, rows)
    text = told(run, path)
    assert "checked 2 of 21; 19 have no verdict and do not count" in text
    assert cells(text, "all")[2:5] == ["2", "2", "100%"]


def test_a_file_that_a_spreadsheet_has_saved_is_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "audit.csv"
    rows = [{**row, "correct": "TRUE", "remark": "fine"} for row in sampled(run, path)]
    write(path, rows[::-1], delimiter=";", encoding="utf-8-sig")
    assert cells(told(run, path), "all")[3] == "21"


def changed(rows: list[Row], **values: str) -> list[Row]:
    return [rows[0], {**rows[1], **values}, *rows[2:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: changed(rows, correct="maybe"),
            "line 3: correct 'maybe' is neither y nor n nor a class of 'pseudo'",
        ),
        (lambda rows: changed(rows, sample_id="0" * 32), f"line 3: sample '{'0' * 32}' was not drawn for this audit"),
        (lambda rows: changed(rows, label="cat"), "line 3: the label of sample .* was '[01]', got 'cat'"),
        (lambda rows: [*rows, rows[0]], "line 10: sample .* is in line 2 too"),
        (lambda rows: rows[1:], "the row of sample .* is gone"),
        (lambda rows: changed(rows, seed="1"), "line 3: seed '1' is not that of the first row, '0'"),
        (
            lambda rows: [{**row, "seed": "x"} for row in rows],
            "line 2: n and seed must be whole numbers, got '8' and 'x'",
        ),
        (lambda rows: [{**row, "run_id": "lost"} for row in rows], "has no run 'lost'"),
        (
            lambda rows: [{"sample_id": row["sample_id"]} for row in rows],
            "wants columns sample_id, label, correct, .*; it has 'sample_id'. Is it a file",
        ),
        (lambda rows: rows, "has no verdict yet"),
    ],
)
def test_a_file_that_was_broken_is_refused_with_row_and_value(
    run: Run, tmp_path: Path, change: Callable[[list[Row]], list[Row]], message: str
) -> None:
    path = tmp_path / "audit.csv"
    write(path, change(sampled(run, path, 8)))
    with pytest.raises(ValueError, match=message) as refused:
        told(run, path)
    code, text = explain_error(refused.value)
    assert code == 2 and "\n" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "is empty"), (b"", "is empty"), (b'a,b\n"x', "wants columns"), (b"caf\xe9", "line 1: byte 4")],
)
def test_a_file_that_is_no_table_is_refused(run: Run, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "audit.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        told(run, tmp_path / "audit.csv")
    (tmp_path / "audit.parquet").write_bytes(content)
    with pytest.raises(ValueError, match="is no Parquet file"):
        told(run, tmp_path / "audit.parquet")


def test_verdicts_are_never_overwritten_and_mistakes_in_names_are_told(run: Run, tmp_path: Path) -> None:
    sampled(run, tmp_path / "audit.csv")
    before = (tmp_path / "audit.csv").read_bytes()
    for path, label_set, message in [
        ("audit.csv", "pseudo", "may hold verdicts"),
        ("audit.txt", "pseudo", "wants a .csv or .parquet file"),
        ("no/audit.csv", "pseudo", "there is no folder"),
        ("b.csv", "psuedo", "no label set 'psuedo'; it has .*pseudo"),
    ]:
        with pytest.raises(ValueError, match=message):
            sampled(run, tmp_path / path, label_set=label_set)
    assert (tmp_path / "audit.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["audit.csv"]


def test_the_curve_of_true_labels_falls_from_the_surest_and_ends_at_all(run: Run, tmp_path: Path) -> None:
    rows = sampled(run, tmp_path / "audit.csv")
    surest = sorted(rows, key=lambda row: -float(row["confidence"]))
    # The five surest are right, the others wrong; a sample that no run knows is counted as such.
    truth = [{"sample_id": row["sample_id"], "label": row["label"] if n < 5 else "x"} for n, row in enumerate(surest)]
    write(tmp_path / "truth.csv", [*truth, {"sample_id": "f" * 32, "label": "x"}])
    shown = console()
    print_curve(shown, run.store, None, tmp_path / "truth.csv", "pseudo")
    text = printed(shown)
    gaps: dict[int, float] = defaultdict(float)
    for n, row in enumerate(surest):
        gaps[math.ceil(float(row["confidence"]) * 15)] += (n < 5) - float(row["confidence"])
    assert f"differ by {percent(sum(map(abs, gaps.values())) / 21)} on average" in text
    assert "22 rows, 21 matched, 1 unmatched" in text and "21 samples of it have a prediction" in text
    assert "coverage 100%, accuracy 23.8%" in text
    assert cells(text, "14.3%")[1] == "100%" and cells(text, "100%")[1] == "23.8%"


def test_a_set_that_abstains_from_everything_has_a_curve_and_nothing_to_check(run: Run, tmp_path: Path) -> None:
    rows = sampled(run, tmp_path / "audit.csv")
    write(tmp_path / "truth.csv", [{"sample_id": row["sample_id"], "label": row["label"]} for row in rows])
    policy = LabelPolicyConfig("fixed", 1.0)
    pool = make_small_pool(tmp_path, 40, labels={"policy": asdict(policy)})
    unsure = curate_inline(pool.config)
    with pytest.raises(ValueError, match="'pseudo' has no label to check: each one abstains or was given"):
        sampled(unsure, tmp_path / "b.csv")
    shown = console()
    print_curve(shown, unsure.store, None, tmp_path / "truth.csv", "pseudo")
    assert "the policy of the run: coverage 0%, accuracy –" in printed(shown)
    with pytest.raises(ValueError, match="no label set 'x'"):
        print_curve(console(), unsure.store, None, tmp_path / "truth.csv", "x")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"sample_id": "f" * 32, "label": "x"}], "names none of the samples that 'pseudo' labels"),
        ([{"key": "0.png", "label": x} for x in "xy"], "has more than one label for sample"),
        ([{"sample": "f", "label": "x"}], "TRUTH: .* wants columns label and sample_id"),
    ],
)
def test_a_file_of_true_labels_that_cannot_be_used_is_refused(
    run: Run, tmp_path: Path, rows: list[Row], message: str
) -> None:
    write(tmp_path / "truth.csv", rows)
    with pytest.raises(ValueError, match=message):
        print_curve(console(), run.store, None, tmp_path / "truth.csv", "pseudo")


def test_drawing_a_sample_loads_nothing_heavy(run: Run, tmp_path: Path) -> None:
    program = (
        "import sys; from windrow.flows.commands.cli import app, run_command\n"
        f"sys.argv = ['windrow', 'audit', 'sample', {str(tmp_path / 'a.csv')!r}, '--store', {str(run.store)!r}]\n"
        "try: app()\nexcept SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'faiss', 'scipy.stats', 'scipy.optimize', 'sklearn', 'prefect'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "0 []" and (tmp_path / "a.csv").is_file()
