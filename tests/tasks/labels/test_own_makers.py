"""A label maker of a user's own: a module outside the package, a line in the config, and the real stages."""

import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from label_pools import random_pool
from small_labels import LabelledPool, write_labelled_pool

from windrow.schemas import LABELS
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.labels.labeling import decide_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.predictions import predict_labels
from windrow.tasks.storage.store.outputs import Done, open_output

EMBEDDINGS, TRUTH = random_pool(3, n=120, labelled=120)
NAMES = [["ant", "bee", "cat"][label] if n < 40 else None for n, label in enumerate(TRUTH)]
NEAREST = """
    from dataclasses import dataclass
    import numpy as np

    @dataclass(frozen=True)
    class Nearest:
        '''The label of the nearest labelled sample, with a sureness of its own.'''

        sureness: float = 0.9
        needs = ("labels",)

        def fit(self, pool):
            def predict(labels, rows):
                known = np.flatnonzero(labels >= 0)
                x = pool.embeddings.astype(np.float64)
                near = known[((x[rows, None] - x[known]) ** 2).sum(axis=2).argmin(axis=1)]
                rest = (1 - self.sureness) / (pool.n_classes - 1)
                said = np.full((len(rows), pool.n_classes), rest, np.float32)
                said[np.arange(len(rows)), labels[near]] = self.sureness
                return said

            return predict

    surer = Nearest(0.99)
"""


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a module where Python finds it, as a user's lies in the folder of a run."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))

    return write


def config_of(*makers: str, **settings: Any) -> LabelsConfig:
    return LabelsConfig(makers=makers, combine=makers, n_folds=4, **settings)


def predict(store: Path, pool: LabelledPool, maker: str) -> Done:
    return predict_labels(store, pool.made, maker, config_of(maker), BackboneConfig(), 0)


def test_a_maker_of_ones_own_labels_the_pool_beside_those_that_are_there(tmp_path: Path, write_module: Any) -> None:
    write_module("nearest_own", NEAREST)
    config = config_of("python:nearest_own:Nearest", "probe", least_belonging=0.0)
    store = tmp_path / "store"
    pool = write_labelled_pool(store, EMBEDDINGS, NAMES)
    predicted = [predict_labels(store, pool.made, name, config, BackboneConfig(), 0).path for name in config.makers]
    cluster = cluster_pool(store, pool.features, ClusteringConfig(n_clusters=(6, 3), n_rounds=1), 0).path
    made = replace(pool.made, cluster=(cluster,), predictions=tuple(predicted))
    done = decide_labels(store, made, config, 0)
    table = open_output(store / done.path).read(LABELS)
    assert set(table["label_set"].to_pylist()) >= {"python:nearest_own:Nearest", "probe", "pseudo"}
    for label_set in ("python:nearest_own:Nearest", "pseudo"):
        first = [row[0] for row in table.filter(pc.equal(table["label_set"], label_set))["classes"].to_pylist()]
        assert np.mean([name == ["ant", "bee", "cat"][c] for name, c in zip(first, TRUTH, strict=True)]) > 0.7


def test_an_instance_has_its_settings_and_its_predictions_are_found_done(tmp_path: Path, write_module: Any) -> None:
    write_module("nearest_instance", NEAREST)
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    names = ("python:nearest_instance:Nearest", "python:nearest_instance:surer")
    sure, surer = (predict(tmp_path, pool, name) for name in names)
    assert open_output(tmp_path / surer.path).inputs["settings"] == {"sureness": 0.99}
    assert sure.path != surer.path and predict(tmp_path, pool, names[1]).found
    # Its source is part of what its predictions are of.
    write_module("nearest_instance", NEAREST + "\n    # changed\n")
    del sys.modules["nearest_instance"]  # as in the process of the next run
    assert not predict(tmp_path, pool, names[1]).found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", r"^makers: wants some of knn, .* or python:module:Name, got 'nobody'"),
        ("python:wrong_makers", "wants python:module:Name"),
        ("python:no_such_module:Maker", "there is no module 'no_such_module'"),
        ("python:wrong_makers:Missing", "has no 'Missing'"),
        ("python:wrong_makers:number", r"wants a label maker with `needs` and `fit\(pool\)`, got 3 without fit"),
        ("python:wrong_makers:Unready", "wants a class that can be made without arguments"),
        ("python:wrong_makers:Greedy", "wants `needs` with some of labels, graph, texts, sources, got .*'weather'"),
    ],
)
def test_what_is_no_maker_is_refused_when_the_config_is_read(write_module: Any, name: str, message: str) -> None:
    write_module(
        "wrong_makers",
        """
        number = 3

        class Unready:
            def __init__(self, k): ...

        class Greedy:
            needs = ("labels", "weather")
            def fit(self, pool): ...
        """,
    )
    with pytest.raises(ValueError, match=message):
        config_of(name)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("None", r"wants float32 of shape \(\d+, 3\), got NoneType"),
        ("np.zeros((len(rows), 2), np.float32)", r"wants float32 of shape \(\d+, 3\), got float32 \(\d+, 2\)"),
        ("np.full((len(rows), 3), np.nan, np.float32)", "wants probabilities from 0 whose rows sum to 1"),
    ],
)
def test_an_answer_that_is_none_is_refused_by_name(
    tmp_path: Path, write_module: Any, answer: str, message: str
) -> None:
    module = f"answers_{len(answer)}"
    write_module(
        module,
        f"""
        import numpy as np

        class Maker:
            needs = ("labels",)
            def fit(self, pool):
                return lambda labels, rows: {answer}
        """,
    )
    pool = write_labelled_pool(tmp_path, EMBEDDINGS, NAMES)
    with pytest.raises(ValueError, match=f"'python:{module}:Maker': {message}"):
        predict(tmp_path, pool, f"python:{module}:Maker")
