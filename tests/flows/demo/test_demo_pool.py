import csv
import hashlib
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from windrow.flows.demo import demo_files, demo_pool
from windrow.flows.demo.demo_pool import CLASS_COUNTS, GIVEN_COUNTS, TRUTH, DemoPool, make_demo_pool
from windrow.tasks.pictures.decoding import UnreadableImage, decode_rgb, inspect_image
from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, sample_id_of


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> DemoPool:
    return make_demo_pool(tmp_path_factory.mktemp("demo") / "pool")


@pytest.fixture(scope="module")
def found(pool: DemoPool) -> list[tuple[str, Found]]:
    """Every occurrence, with its shard, as ingestion finds it."""
    shards = plan_shards([str(source) for source in pool.sources])
    return [(shard.shard, each) for shard in shards for each in iterate_shard(shard, IngestConfig())]


def _reason(data: bytes) -> str | None:
    try:
        inspect_image(data)
    except UnreadableImage as error:
        return error.reason
    return None


def _readable(found: list[tuple[str, Found]]) -> list[tuple[str, Found]]:
    return [(shard, each) for shard, each in found if each.data is not None and _reason(each.data) is None]


def _truth(pool: DemoPool) -> list[dict[str, str | None]]:
    table = pq.read_table(pool.truth)
    assert table.schema.equals(TRUTH)
    return table.to_pylist()


def test_there_are_as_many_of_each_class_as_documented_and_the_first_is_about_50_times_the_last(pool: DemoPool) -> None:
    counts = Counter(row["label"] for row in _truth(pool) if row["kind"] == "digit")
    assert sorted(counts.values(), reverse=True) == list(CLASS_COUNTS)
    assert set(counts) == set("0123456789")
    assert max(counts.values()) / min(counts.values()) == pytest.approx(50, rel=0.05)


def test_the_docstring_gives_the_counts_that_are_made(pool: DemoPool, found: list[tuple[str, Found]]) -> None:
    kinds = Counter(row["kind"] for row in _truth(pool))
    n_readable = len(_readable(found))
    text = " ".join((demo_pool.__doc__ or "").split())
    assert f"{kinds['near_duplicate']} near-duplicates" in text
    assert f"{kinds['off_topic']} off-topic" in text
    assert f"{n_readable - len(_truth(pool))} exact duplicates" in text
    assert f"{len(found) - n_readable} broken" in text
    assert f"{len(found)} occurrences" in text and f"{len(_truth(pool))} readable samples" in text
    assert re.search(rf"from {CLASS_COUNTS[0]} samples to {CLASS_COUNTS[-1]}", text)


def test_the_truth_covers_every_readable_image_once_and_nothing_else(
    pool: DemoPool, found: list[tuple[str, Found]]
) -> None:
    ids = [row["sample_id"] for row in _truth(pool)]
    seen = {hashlib.sha256(each.data or b"").hexdigest()[:32] for _, each in _readable(found)}
    assert len(set(ids)) == len(ids) and set(ids) == seen


def test_samples_that_come_with_a_label_are_as_many_as_documented_and_rightly_labelled(
    pool: DemoPool, found: list[tuple[str, Found]]
) -> None:
    truth = {row["sample_id"]: row for row in _truth(pool)}
    given = [(sample_id_of(each.data or b""), each.label) for _, each in found if each.label is not None]
    assert all(truth[sample_id]["label"] == label for sample_id, label in given)
    digits = Counter(row["label"] for row in truth.values() if row["kind"] == "digit")
    by_frequency = [label for label, _ in digits.most_common()]
    labelled = Counter(label for _, label in given)
    assert [labelled[label] for label in by_frequency] == list(GIVEN_COUNTS)
    assert all(n_given < n for n_given, n in zip(GIVEN_COUNTS, CLASS_COUNTS, strict=True))


def test_every_kind_of_broken_file_is_there_in_a_tar_and_in_the_folder(found: list[tuple[str, Found]]) -> None:
    reasons = Counter(reason for _, each in found if (reason := _reason(each.data or b"")))
    assert reasons == {"truncated image": 4, "empty file": 3, "not an image": 3}
    places = {"tar" if shard.endswith(".tar") else "loose" for shard, each in found if _reason(each.data or b"")}
    assert places == {"tar", "loose"}


def test_digits_that_are_named_jpg_are_fine_pngs(found: list[tuple[str, Found]]) -> None:
    formats = Counter(
        (inspect_image(each.data or b"").format, inspect_image(each.data or b"").mode)
        for _, each in _readable(found)
        if each.extension == "jpg"
    )
    assert formats["PNG", "L"] >= 3  # an exact duplicate of one keeps its name
    assert formats["JPEG", "RGB"] == 20


def test_all_three_kinds_of_source_are_there_and_tars_hold_most(found: list[tuple[str, Found]]) -> None:
    places = Counter(shard.rpartition(".")[2] if shard.endswith(("tar", "parquet")) else "loose" for shard, _ in found)
    assert places["parquet"] == demo_files.N_PARQUET
    assert places["loose"] > demo_files.N_LOOSE
    assert places["tar"] > 600
    assert {shard for shard, _ in found if shard.endswith(".tar")} == {Path(tar).name for tar in demo_files.TARS}


