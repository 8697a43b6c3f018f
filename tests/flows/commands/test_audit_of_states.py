"""`windrow audit` where samples may be of several classes: pairs to check, what verdicts prove, and what is refused."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pytest
from banded_pool import COLOURS, banded_pool
from command_line import run_here
from inline_run import curate_inline
from rich.console import Console

from windrow.flows.commands.audit import print_curve, print_verdicts, write_sample
from windrow.tasks.labels.audits.audit_sample import Checked, draw_all, judge
from windrow.tasks.labels.audits.audited_set import AuditedSet, read_audited
from windrow.tasks.report.formats import percent
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.store.run_records import Run

Row = dict[str, str]
Pair = tuple[str, str]
N = 120


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return curate_inline(banded_pool(tmp_path_factory.mktemp("audited"), N))


@pytest.fixture(scope="module")
def catalog(run: Run) -> duckdb.DuckDBPyConnection:
    return connect_run(run.store, run.run_id)


@pytest.fixture(scope="module")
def truth(run: Run, catalog: duckdb.DuckDBPyConnection) -> dict[Pair, str]:
    """The true state of every pair of a sample and a class."""
    shown = np.load(run.store.parent / "shown.npy")
    rows = catalog.execute("SELECT sample_id, key FROM occurrences").fetchall()
    states = {False: "absent", True: "present"}
    return {
        (sample_id, name): states[bool(shown[int(key.removesuffix(".png")), place])]
        for sample_id, key in rows
        for place, name in enumerate(COLOURS)
    }


@pytest.fixture(scope="module")
def said(catalog: duckdb.DuckDBPyConnection) -> dict[str, dict[Pair, float]]:
    """What the run says itself, and nobody gave, by state: the confidence of each pair."""
    found: dict[str, dict[Pair, float]] = {}
    sql = "SELECT sample_id, list_concat(present, absent) FROM states WHERE label_set = 'given'"
    given = dict(catalog.execute(sql).fetchall())
    for state in ("present", "absent"):
        sql = f"SELECT sample_id, {state}, {state}_probabilities FROM states WHERE label_set = 'pseudo'"
        found[state] = {
            (sample_id, name): share if state == "present" else 1 - share
            for sample_id, names, shares in catalog.execute(sql).fetchall()
            for name, share in zip(names, shares, strict=True)
            if name not in given.get(sample_id, ())
        }
    return found


def sampled(run: Run, path: Path, n: int = 1000, label_set: str = "pseudo", seed: int = 0) -> list[Row]:
    write_sample(Console(file=io.StringIO()), run.store, run.run_id, path, n, label_set, seed)
    with path.open() as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def told(run: Run, path: Path) -> str:
    shown = Console(file=io.StringIO(), width=110)
    print_verdicts(shown, run.store, path)
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def tables(text: str) -> dict[str, dict[str, list[str]]]:
    """The cells of each table by its first column's head, and of each row by its first cell."""
    found: dict[str, dict[str, list[str]]] = {}
    of: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]]
        if "┃" in line:
            of = found.setdefault(cells[0], {})
        elif cells:
            of[cells[0]] = cells[1:]
    return found


def test_pairs_are_asked_for_that_the_run_says_itself_half_of_them_present(
    run: Run, said: dict[str, dict[Pair, float]], tmp_path: Path
) -> None:
    rows = sampled(run, tmp_path / "audit.csv", 24)
    assert Counter(row["state"] for row in rows) == {"present": 12, "absent": 12}
    assert len({(row["sample_id"], row["label"]) for row in rows}) == 24
    for row in rows:
        confidence = said[row["state"]][row["sample_id"], row["label"]]
        assert float(row["confidence"]) == pytest.approx(confidence, abs=6e-5)
        assert (Path(row["source_uri"]) / row["key"]).is_file()
        assert row["correct"] == "" and row["stratum"].startswith(f"{row['state']} ")
    assert {row["state"] for row in rows[:8]} == {"present", "absent"}  # whoever stops early has judged both
    assert sampled(run, tmp_path / "again.csv", 24) == rows
    assert sampled(run, tmp_path / "other.csv", 24, seed=1) != rows


def test_all_pairs_are_judged_by_their_state_class_and_confidence(
    run: Run, said: dict[str, dict[Pair, float]], truth: dict[Pair, str], tmp_path: Path
) -> None:
    path = tmp_path / "audit.csv"
    rows = sampled(run, path)
    assert {(row["sample_id"], row["label"]): row["state"] for row in rows} == {
        pair: state for state, pairs in said.items() for pair in pairs
    }
    for number, row in enumerate(rows):
        is_right = truth[row["sample_id"], row["label"]] == row["state"]
        row["correct"] = ["yn"[not is_right], truth[row["sample_id"], row["label"]]][number % 2]
    write(path, rows)
    text = told(run, path)
    n = {state: len(pairs) for state, pairs in said.items()}
    assert f"{n['present']} present and {n['absent']} absent, coverage" in text
    for state, pairs in said.items():
        right = [truth[pair] == state for pair in pairs]
        of_all = tables(text)[state]["all"]
        assert of_all[0] == of_all[2] == str(len(pairs))
        assert of_all[3:5] == [str(sum(right)), percent(sum(right) / len(pairs))]
        assert of_all[1] == percent(float(np.mean(list(pairs.values()))))
        for name in COLOURS:
            of_class = [truth[pair] == state for pair in pairs if pair[1] == name]
            if of_class:
                assert tables(text)[state][name][2:4] == [str(len(of_class)), str(sum(of_class))]


