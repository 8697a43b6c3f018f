"""The reference in the pipeline: with many samples of the pool fewer are compared, and the share has an interval."""

from pathlib import Path

import numpy as np
import pytest
from small_features import ids, write_features

from windrow.schemas import REFERENCE_OVERLAP, REFERENCE_WEIGHTS
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.report.facts import read_overlap
from windrow.tasks.selection import reference_weights
from windrow.tasks.selection.reference_weights import n_compared, weigh_by_reference
from windrow.tasks.selection.selection_config import REFERENCE
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import open_output


@pytest.mark.parametrize(("n_pool", "n"), [(1, 10_000), (100_000, 10_000), (400_000, 2500), (10_000_000, 1000)])
def test_so_many_of_a_reference_are_compared_that_time_is_bounded(n_pool: int, n: int) -> None:
    assert n_compared(n_pool) == n


def test_a_part_of_a_large_reference_is_compared_and_told_with_an_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    names = ids(600)
    away = np.where(np.arange(400) % 4, 5.0, -5.0)[:, None] * np.eye(4)[0]  # a quarter is nowhere near the pool
    pool = write_features(tmp_path, names[:200], rng.standard_normal((200, 4)) + 5 * np.eye(4)[0])
    beside = write_features(tmp_path, names[200:], rng.standard_normal((400, 4)) + away)
    neighbors = find_neighbors(tmp_path, [pool], NeighborsConfig(k=5)).path
    made = Made(features=(pool,), neighbors=(neighbors,), beside_features={REFERENCE: (beside,)})

    def told(seed: int) -> tuple[dict[str, float], np.ndarray, str]:
        output = open_output(tmp_path / weigh_by_reference(tmp_path, made, seed).path)
        sentence = read_overlap(connect(tables_of({"rank": [output]})))
        assert sentence is not None
        ratio = output.read(REFERENCE_WEIGHTS, ["density_ratio"])["density_ratio"].to_numpy()
        return output.read(REFERENCE_OVERLAP).to_pylist()[0], ratio, sentence

    whole, ratio, sentence = told(0)
    assert whole["reference_covered_low"] == whole["reference_covered"] == whole["reference_covered_high"]
    assert "Of the reference set (400 samples)" in sentence and "interval" not in sentence
    monkeypatch.setattr(reference_weights, "MOST_PAIRS", 200 * 50)
    monkeypatch.setattr(reference_weights, "LEAST_COMPARED", 20)
    part, again, sentence = told(1)
    assert part["n_reference"] == 50 and whole["reference_covered"] == pytest.approx(0.75, abs=0.02)
    assert part["reference_covered_low"] <= whole["reference_covered"] <= part["reference_covered_high"]
    assert "Of the reference set (50 samples)" in sentence and "95 % interval" in sentence
    assert np.corrcoef(np.log(ratio), np.log(again))[0, 1] > 0.9  # weights are of the whole, with another seed
