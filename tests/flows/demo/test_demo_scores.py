import csv
import io
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from windrow.flows.demo.demo_pool import CLASS_COUNTS, TRUTH, DemoPool, make_demo_pool
from windrow.flows.demo.demo_scores import grey_pixels, render_scores, score_store
from windrow.flows.demo.judged_pool import JudgedPool, judge_pool
from windrow.flows.demo.scoreboard import Probe, balanced_accuracy, score_labels, score_pool, score_set
from windrow.schemas import LABELS, SAMPLES, SELECTION, Table
from windrow.schemas.stages import Stage
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import make_output
from windrow.tasks.storage.store.run_records import StageRecord, start_run
from windrow.tasks.storage.store.store_format import mark_format

# sample: true class, pseudo-label (None: abstained), most probable class, selected. `f` is a near-duplicate of `a`.
# `a` came with its label. `g` and `h` are off topic.
SAID: dict[str, tuple[str | None, str | None, str, bool]] = {
    "a": ("x", "x", "x", True),
    "b": ("x", "x", "x", False),
    "c": ("x", None, "x", False),
    "d": ("y", "y", "y", True),
    "e": ("y", None, "x", False),
    "f": ("x", "y", "y", False),
    "g": (None, "x", "x", True),
    "h": (None, None, "y", False),
}
IDS = list(SAID)
HAND = pa.Table.from_pylist(
    [
        {"sample_id": name, "label": said[0], "kind": "any", "near_duplicate_of": "a" if name == "f" else None}
        for name, said in SAID.items()
    ],
    schema=TRUTH,
)


def _labels(label_set: str, said: Mapping[str, tuple[str | None, str]]) -> pa.Table:
    """LABELS of samples: the label (None: abstained), and the most probable class."""
    n = len(said)
    return LABELS.build(
        {
            "sample_id": list(said),
            "label_set": [label_set] * n,
            "label": [label for label, _ in said.values()],
            "classes": [[top] for _, top in said.values()],
            "probabilities": [[1.0]] * n,
            "confidence": [1.0] * n,
            "abstained": [label is None for label, _ in said.values()],
            "label_weight": [float(label is not None) for label, _ in said.values()],
            "annotator": ["test"] * n,
            "method": ["by hand"] * n,
            "round": [0] * n,
        }
    )


def _selection(selected: Mapping[str, bool], held_out: Sequence[str] = ()) -> pa.Table:
    sample_ids = [*selected, *held_out]
    columns = {
        "sample_id": sample_ids,
        "occurrence_id": [f"of {name}" for name in sample_ids],
        "rank": [*range(1, len(selected) + 1), *[None] * len(held_out)],
        "selected": [*selected.values(), *[False] * len(held_out)],
        "dropped_by": [*[None] * len(selected), *["held_out"] * len(held_out)],
        "group_id": sample_ids,
    }
    return SELECTION.build(columns)


def _finish_run(store: Path, tables: Mapping[str, tuple[Table, pa.Table]], made: Sequence[str]) -> None:
    """Write tables as outputs of a finished run, beside outputs that are `made` already."""
    mark_format(store)
    run = start_run(store, "by-hand", {})
    run.record(StageRecord("ingest", tuple(made), 0, 0, 0.0, {}))
    for stage, (declared, table) in tables.items():
        done = make_output(store, stage, 1, {}, lambda writer, d=declared, t=table: writer.write(d, t))
        run.record(StageRecord(stage, (done.path,), 0, 0, 0.0, {}))
    run.finish("finished")


@pytest.fixture(scope="module")
def hand_made(tmp_path_factory: pytest.TempPathFactory) -> JudgedPool:
    store = tmp_path_factory.mktemp("store")
    fact = {"width": 8, "height": 8, "mode": "L", "format": "PNG", "n_frames": 1, "exif_orientation": 1, "n_bytes": 1}
    samples = SAMPLES.build({"sample_id": IDS, **{name: [value] * len(IDS) for name, value in fact.items()}})
    labels = [_labels("pseudo", {name: said[1:3] for name, said in SAID.items()}), _labels("given", {"a": ("x", "x")})]
    tables = {
        Stage.FEATURES: (SAMPLES, samples),
        Stage.PSEUDO_LABEL: (LABELS, pa.concat_tables(labels)),
        Stage.RANK: (SELECTION, _selection({name: said[3] for name, said in SAID.items()})),
    }
    _finish_run(store, tables, [])
    return judge_pool(connect_run(store), HAND)


