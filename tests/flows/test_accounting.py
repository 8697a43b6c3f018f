"""Nothing vanishes: whatever is done to a pool, every occurrence has exactly one outcome, and it is the right one."""

import io
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from inline_run import curate_inline
from PIL import Image

from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.verify.verification import verify

# What can be wrong with a file, and the outcome that it must get.
KINDS = ("good", "copy", "truncated", "empty", "text", "good", "good")


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def content(kind: str, seed: int) -> bytes:
    data = picture(0 if kind == "copy" else seed)
    return {"truncated": data[: len(data) // 2], "empty": b"", "text": b"no picture at all"}.get(kind, data)


def write_pool(folder: Path, files: list[tuple[str, bool, bool]]) -> tuple[list[str], int]:
    """Write files, loose or into a tar, some with a label; return the sources and how many there are."""
    loose, tar = folder / "loose", folder / "some.tar"
    loose.mkdir(parents=True)
    with webdataset.TarWriter(str(tar), mtime=0) as writer:
        for seed, (kind, in_tar, labelled) in enumerate(files, start=1):
            data = content(kind, seed)
            if in_tar:
                label = {"cls": str(seed % 2)} if labelled else {}
                writer.write({"__key__": f"{seed:05d}", "png": data, **label})
            else:
                (loose / f"{seed:05d}.png").write_bytes(data)
                if labelled:
                    (loose / f"{seed:05d}.cls").write_text(str(seed % 2))
    return [str(loose), str(tar)], len(files)


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.booleans(), st.booleans()), min_size=8, max_size=40),
    st.integers(0, 30),
    st.sampled_from([0.0, 0.3]),
)
@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink an example of a second each takes too long
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_every_occurrence_of_a_mutated_pool_has_exactly_one_outcome(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, bool, bool]], target: int, least: float
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    # Both sources hold something, and the pool can be clustered.
    files = [("good", True, True), ("good", False, True), ("good", True, False), *files]
    sources, n_files = write_pool(folder, files)
    config = parse_config(
        {
            "sources": sources,
            "store": str(folder / "store"),
            "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
            "features": {"name": "patches"},
            "labels": {"makers": ["knn"], "combine": ["knn"]},
            "selection": {
                "target_size": target,
                "filters": [{"name": "alone", "keep": f"outlier_score >= {least}"}],
                "near_duplicate_threshold": 0.99,
            },
        }
    )
    run = curate_inline(config)
    assert verify(Path(config.store)).damage == ()
    connection = open_catalog(run.store)
    outcomes = dict(connection.sql("SELECT outcome, count(*) FROM outcomes GROUP BY 1").fetchall())
    assert sum(outcomes.values()) == n_files
    assert connection.sql("SELECT count(DISTINCT occurrence_id) FROM outcomes").fetchall() == [(n_files,)]
    broken = sum(kind in ("truncated", "empty", "text") for kind, _, _ in files)
    copies = sum(kind == "copy" for kind, _, _ in files)
    assert outcomes.get("unreadable", 0) == broken
    assert outcomes.get("duplicate", 0) == max(0, copies - 1)
    ranked = connection.sql("SELECT count(rank) FROM selection").fetchall()[0][0]
    assert outcomes.get("exported", 0) == min(target, ranked)
    exported = sum(output.counts["n_samples"] for output in run.outputs("export"))
    assert exported == outcomes.get("exported", 0)
    weights = connection.sql("SELECT sum(sample_weight) FROM selection").fetchall()[0][0]
    assert weights is None or weights == pytest.approx(ranked)
