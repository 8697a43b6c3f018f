"""How makers were tuned and judged stays while little changed; what they say is learnt every night."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_pools import random_pool
from small_features import ids, write_features
from small_labels import write_given

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.config import parse_config
from windrow.tasks.labels import predictions
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions import predict_labels
from windrow.tasks.labels.predictions_before import TUNED, LabelsBefore, labels_before
from windrow.tasks.labels.rows.prediction_rows import read_held_out, read_rounds
from windrow.tasks.storage.files.seals import read_sealed
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, Output, make_output, open_output
from windrow.tasks.storage.store.removed_outputs import remove_output
from windrow.tasks.storage.store.run_records import StageRecord, start_run
from windrow.tasks.storage.store.store_format import mark_format

N, N_FIRST = 300, 292
CLASSES = ("ant", "bee", "cat")
EMBEDDINGS, LABELS = random_pool(3, n=N, labelled=150)
IDS = ids(N)
ROWS = np.random.default_rng(0).permutation(N)
FIRST, ALL = np.sort(ROWS[:N_FIRST]), np.arange(N)


@dataclass
class Nights:
    """A store, and what the last night left in it."""

    store: Path
    before: LabelsBefore | None = None
    keeps: bool = False
    done: list[Done] = field(default_factory=list)

    def night(self, rows: np.ndarray, labels: np.ndarray = LABELS, **config: Any) -> Output:
        features = (write_features(self.store, [IDS[row] for row in rows], EMBEDDINGS[rows]),)
        neighbors = (find_neighbors(self.store, features, NeighborsConfig(k=10)).path,)
        known = [row for row in rows if labels[row] >= 0]
        given = write_given(self.store, [IDS[row] for row in known], [CLASSES[labels[row]] for row in known])
        made = Made(features=features, neighbors=neighbors, given_labels=(given,))
        wanted = LabelsConfig(makers=("smoothed",), combine=("smoothed",), **config)
        self.done.append(predict_labels(self.store, made, "smoothed", wanted, BackboneConfig(), 0, self.before))
        self.before = LabelsBefore({"smoothed": self.done[-1].path}, given, self.keeps)
        return open_output(self.store / self.done[-1].path)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def changed(rows: int | np.ndarray, label: int) -> np.ndarray:
    labels = LABELS.copy()
    labels[rows] = label
    return labels


def fit_of(output: Output) -> str | None:
    found: str | None = output.inputs["earlier"]
    return found


def test_labels_are_learnt_of_tonight_and_only_tuning_and_judgement_stay(nights: Nights) -> None:
    first, second = nights.night(FIRST), nights.night(ALL)
    assert fit_of(first) is None and fit_of(second) == nights.done[0].path
    pool = LabelPool(EMBEDDINGS.astype(np.float16), 3, neighbor_graph(EMBEDDINGS.astype(np.float16), 10))
    chosen = read_sealed(first.path / TUNED)["chosen"]
    assert chosen["strength"] in (1, 2, 5, 8)
    predict = replace(MAKERS["smoothed"](), **chosen).fit(pool)
    assert read_rounds(second)[0] == pytest.approx(predict(LABELS, ALL), abs=1e-6)
    labelled = np.flatnonzero(LABELS >= 0)
    held_out, is_old = read_held_out(second), np.isin(labelled, FIRST)
    assert 0 < (~is_old).sum() < 8
    assert np.array_equal(held_out[is_old], read_held_out(first))
    came = labelled[~is_old]
    assert held_out[~is_old] == pytest.approx(predict(changed(came, -1), came), abs=1e-6)


def test_a_night_that_keeps_only_says_what_is_new_and_judges_its_labels_by_others(tmp_path: Path) -> None:
    nights = Nights(tmp_path, keeps=True)
    first, second = nights.night(FIRST), nights.night(ALL)
    said, is_new = read_rounds(second)[0], ~np.isin(ALL, FIRST)
    assert np.array_equal(said[~is_new], read_rounds(first)[0])
    new, graph = ALL[is_new], neighbor_graph(EMBEDDINGS.astype(np.float16), 10)
    pool = LabelPool(EMBEDDINGS.astype(np.float16), 3, graph)
    maker = replace(MAKERS["smoothed"](), **read_sealed(first.path / TUNED)["chosen"])
    assert said[is_new] == pytest.approx(maker.of_new(pool, LABELS, new, said), abs=1e-6)
    labelled = np.flatnonzero(LABELS >= 0)
    held_out, came = read_held_out(second), is_new[labelled]
    assert came.any() and np.array_equal(held_out[~came], read_held_out(first))
    apart = maker.of_new(pool, np.where(is_new, -1, LABELS), new, said)
    assert held_out[came] == pytest.approx(apart[LABELS[new] >= 0], abs=1e-6)


def test_whoever_runs_it_by_hand_after_a_night_has_labels_learnt_anew(tmp_path: Path) -> None:
    nights = Nights(tmp_path, keeps=True)
    nights.night(FIRST)
    kept, again = nights.night(ALL), nights.night(ALL)
    assert kept.path == again.path
    nights.before = replace(nights.before, keeps=False)  # type: ignore[type-var]
    assert nights.night(ALL).path == kept.path  # nothing is new: it is found
    nights.keeps = False
    nights.before = LabelsBefore({"smoothed": nights.done[0].path}, nights.before.given)
    by_hand = nights.night(ALL)
    assert by_hand.inputs["earlier"] == kept.inputs["earlier"] and by_hand.digest != kept.digest


def test_a_night_goes_on_from_what_somebody_had_learnt_anew_by_hand(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    rows = [FIRST, np.sort(ROWS[: N_FIRST + 4]), ALL]
    nights.night(rows[0])
    by_hand = nights.night(rows[1])
    assert nights.before is not None
    nights.before = replace(nights.before, keeps=True)
    nights.keeps = True
    kept, place = nights.night(rows[2]), np.searchsorted(rows[2], rows[1])
    assert (by_hand.inputs["earlier"], kept.inputs["earlier"]) == (nights.done[0].path, nights.done[1].path)
    assert np.array_equal(read_rounds(kept)[0][place], read_rounds(by_hand)[0])
    nights.before = replace(nights.before, keeps=False)
    assert nights.night(rows[2][1:]).inputs["earlier"] == nights.done[0].path


def test_what_the_fit_said_of_a_sample_judges_a_label_that_came_since(tmp_path: Path) -> None:
    nights = Nights(tmp_path, keeps=True)
    row = int(np.flatnonzero(LABELS >= 0)[5])
    first, second = nights.night(ALL, changed(row, -1)), nights.night(ALL)
    assert second.inputs["earlier"] == nights.done[0].path
    place = int((LABELS[:row] >= 0).sum())
    assert np.array_equal(read_held_out(second)[place], read_rounds(first)[0][row])
    assert np.array_equal(read_rounds(second)[0], read_rounds(first)[0])


def test_every_night_goes_back_to_the_same_fit_whatever_lay_between(nights: Nights) -> None:
    """Samples that went and came again leave no trace: only the fit and tonight count."""
    nights.night(FIRST)
    nights.night(np.setdiff1d(ALL, FIRST[:4]))
    last = nights.night(ALL)
    straight = Nights(nights.store / "other")
    straight.night(FIRST)
    assert last.digest == straight.night(ALL).digest
    assert fit_of(last) == nights.done[0].path


def test_a_night_with_nothing_new_finds_it_done(nights: Nights) -> None:
    for rows in (FIRST, FIRST, ALL, ALL):
        nights.night(rows)
    first, same, second, again = nights.done
    assert (first.path, second.path) == (same.path, again.path) and first.path != second.path
    assert [done.found for done in nights.done] == [False, True, False, True]


LABELLED = int(np.flatnonzero(LABELS >= 0)[0])


@pytest.mark.parametrize(
    ("rows", "labels", "config"),
    [
        (ALL, changed(LABELLED, (LABELS[LABELLED] + 1) % 3), {}),
        (ALL, changed(LABELLED, -1), {}),
        (ALL[: N - 40], LABELS, {}),
        (ALL, LABELS, {"n_folds": 4}),
        (ALL, LABELS, {"refit": "always"}),
    ],
    ids=["another label", "a label withdrawn", "many are gone", "another setting", "always"],
)
def test_makers_learn_anew_where_more_has_changed(
    nights: Nights, rows: np.ndarray, labels: np.ndarray, config: dict[str, Any]
) -> None:
    nights.night(ALL)
    found = nights.night(rows, labels, **config)
    afresh = Nights(nights.store / "afresh").night(rows, labels, **config)
    assert fit_of(found) is None and found.digest == afresh.digest


def test_makers_learn_anew_when_many_are_new_or_the_fit_is_gone(nights: Nights) -> None:
    nights.night(ALL[:250])
    assert fit_of(nights.night(ALL)) is None
    nights.night(FIRST)
    remove_output(nights.store / nights.done[1].path)
    assert fit_of(nights.night(ALL[1:])) is None


def test_what_another_version_of_the_code_predicted_is_not_gone_on_with(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "VERSION", 2)
    nights.night(FIRST)
    monkeypatch.undo()
    assert fit_of(nights.night(FIRST)) is None and not nights.done[1].found


def test_the_last_finished_run_says_what_it_predicted_by_the_same_backbone(nights: Nights) -> None:
    mark_format(nights.store)
    nights.night(FIRST)
    assert nights.before is not None
    features, others = (
        (make_output(nights.store, "features", 1, {"backbone_id": name}, lambda _: None).path,) for name in "ab"
    )
    config = parse_config({"name": "small", "sources": ["."], "store": str(nights.store)})
    assert labels_before(nights.store, "small", features) is None
    run = start_run(nights.store, "small", asdict(config))
    outputs = (nights.before.given, nights.done[0].path)
    for stage, paths in ((Stage.FEATURES, features), (Stage.PSEUDO_LABEL, outputs)):
        run.record(StageRecord(stage, paths, 0, 0, 0.0, {}))
    run.finish("finished")
    assert labels_before(nights.store, "small", features) == nights.before
    assert labels_before(nights.store, "small", others) is None
    assert labels_before(nights.store, "other", features) is None
    remove_output(nights.store / nights.done[0].path)
    assert labels_before(nights.store, "small", features) is None