@pytest.fixture(scope="module")
def probe() -> Probe:
    """Features that tell the classes apart: x along the first axis, y along the second."""
    axes = {"x": (1.0, 0.1), "y": (0.1, 1.0), None: (0.5, -0.5)}
    features = np.array([axes[said[0]] for said in SAID.values()], dtype=np.float32)
    return Probe(features, np.array([[2, 0], [3, 1], [0, 2], [1, 3]], dtype=np.float32), np.array([0, 0, 1, 1]))


def test_the_catalog_and_the_truth_are_joined_by_sample(hand_made: JudgedPool) -> None:
    assert hand_made.classes == ("x", "y")
    assert hand_made.truth.tolist() == [0, 0, 0, 1, 1, 0, -1, -1]
    assert hand_made.repeats.tolist() == [-1, -1, -1, -1, -1, 0, -1, -1]
    assert hand_made.selected.tolist() == [True, False, False, True, False, False, True, False]
    assert hand_made.given.tolist() == [True] + [False] * 7
    assert hand_made.pseudo.tolist() == [0, 0, -1, 1, -1, 1, 0, -1]
    assert hand_made.top.tolist() == [0, 0, 0, 1, 0, 1, 0, 1]


def test_the_pseudo_labels_score_as_worked_out_by_hand(hand_made: JudgedPool) -> None:
    scores = score_labels(hand_made)
    # b c d e f count: a came with its label, g and h are off topic. Labelled: b right, d right, f wrong.
    assert scores.n_samples == 5
    assert scores.coverage == pytest.approx(3 / 5)
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.macro_recall == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert scores.top_accuracy == pytest.approx(3 / 5)
    assert scores.top_macro_recall == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.off_topic_labelled == pytest.approx(1 / 2)


def test_the_pool_and_the_curated_set_score_as_worked_out_by_hand(hand_made: JudgedPool, probe: Probe) -> None:
    scores = score_pool(hand_made, probe, n_random=3)
    entropy = -(4 / 6 * math.log2(4 / 6) + 2 / 6 * math.log2(2 / 6))
    assert scores.pool.n_samples == 8
    assert scores.pool.balance == pytest.approx(entropy)  # x: a b c f, y: d e
    assert scores.pool.off_topic == pytest.approx(2 / 8)
    assert scores.pool.repeats == pytest.approx(1 / 8)
    assert scores.curated.n_samples == scores.random.n_samples == 3
    assert scores.curated.balance == pytest.approx(1)  # a and d
    assert scores.curated.off_topic == pytest.approx(1 / 3)
    assert scores.curated.repeats == 0
    assert scores.curated.accuracy_true == 1
    assert scores.random_std.n_samples == 0


def test_a_near_duplicate_repeats_only_where_its_original_is_in_the_set_too(
    hand_made: JudgedPool, probe: Probe
) -> None:
    a, b, f = (IDS.index(name) for name in "abf")
    assert score_set(hand_made, np.array([b, f]), probe).repeats == 0
    assert score_set(hand_made, np.array([a, f]), probe).repeats == 1 / 2


def test_a_probe_that_saw_one_class_is_right_for_half_and_one_that_saw_none_for_nothing(
    hand_made: JudgedPool, probe: Probe
) -> None:
    g, b = IDS.index("g"), IDS.index("b")
    assert score_set(hand_made, np.array([b]), probe).accuracy_true == 1 / 2
    off_topic = score_set(hand_made, np.array([g]), probe)
    assert math.isnan(off_topic.accuracy_true) and math.isnan(off_topic.balance)
    assert off_topic.accuracy_pseudo == 1 / 2  # it was called an x


def test_a_probe_learns_from_the_labels_it_is_given(probe: Probe) -> None:
    rows = np.arange(5)
    right = np.array([0, 0, 0, 1, 1, -1, -1, -1])
    assert probe.accuracy(rows, right, 2) == 1
    assert probe.accuracy(rows, np.where(right >= 0, 1 - right, -1), 2) == 0


