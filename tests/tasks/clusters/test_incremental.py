"""Which clusters of an earlier run another may go on from."""

from dataclasses import asdict
from pathlib import Path

from windrow.tasks.clusters.incremental import clusters_before
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.storage.store.outputs import make_output
from windrow.tasks.storage.store.run_records import StageRecord, start_run
from windrow.tasks.storage.store.store_format import mark_format


def embedded(store: Path, backbone_id: str) -> tuple[str, ...]:
    return (make_output(store, "features", 1, {"backbone_id": backbone_id}, lambda _: None).path,)


def finished(config: CurationConfig, features: tuple[str, ...]) -> None:
    run = start_run(Path(config.store), config.name, asdict(config))
    for stage, outputs in (("features", features), ("cluster", ("outputs/cluster/00/00",))):
        run.record(StageRecord(stage, outputs, 0, 0, 0.0, {}))
    run.finish("finished")


def before(config: CurationConfig, features: tuple[str, ...]) -> str | None:
    return clusters_before(Path(config.store), config.name, asdict(config), features)


def test_clusters_go_on_with_the_same_settings_and_the_same_fit_of_the_backbone_only(tmp_path: Path) -> None:
    config = parse_config({"name": "small", "sources": ["."], "store": str(tmp_path)})
    mark_format(tmp_path)
    first, fitted_again = embedded(tmp_path, "one"), embedded(tmp_path, "other")
    assert before(config, first) is None
    finished(config, first)
    assert before(config, first) == "outputs/cluster/00/00"
    assert before(config, fitted_again) is None
    other = parse_config({"name": "small", "sources": ["."], "store": str(tmp_path), "features": {"image_size": 64}})
    assert before(other, first) is None
