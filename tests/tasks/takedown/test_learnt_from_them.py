"""What learnt from forgotten samples goes with them: clusters, what was said of others, a fitted backbone."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from small_pool import SmallPool, ids, png, stripes
from taken_down import NOW, forget_again

from windrow.schemas import PREDICTIONS
from windrow.schemas.stages import Part
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.clusters.known_graph import GraphBefore
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.features.fitting import FITTED
from windrow.tasks.storage.store.holders import holds
from windrow.tasks.storage.store.outputs import all_outputs, make_output, open_output
from windrow.tasks.takedown.forget_targets import Chosen
from windrow.tasks.takedown.removal import forget, survey


def test_clusters_that_went_on_from_theirs_go_too_and_the_next_ones_start_afresh(pool: SmallPool) -> None:
    config = ClusteringConfig((4, 2), n_rounds=1, refit="never")
    both = [str(output.path.relative_to(pool.store)) for output in all_outputs(pool.store, "features")]
    without = [path for path in both if not holds(open_output(pool.store / path), pa.array(ids(pool.near)))]
    assert len(without) == 1
    first = cluster_pool(pool.store, both, config, 0)
    second = cluster_pool(pool.store, without, config, 0, before=first.path)
    assert not holds(open_output(pool.store / second.path), pa.array(ids(pool.near)))
    forget(pool.store, [vars(Chosen(*ids(pool.near), *ids(pool.near)))], None, NOW)
    assert not (pool.store / second.path).exists()
    afresh = cluster_pool(pool.store, without, config, 0, before=second.path)
    assert open_output(pool.store / afresh.path).inputs["earlier"] is None


def test_a_graph_that_was_extended_from_theirs_goes_too(pool: SmallPool) -> None:
    config = NeighborsConfig(k=3, method="approximate")
    both = tuple(str(output.path.relative_to(pool.store)) for output in all_outputs(pool.store, "features"))
    without = [path for path in both if not holds(open_output(pool.store / path), pa.array(ids(pool.near)))]
    first = find_neighbors(pool.store, both, config)
    second = find_neighbors(pool.store, without, config, GraphBefore(first.path, both))
    assert not holds(open_output(pool.store / second.path), pa.array(ids(pool.near)))
    assert {first.path, second.path} <= set(survey(pool.store, ids(pool.near))["remove"])


@pytest.mark.parametrize("stage", [Part.PREDICTIONS, Part.BELONGING, Part.LABEL_CHECKS])
def test_what_was_said_of_others_by_theirs_goes_too(pool: SmallPool, stage: Part) -> None:
    (wanted,) = ids(pool.wanted)
    fit = next(all_outputs(pool.store, Part.PREDICTIONS))
    inputs = {"earlier": str(fit.path.relative_to(pool.store))}
    empty = PREDICTIONS.schema().empty_table()
    heir = make_output(pool.store, stage, 0, inputs, lambda writer: writer.write(PREDICTIONS, empty))
    assert {heir.path, inputs["earlier"]} <= set(survey(pool.store, [wanted])["remove"])


def test_a_backbone_that_was_fitted_on_them_goes_and_the_next_is_fitted_without_them(pool: SmallPool) -> None:
    (first,) = all_outputs(pool.store, "fit_backbone")
    assert holds(first, pa.array(ids(pool.near)))
    before = (first.path / FITTED).read_bytes()
    forget_again(pool)
    assert list(all_outputs(pool.store, "fit_backbone")) == []
    curate_inline(pool.config)
    (second,) = all_outputs(pool.store, "fit_backbone")
    assert pq.read_table(second.path / "fitted_on.parquet")["sample_id"].to_pylist() == ids(*pool.others)
    assert (second.path / FITTED).read_bytes() != before


def test_a_backbone_that_was_fitted_without_them_stays_and_nothing_is_embedded_again(pool: SmallPool) -> None:
    more = pool.with_source("later", png(stripes(99)))
    curate_inline(more.config)
    (first,) = all_outputs(pool.store, "fit_backbone")
    forget(pool.store, [vars(Chosen(*ids(png(stripes(99))), *ids(png(stripes(99)))))], None, NOW)
    run = curate_inline(more.config)
    assert [output.path for output in all_outputs(pool.store, "fit_backbone")] == [first.path]
    embedded = run.stage("features")
    assert embedded is not None
    assert embedded.n_found == len(embedded.outputs) == 3