def test_a_random_set_of_the_size_of_the_pool_scores_as_the_pool(hand_made: JudgedPool, probe: Probe) -> None:
    scores = score_pool(replace(hand_made, selected=np.ones(8, bool)), probe, n_random=2)
    assert scores.random == scores.pool == scores.curated
    assert scores.random_std == replace(scores.random_std, **dict.fromkeys(vars(scores.random_std), 0.0))


def test_the_random_sets_are_the_mean_of_all_sets_in_the_long_run(hand_made: JudgedPool, probe: Probe) -> None:
    every = [score_set(hand_made, np.array(rows), probe) for rows in itertools.combinations(range(8), 3)]
    scores = score_pool(hand_made, probe, n_random=60)
    assert scores.random.off_topic == pytest.approx(np.mean([each.off_topic for each in every]), abs=0.08)
    assert scores.random_std.off_topic == pytest.approx(np.std([each.off_topic for each in every]), abs=0.08)
    assert score_pool(hand_made, probe, n_random=3, seed=1) == score_pool(hand_made, probe, n_random=3, seed=1)


NUMBERS = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.integers(0, 2), st.booleans()), max_size=20)


@settings(deadline=None, max_examples=60)
@given(NUMBERS)
def test_label_scores_agree_with_a_count_sample_by_sample(rows: list[tuple[int, int, int, bool]]) -> None:
    truth, pseudo, top, known = (np.array([row[i] for row in rows]) for i in range(4))
    n = len(rows)
    pool = JudgedPool(
        classes=("0", "1", "2"),
        truth=truth.astype(np.int64),
        repeats=np.full(n, -1),
        selected=np.zeros(n, bool),
        given=known.astype(bool),
        pseudo=pseudo.astype(np.int64),
        top=top.astype(np.int64),
        ranked=np.ones(n, bool),
    )
    counted = [row for row in rows if row[0] >= 0 and not row[3]]
    labelled = [row for row in counted if row[1] >= 0]
    classes = sorted({row[0] for row in counted})
    recalls = [
        sum(row[0] == row[1] for row in counted if row[0] == c) / sum(row[0] == c for row in counted) for c in classes
    ]
    scores = score_labels(pool)
    assert scores.n_samples == len(counted)
    _same(scores.coverage, [row[1] >= 0 for row in counted])
    _same(scores.accuracy, [row[0] == row[1] for row in labelled])
    _same(scores.top_accuracy, [row[0] == row[2] for row in counted])
    _same(scores.macro_recall, recalls)
    _same(scores.off_topic_labelled, [row[1] >= 0 for row in rows if row[0] < 0])


def _same(found: float, values: Sequence[float]) -> None:
    if values:
        assert found == pytest.approx(sum(values) / len(values))
    else:
        assert math.isnan(found)


def test_balanced_accuracy_weighs_every_class_alike() -> None:
    truth, predicted = np.array([0, 0, 0, 0, 2]), np.array([0, 0, 0, 1, 1])
    assert balanced_accuracy(truth, predicted, 3) == pytest.approx((3 / 4 + 0) / 2)


def test_a_truth_that_does_not_know_a_sample_is_refused(tmp_path: Path) -> None:
    _tiny_store(tmp_path, "x")
    with pytest.raises(ValueError, match="truth: knows nothing of 1 samples of the pool, a the first"):
        judge_pool(connect_run(tmp_path), HAND.slice(1))


def test_a_pseudo_label_that_is_no_class_of_the_truth_is_named(tmp_path: Path) -> None:
    _tiny_store(tmp_path, "zebra")
    with pytest.raises(ValueError, match="pseudo-labels: 'zebra' is none of the classes x, y"):
        judge_pool(connect_run(tmp_path), HAND)


def _tiny_store(store: Path, label: str) -> None:
    fact = {"width": 8, "height": 8, "mode": "L", "format": "PNG", "n_frames": 1, "exif_orientation": 1, "n_bytes": 1}
    samples = SAMPLES.build({"sample_id": ["a"], **{name: [value] for name, value in fact.items()}})
    labels = _labels("pseudo", {"a": (label, label)})
    _finish_run(store, {Stage.FEATURES: (SAMPLES, samples), Stage.PSEUDO_LABEL: (LABELS, labels)}, [])


