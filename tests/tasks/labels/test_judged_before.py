"""What judges samples by labels, in a night that keeps what was said: only what is new is judged."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from noisy_labels import noisy_blobs
from small_features import ids, write_features
from small_labels import write_given

from windrow.schemas import BELONGING, LABEL_QUALITY
from windrow.schemas.stages import Part
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.labels.belonging_scores import find_belonging
from windrow.tasks.labels.checks import label_checks
from windrow.tasks.labels.checks.label_checks import _beside, check_labels
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig
from windrow.tasks.labels.predictions_before import LabelsBefore
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, Output, open_output

N, N_FIRST = 400, 392
IDS = ids(N)
VECTORS, NOISY, _ = noisy_blobs(N, rate=0.15)
LABELS = np.where(np.arange(N) % 3 > 0, NOISY, -1)
NAMES = ("cat", "dog", "hen")
ALL, FIRST = np.arange(N), np.delete(np.arange(N), np.arange(20, 52, 4))


@dataclass
class Nights:
    """A store, and what the last night left in it."""

    store: Path
    before: LabelsBefore | None = None
    done: list[Done] = field(default_factory=list)

    def night(self, part: Part, rows: np.ndarray, labels: np.ndarray = LABELS, keeps: bool = True) -> Output:
        features = (write_features(self.store, [IDS[row] for row in rows], VECTORS[rows]),)
        neighbors = (find_neighbors(self.store, features, NeighborsConfig(k=10)).path,)
        known = [row for row in rows if labels[row] >= 0]
        given = write_given(self.store, [IDS[row] for row in known], [NAMES[labels[row]] for row in known])
        made = Made(features=features, neighbors=neighbors, given_labels=(given,))
        if part == Part.BELONGING:
            self.done.append(find_belonging(self.store, made, self.before))
        else:
            self.done.append(check_labels(self.store, made, LabelChecksConfig(), 5, 0, self.before))
        self.before = LabelsBefore({}, given, keeps, {str(part): self.done[-1].path})
        return open_output(self.store / self.done[-1].path)


@pytest.mark.parametrize("part", [Part.BELONGING, Part.LABEL_CHECKS])
def test_a_night_judges_what_is_new_and_keeps_the_rest_and_a_run_by_hand_judges_all(tmp_path: Path, part: Part) -> None:
    table = BELONGING if part == Part.BELONGING else LABEL_QUALITY
    nights = Nights(tmp_path)
    first, second, again = nights.night(part, FIRST), nights.night(part, ALL), nights.night(part, ALL, keeps=False)
    assert second.inputs["earlier"] == nights.done[0].path
    assert again.path == second.path and nights.done[2].found  # nothing is new: whoever asks
    old, now = ({row["sample_id"]: row for row in each.read(table).to_pylist()} for each in (first, second))
    assert list(now) == sorted(now) and {name: now[name] for name in old} == old
    expected = IDS if part == Part.BELONGING else [IDS[row] for row in ALL[LABELS >= 0]]
    assert list(now) == expected
    nights.before = LabelsBefore(
        {}, nights.before.given if nights.before else "", False, {str(part): nights.done[0].path}
    )
    by_hand = nights.night(part, ALL)
    whole = Nights(tmp_path / "whole").night(part, ALL)
    assert "earlier" not in by_hand.inputs and by_hand.digest == whole.digest


@pytest.mark.parametrize("part", [Part.BELONGING, Part.LABEL_CHECKS])
def test_all_are_judged_anew_where_a_label_is_another_or_many_came(tmp_path: Path, part: Part) -> None:
    nights, other = Nights(tmp_path), LABELS.copy()
    other[int(np.flatnonzero(LABELS == 0)[0])] = 1
    nights.night(part, FIRST)
    assert "earlier" not in nights.night(part, ALL, other).inputs
    nights.night(part, ALL[: N // 2])
    assert "earlier" not in nights.night(part, ALL).inputs


def test_new_labels_are_judged_nearly_as_beside_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_checks, "LEAST_BESIDE", 100)
    nights = Nights(tmp_path)
    nights.night(Part.LABEL_CHECKS, FIRST)
    kept, whole = (
        each.read(LABEL_QUALITY).to_pylist()
        for each in (nights.night(Part.LABEL_CHECKS, ALL), Nights(tmp_path / "whole").night(Part.LABEL_CHECKS, ALL))
    )
    new = {IDS[row] for row in np.setdiff1d(ALL, FIRST)}
    pairs = [(one, two) for one, two in zip(kept, whole, strict=True) if one["sample_id"] in new]
    assert len(pairs) == 5
    assert [one["suggested_label"] for one, _ in pairs] == [two["suggested_label"] for _, two in pairs]


def test_every_class_is_among_those_that_new_labels_are_judged_beside() -> None:
    labels = np.array([0] * 5000 + [1] * 7 + [2] * 900)
    found = labels[_beside(labels, 3)]
    assert np.bincount(found).tolist()[1] == 7
    assert 500 <= len(found) <= 560
