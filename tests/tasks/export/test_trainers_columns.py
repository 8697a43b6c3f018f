"""What the store knows of a sample reaches the trainer, in every format, with the same values."""

import importlib.util
import json
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from begun_store import begin_store
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.tasks.config import parse_config
from windrow.tasks.conversion.all_formats import FORMATS
from windrow.tasks.conversion.converted_version import convert_version
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import latest_version

DOCS = Path(__file__).parents[3] / "docs"
POLICIES = ({"policy": "soft"}, {"policy": "exclude", "most_excluded": 1}, {"policy": "fixed", "threshold": 0.9})
N = 40


class Told(NamedTuple):
    """A run: its store, its version, and what `pool` says of each selected sample."""

    store: Path
    version: Path
    pool: dict[str, dict[str, Any]]


def columns_for_trainers() -> list[str]:
    """The columns that the pages tell a trainer to use."""
    page = (DOCS / "how-to" / "train.md").read_text()
    (table,) = re.findall(r"^\| column \| what a trainer.*?\n\n", page, re.M | re.S)
    choosing = (DOCS / "how-to" / "choose-labels.md").read_text()
    texts = [row.split("|")[1] for row in table.strip().splitlines()[2:]]
    texts += re.findall(r"[Tt]rain with the columns? ([^|]*)", choosing)
    return list(dict.fromkeys(name for text in texts for name in re.findall(r"`(\w+)`", text)))


def write_pool(source: Path) -> Path:
    """Write pictures of stripes, of which two thirds have a label."""
    source.mkdir()
    pq.write_table(
        pa.table(
            {
                "image": [png(stripes(seed)) for seed in range(N)],
                "label": [("even", "odd")[seed % 2] if seed % 3 else None for seed in range(N)],
            }
        ),
        source / "some.parquet",
    )
    return source


def curated(source: Path, store: Path, policy: dict[str, Any]) -> Told:
    values = {
        "sources": [str(source)],
        "name": "told",
        "store": str(store),
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [6, 2], "n_rounds": 1},
        "labels": {"policy": policy, "n_folds": 3, "conformal": {"coverage": 0.6}},
        "selection": {"target_size": 30, "drop_near_duplicates": False},
        "export": {"samples_per_shard": 9},
        "worth": {"holdout_share": 0},
    }
    run = curate_inline(parse_config(values))
    version = latest_version(run.store, "told")
    assert version is not None
    names = ["sample_id", "label", *columns_for_trainers()]
    with open_catalog(run.store) as catalog:
        rows = catalog.sql(f"SELECT {', '.join(names)} FROM curated ORDER BY split, rank").fetchall()
    return Told(run.store, version.path, {row[0]: dict(zip(names, row, strict=True)) for row in rows})


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """A run by each policy, over one pool; those after the first find done what does not hang on the policy."""
    folder = tmp_path_factory.mktemp("told")
    source, (first, *others) = write_pool(folder / "pool"), POLICIES
    runs = [curated(source, folder / "first", first)]
    return runs + [curated(source, begin_store(folder / each["policy"], runs[0].store), each) for each in others]


@pytest.fixture(params=range(len(POLICIES)), ids=[each["policy"] for each in POLICIES])
def told(request: pytest.FixtureRequest, every: list[Told]) -> Told:
    return every[request.param]


def check_same(told: Told, rows: Iterable[dict[str, Any]]) -> None:
    found = {row["sample_id"]: {name: row[name] for name in columns_for_trainers()} for row in rows}
    assert found == {key: {name: row[name] for name in columns_for_trainers()} for key, row in told.pool.items()}