def test_bad_calls_are_named(hand_made: JudgedPool, probe: Probe) -> None:
    with pytest.raises(ValueError, match="no selected sample"):
        score_pool(replace(hand_made, selected=np.zeros(8, bool)), probe)
    with pytest.raises(ValueError, match="features: want one row for each of the 8 samples of the pool, got 7"):
        score_pool(hand_made, replace(probe, features=probe.features[1:]))
    with pytest.raises(ValueError, match="n_random: wants 1 or more, got 0"):
        score_pool(hand_made, probe, n_random=0)
    with pytest.raises(ValueError, match=r"top: wants shape \(8,\)"):
        replace(hand_made, top=np.zeros(7, np.int64))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoPool:
    return make_demo_pool(tmp_path_factory.mktemp("demo") / "pool")


@pytest.fixture(scope="module")
def oracle(demo: DemoPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that ingested all of the demo, whose labels are the truth, and which selected three digits a class."""
    store = tmp_path_factory.mktemp("oracle")
    mark_format(store)
    shards = plan_shards([str(source) for source in (*demo.sources, demo.judges)])
    made = [done.path for done in ingest_shards(store, shards, IngestConfig())]
    truth = pq.read_table(demo.truth).to_pylist()
    places = Counter[str]()
    selected = {}
    for row in truth:
        places[row["label"]] += row["kind"] == "digit"
        selected[row["sample_id"]] = row["kind"] == "digit" and places[row["label"]] <= 3
    labels = {row["sample_id"]: (row["label"], row["label"] or "0") for row in truth}
    judges = [row["sample_id"] for row in csv.DictReader(demo.evaluate.read_text().splitlines())]
    selection = _selection(selected, judges)
    tables = {Stage.PSEUDO_LABEL: (LABELS, _labels("pseudo", labels)), Stage.RANK: (SELECTION, selection)}
    _finish_run(store, tables, made)
    return store


def test_a_perfect_pipeline_gets_perfect_scores_on_the_demo_whose_judges_are_not_in_the_pool(
    demo: DemoPool, oracle: Path
) -> None:
    scores = score_store(oracle, demo, n_random=2)
    assert (scores.pool.n_samples, scores.curated.n_samples) == (771, 30)
    assert scores.pool.off_topic == pytest.approx(40 / 771)
    assert scores.pool.repeats == pytest.approx(35 / 771)
    assert (scores.curated.balance, scores.curated.off_topic, scores.curated.repeats) == (pytest.approx(1), 0, 0)
    assert (scores.labels.accuracy, scores.labels.coverage, scores.labels.macro_recall) == (1, 1, 1)
    assert scores.labels.n_samples == sum(CLASS_COUNTS) + 35  # the oracle has no label set 'given'
    assert scores.labels.off_topic_labelled == 0
    # Pixels that were not those of their sample would teach the probe nothing: 10 %.
    assert 0.75 < scores.pool.accuracy_true == scores.pool.accuracy_pseudo < 1
    assert scores.curated.accuracy_true > scores.random.accuracy_true


def test_scores_come_out_the_same_twice(demo: DemoPool, oracle: Path) -> None:
    assert score_store(oracle, demo, n_random=2) == score_store(oracle, demo, n_random=2)


def test_a_store_without_a_finished_run_says_so(demo: DemoPool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finished run"):
        score_store(tmp_path, demo)


def test_grey_pixels_of_a_digit_are_its_own(demo: DemoPool) -> None:
    from sklearn.datasets import load_digits

    images = [row["bytes"] for row in pq.read_table(demo.test)["image"].to_pylist()[:5]]
    pixels = grey_pixels(images)
    assert pixels.shape == (5, 64) and pixels.dtype == np.float32
    levels = np.rint(load_digits().data * 255 / 16).astype(np.float32)
    assert all((levels == row).all(axis=1).sum() == 1 for row in pixels)


def test_the_rendered_scoreboard_fits_80_columns_and_gives_every_number(hand_made: JudgedPool, probe: Probe) -> None:
    scores = score_pool(hand_made, probe, n_random=4)
    scores = replace(scores, curated=replace(scores.curated, accuracy_pseudo=float("nan")))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render_scores(scores))
    text = " ".join(console.export_text().split())
    assert "random, same" in text and " ± " in text
    assert "0.918" in text and "33.3%" in text and "100.0%" in text
    assert "60.0% are labelled, 66.7% of them rightly (macro recall 41.7%)" in text
    assert "nan" not in text