def test_exact_duplicates_lie_in_another_tar_or_in_the_folder_under_another_key(
    found: list[tuple[str, Found]],
) -> None:
    seen: dict[str, list[tuple[str, str]]] = {}
    for shard, each in _readable(found):
        place = shard if shard.endswith((".tar", ".parquet")) else "loose"
        seen.setdefault(sample_id_of(each.data or b""), []).append((place, each.key))
    pairs = [places for places in seen.values() if len(places) > 1]
    assert len(pairs) == 35 and {len(places) for places in pairs} == {2}
    assert all(Path(one[1]).stem != Path(other[1]).stem for one, other in pairs)
    assert any(one[0].endswith(".tar") and other[0].endswith(".tar") for one, other in pairs)
    assert any("loose" in (one[0], other[0]) for one, other in pairs)
    assert not any(one[0] == other[0] and one[0].endswith(".tar") for one, other in pairs)


def test_a_near_duplicate_is_its_original_shifted_by_one_pixel_with_black_moving_in(
    pool: DemoPool, found: list[tuple[str, Found]]
) -> None:
    images = {
        sample_id_of(each.data or b""): np.asarray(decode_rgb(each.data or b"").convert("L"))
        for _, each in _readable(found)
    }
    truth = {row["sample_id"]: row for row in _truth(pool)}
    near = [row for row in truth.values() if row["kind"] == "near_duplicate"]
    assert len(near) == 35
    for row in near:
        image, original = images[str(row["sample_id"])], images[str(row["near_duplicate_of"])]
        moves = [(slice(1, None), slice(None)), (slice(None), slice(1, None))]
        back = [(slice(None, -1), slice(None)), (slice(None), slice(None, -1))]
        same = [
            np.array_equal(a[to], b[source])
            for to, source in zip(moves, back, strict=True)
            for a, b in ((image, original), (original, image))
        ]
        assert any(same)
        assert row["label"] == truth[str(row["near_duplicate_of"])]["label"]
        assert image.sum() <= original.sum()


def test_the_test_set_is_balanced_and_holds_no_sample_of_the_pool(pool: DemoPool) -> None:
    test = pq.read_table(pool.test)
    assert Counter(test["label"].to_pylist()) == dict.fromkeys("0123456789", 20)
    images = test["image"].to_pylist()
    assert set(images[0]) == {"bytes", "path"}
    ids = {sample_id_of(image["bytes"]) for image in images}
    assert len(ids) == 200 and not ids & {row["sample_id"] for row in _truth(pool)}


def test_the_judges_are_the_images_of_the_test_set_with_their_labels_and_lie_beside_the_pool(pool: DemoPool) -> None:
    test = pq.read_table(pool.test)
    labels = {
        sample_id_of(image["bytes"]): label
        for image, label in zip(test["image"].to_pylist(), test["label"].to_pylist(), strict=True)
    }
    rows = csv.DictReader(pool.evaluate.read_text().splitlines())
    assert {row["sample_id"]: row["label"] for row in rows} == labels
    shards = plan_shards([str(pool.judges)])
    judges = [each for shard in shards for each in iterate_shard(shard, IngestConfig())]
    assert {sample_id_of(each.data or b"") for each in judges} == set(labels)
    assert {each.label for each in judges} == {None}
    assert pool.judges not in pool.sources


def test_no_name_and_no_order_gives_the_class_away(found: list[tuple[str, Found]], pool: DemoPool) -> None:
    truth = {row["sample_id"]: row["label"] for row in _truth(pool)}
    rows = [(int(Path(each.key).stem), truth[sample_id_of(each.data or b"")]) for _, each in _readable(found)]
    numbers, labels = zip(*[(n, int(label)) for n, label in rows if label is not None], strict=True)
    assert abs(np.corrcoef(numbers, labels)[0, 1]) < 0.15


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_pool(pool: DemoPool, tmp_path: Path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = contents(pool.truth.parent)
    again = make_demo_pool(tmp_path / "again")
    assert contents(again.truth.parent) == first
    other = make_demo_pool(tmp_path / "other", seed=1)
    counts = [
        Counter(row["label"] for row in _truth(each) if row["kind"] == "digit").most_common() for each in (pool, other)
    ]
    assert counts[0] != counts[1]
    assert [n for _, n in counts[0]] == [n for _, n in counts[1]]


def test_a_pool_that_is_there_is_found_and_left_as_it_is(pool: DemoPool) -> None:
    folder = pool.truth.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert make_demo_pool(folder) == pool
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(pool: DemoPool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder: .* holds something else"):
        make_demo_pool(pool.truth.parent, seed=1)
    (tmp_path / "thesis.txt").write_text("my only copy")
    with pytest.raises(ValueError, match=r"folder: .* holds something else"):
        make_demo_pool(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_larger_side_draws_the_digits_enlarged(tmp_path: Path) -> None:
    pool = make_demo_pool(tmp_path / "large", side=64)
    image = pq.read_table(pool.test)["image"][0].as_py()
    facts = inspect_image(image["bytes"])
    assert (facts.width, facts.height, facts.format, facts.mode) == (64, 64, "PNG", "L")
    assert Counter(row["kind"] for row in _truth(pool)) == {"digit": 696, "near_duplicate": 35, "off_topic": 40}


@pytest.mark.parametrize(("argument", "value"), [("seed", -1), ("side", 7)])
def test_a_bad_argument_is_named(tmp_path: Path, argument: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{argument}: .* got {value}"):
        make_demo_pool(tmp_path / "pool", **{argument: value})
    assert not (tmp_path / "pool").exists()


def test_without_scikit_learn_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'windrow\[demo\]'"):
        make_demo_pool(tmp_path / "pool")
    assert list(tmp_path.iterdir()) == []