def audited(catalog: duckdb.DuckDBPyConnection, truth: dict[Pair, str], n: int, seed: int) -> list[Checked]:
    """An audit by somebody who knows the truth."""

    def right(labels: AuditedSet, row: int) -> bool:
        return truth[labels.sample_id[row], labels.class_of(row)] == labels.state

    drawn = draw_all(read_audited(catalog, "pseudo", n, seed), n, seed)
    return [
        Checked(each.labels, each.rows, np.array([right(each.labels, int(row)) for row in each.rows]), each.by)
        for each in drawn
    ]


def test_the_intervals_hold_the_share_that_is_right_of_all_pairs_in_95_of_100_audits(
    catalog: duckdb.DuckDBPyConnection, said: dict[str, dict[Pair, float]], truth: dict[Pair, str]
) -> None:
    """The run is right of nearly all; so it is judged by a truth in which a part of each class is otherwise."""
    rng = np.random.default_rng(0)
    other, rates = {"present": "absent", "absent": "present"}, dict(zip(COLOURS, (0.4, 0.15, 0.02), strict=True))
    noisy = {pair: other[state] if rng.random() < rates[pair[1]] else state for pair, state in truth.items()}
    shares = {state: np.mean([noisy[pair] == state for pair in pairs]) for state, pairs in said.items()}
    assert all(0.6 < share < 0.95 for share in shares.values())
    held: dict[str, list[bool]] = {"present": [], "absent": []}
    for seed in range(100):
        for checked in audited(catalog, noisy, 40, seed):
            interval, state = judge(checked)[0].interval, checked.labels.state
            assert interval is not None and state is not None
            held[state].append(bool(interval.low <= shares[state] <= interval.high))
    assert {state: len(found) for state, found in held.items()} == {"present": 100, "absent": 100}
    assert all(np.mean(found) >= 0.95 for found in held.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": "maybe"}, "line 3: correct 'maybe' is neither y nor n nor present or absent"),
        ({"correct": "red"}, "line 3: correct 'red' is neither y nor n nor present or absent"),
        ({"label": "grey"}, "line 3: sample '.*' with class 'grey' was not drawn"),
        ({"state": ""}, "line 3: the state of sample .* with class .* was '.*', got ''"),
    ],
)
def test_a_file_that_was_broken_is_refused_with_pair_and_value(
    run: Run, tmp_path: Path, change: Row, message: str
) -> None:
    path = tmp_path / "audit.csv"
    rows = sampled(run, path, 8)
    rows[1] |= change
    write(path, rows)
    with pytest.raises(ValueError, match=message):
        told(run, path)
    write(path, [{name: value for name, value in row.items() if name != "state"} for row in rows])
    with pytest.raises(ValueError, match="with class"):
        told(run, path)


def test_a_curve_of_true_states_is_one_of_presence_and_one_of_absence(
    run: Run, said: dict[str, dict[Pair, float]], truth: dict[Pair, str], tmp_path: Path
) -> None:
    path = tmp_path / "truth.csv"
    rows = [{"sample_id": pair[0], "label": pair[1], "state": state} for pair, state in truth.items()]
    write(path, rows)
    shown = Console(file=io.StringIO(), width=110)
    print_curve(shown, run.store, run.run_id, path, "pseudo")
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    of_runs = [line for line in text.splitlines() if line.startswith("the policy of the run")]
    for state, line in zip(("present", "absent"), of_runs, strict=True):
        right = np.mean([truth[pair] == state for pair in said[state]])
        assert line.endswith(f"accuracy {percent(float(right))}")
    write(path, [*rows, {**rows[0], "state": {"present": "absent", "absent": "present"}[rows[0]["state"]]}])
    with pytest.raises(ValueError, match=f"more than one state of '{rows[0]['label']}' for sample"):
        print_curve(shown, run.store, run.run_id, path, "pseudo")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_file_that_says_one_state_alone_says_nothing_of_how_right_the_run_is(
    run: Run, truth: dict[Pair, str], tmp_path: Path, state: str
) -> None:
    path = tmp_path / "truth.csv"
    write(
        path,
        [{"sample_id": pair[0], "label": pair[1], "state": state} for pair, said in truth.items() if said == state],
    )
    words = f"truth.csv says of all [0-9]+ pairs to be judged that they are {state}, .* state present and absent ones"
    with pytest.raises(ValueError, match=words):
        print_curve(Console(file=io.StringIO()), run.store, run.run_id, path, "pseudo")
    ended = run_here("audit", "curve", str(path), "--store", str(run.store), "--run", run.run_id)
    assert ended.returncode != 0 and "Traceback" not in ended.stderr and f"they are {state}" in ended.stderr


def test_applied_verdicts_are_the_states_that_the_next_run_is_given(
    run: Run, truth: dict[Pair, str], tmp_path: Path
) -> None:
    path = tmp_path / "audit.csv"
    ended = run_here("audit", "sample", str(path), "-n", "60", "--store", str(run.store), "--run", run.run_id)
    assert ended.returncode == 0 and "pairs that 'pseudo' says are present" in ended.stdout, ended.stderr
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["correct"] = truth[row["sample_id"], row["label"]]
    write(path, rows)
    ended = run_here("audit", "read", str(path), "--apply", "--store", str(run.store))
    assert ended.returncode == 0, ended.stderr
    again = curate_inline(banded_pool(run.store.parent, N))
    states = connect_run(run.store, again.run_id).execute(
        "SELECT sample_id, present, absent FROM states WHERE label_set = 'given'"
    )
    given = {
        sample_id: {**dict.fromkeys(present, "present"), **dict.fromkeys(absent, "absent")}
        for sample_id, present, absent in states.fetchall()
    }
    for row in rows:
        assert given[row["sample_id"]][row["label"]] == row["correct"]
    present = Counter(row["sample_id"] for row in rows if row["correct"] == "present")
    assert max(present.values()) > 1  # of one sample and person, two labels: neither took the other's place
