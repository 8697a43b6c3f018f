"""Plans of batches over a real version: written, read back by DuckDB, and read through the loader on any ranks."""

from pathlib import Path

import duckdb
import pytest
from small_export import export, make_selection

from windrow.flows.commands.cli import app
from windrow.tasks.loading.batch_plan import BatchPlan, plan_batches, read_batches, write_batches
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.loading.version_samples import read_version_samples


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    rows, _ = make_selection(folder / "source", 48)
    return export(folder / "store", rows).path


def test_a_plan_reaches_every_trainer(version: Path, tmp_path: Path) -> None:
    samples = read_version_samples(version)
    plan = BatchPlan("same-cluster", batch_size=3, level=2, seed=4)
    planned = plan_batches(samples, plan)
    path = tmp_path / "batches.parquet"
    write_batches(path, samples, planned)
    assert all((a == b).all() for a, b in zip(read_batches(path, samples), planned, strict=True))
    held = duckdb.sql(
        f"SELECT count(DISTINCT s.cluster_path[2]) FROM '{path}' b JOIN '{version}/samples.parquet' s USING (sample_id)"
        " WHERE b.sample_index = s.sample_index GROUP BY batch"
    ).fetchall()
    assert held == [(1,)] * len(planned)
    expected = sorted(sorted(samples.table["sample_index"][place].as_py() for place in batch) for batch in planned)
    for n_ranks in (1, 2, 3):
        loaders = [
            data_loader(version, batches=path, unlabelled="keep", rank=rank, n_ranks=n_ranks) for rank in range(n_ranks)
        ]
        seen = [[sorted(info["sample_index"].tolist()) for _, _, info in loader] for loader in loaders]
        assert len({len(each) for each in seen}) == 1
        flat = [batch for each in seen for batch in each]
        assert 0 <= len(flat) - len(expected) < n_ranks and all(batch in flat for batch in expected)


def test_it_goes_on_in_the_middle_of_a_plan(version: Path, tmp_path: Path) -> None:
    path = tmp_path / "batches.parquet"
    samples = read_version_samples(version)
    write_batches(path, samples, plan_batches(samples, BatchPlan("one-per-cluster", batch_size=4, level=2)))
    whole = [info["sample_id"] for _, _, info in data_loader(version, batches=path, unlabelled="keep")]
    stopped = data_loader(version, batches=path, unlabelled="keep")
    batches = iter(stopped)
    first = [next(batches).info["sample_id"] for _ in range(3)]
    resumed = data_loader(version, batches=path, unlabelled="keep", workers=1)
    resumed.load_state_dict(stopped.state_dict())
    assert first + [info["sample_id"] for _, _, info in resumed] == whole


def test_the_command_writes_and_says_what_it_wrote(
    version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.parquet"
    options = ["--rule", "labelled-quota", "--quota", "2", "--size", "8", "-o", str(path)]
    app(["batches", str(version), *options], standalone_mode=False)
    assert capsys.readouterr().out == (
        f"wrote {path}: 14 batches of 8 samples; 36 of 36 samples are in them, 76 times again\n"
    )
    assert data_loader(version, batches=path, unlabelled="keep").n_samples == 36


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "fair"}, "rule: wants one of mixed, same-cluster, .*got 'fair'"),
        ({"rule": "same-cluster", "level": 3}, "level: wants 1 to 2, got 3"),
        ({"quota": 3}, "quota: goes with the rule labelled-quota, got 3 with mixed"),
        ({"same_cluster_share": 1.0}, "same_cluster_share: wants 0 to below 1"),
        ({"batch_size": 0}, "batch_size of 1 or more"),
    ],
)
def test_plans_that_cannot_be_are_refused(version: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_batches(read_version_samples(version), BatchPlan(**settings))  # type: ignore[arg-type]


def test_a_plan_of_other_samples_is_refused(version: Path, tmp_path: Path) -> None:
    path = tmp_path / "batches.parquet"
    samples = read_version_samples(version)
    write_batches(path, samples, plan_batches(samples, BatchPlan()))
    with pytest.raises(ValueError, match=r"9 samples that are not among those to read.*plan and loader want the same"):
        data_loader(version, batches=path)
    with pytest.raises(ValueError, match="a plan says what is drawn"):
        data_loader(version, batches=path, unlabelled="keep", window=5)