def in_parquet(version: Path) -> list[dict[str, Any]]:
    files = sorted((version / "parquet").glob("*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def in_tars(version: Path) -> list[dict[str, Any]]:
    rows = []
    for path in sorted((version / "webdataset").glob("*.tar")):
        with tarfile.open(path) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        rows += [json.loads(data) for name, data in members.items() if name.endswith(".json")]
    return rows


def test_the_pages_tell_of_columns_and_nothing_is_called_plain_weight(told: Told) -> None:
    assert {"label_weight", "sample_weight", "left_out", "possible", "belonging", "suggested_label"} <= {
        *columns_for_trainers()
    }
    exported = pq.read_schema(told.version / "samples.parquet").names
    with open_catalog(told.store) as catalog:
        everywhere = catalog.sql("SELECT DISTINCT column_name FROM information_schema.columns").fetchall()
    assert "weight" not in {*exported, *(name for (name,) in everywhere)}


def test_every_column_of_the_pages_is_in_parquet_and_in_the_tars_as_the_store_has_it(told: Told) -> None:
    check_same(told, pq.read_table(told.version / "samples.parquet").to_pylist())
    check_same(told, in_parquet(told.version))
    check_same(told, in_tars(told.version))


def test_every_column_of_the_pages_is_in_a_batch_as_the_store_has_it(told: Told) -> None:
    names = ["sample_id", *columns_for_trainers()]
    loader = data_loader(told.version, unlabelled="keep", columns=names, batch_size=7, shuffle=False)
    rows = []
    for _, _, info in loader:
        values = {name: each.tolist() if torch.is_tensor(each) else each for name, each in info.items()}
        rows += [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]
    check_same(told, [{name: None if value != value else value for name, value in row.items()} for row in rows])


@pytest.mark.parametrize(("name", "needs"), [("lance", "lance"), ("mds", "streaming"), ("litdata", "litdata")])
def test_every_column_of_the_pages_is_in_the_formats_of_others(
    told: Told, name: str, needs: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    convert_version(told.version, tmp_path / "out", FORMATS[name])
    check_same(told, in_format(name, tmp_path / "out"))


def in_format(name: str, folder: Path) -> list[dict[str, Any]]:
    if name == "lance":
        import lance

        rows: list[dict[str, Any]] = lance.dataset(str(folder / "samples.lance")).to_table().to_pylist()
        return rows
    if name == "mds":
        from streaming import StreamingDataset

        return [
            json.loads(each["info"])
            for each in StreamingDataset(local=str(folder / "train"), shuffle=False, batch_size=1)
        ]
    import litdata

    return [json.loads(each["info"]) for each in litdata.StreamingDataset(str(folder / "train"), shuffle=False)]


def test_a_column_is_filled_under_some_policy_or_the_others_say_nothing(every: list[Told]) -> None:
    for name in columns_for_trainers():
        values = [row[name] for run in every for row in run.pool.values()]
        assert any(value is not None and value != [] for value in values), name
    weights = {row["label_weight"] for row in every[0].pool.values()}
    assert len(weights) > 2 and weights != {row["sample_weight"] for row in every[0].pool.values()}


def test_a_softmatch_loss_over_the_loader_is_that_over_the_store(told: Told) -> None:
    """Chen et al. 2023, equation 2: the mean of each pseudo-label's cross-entropy, weighed."""
    loader = data_loader(told.version, batch_size=7, columns=["label_weight"])
    weights = torch.from_numpy(np.random.default_rng(0).normal(0, 0.02, (48 * 48 * 3, 2)).astype(np.float32))

    def entropies(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(images.flatten(1) @ weights, labels, reduction="none").double()

    sums = [(info["label_weight"] * entropies(images, labels)).sum() for images, labels, info in loader]
    with open_catalog(told.store) as catalog:
        rows = catalog.sql(
            "SELECT sample_id, label, label_weight FROM labels SEMI JOIN curated USING (sample_id)"
            " WHERE label_set = 'pseudo' AND NOT abstained"
        ).fetchall()
    pictures = {row["sample_id"]: row["image"]["bytes"] for row in in_parquet(told.version)}
    images = [np.asarray(decode_rgb(pictures[name])) for name, _, _ in rows]
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    labels = torch.tensor([loader.classes.index(label) for _, label, _ in rows])
    expected = (torch.tensor([weight for *_, weight in rows]) * entropies(pixels, labels)).mean()
    assert abs(torch.stack(sums).sum() / loader.n_samples - expected).item() < 1e-6
