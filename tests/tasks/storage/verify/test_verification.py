"""Whatever is damaged in a store is found, and named; a store that is not damaged is left in peace."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verified_store import (
    Dice,
    change_json,
    every_file,
    named,
    one_file,
    rewrite,
    version_of,
)

from windrow.schemas import REGISTRY
from windrow.tasks.storage.store.outputs import MANIFEST, REMEMBERED
from windrow.tasks.storage.store.registry import register_samples, registry_files
from windrow.tasks.storage.store.run_records import RUN, latest_run, start_run
from windrow.tasks.storage.store.store_format import FORMAT_FILE
from windrow.tasks.storage.verify.verification import bytes_to_read, verify


@pytest.mark.parametrize("quick", [False, True])
def test_a_sound_store_and_its_version_have_no_damage(made: Path, quick: bool) -> None:
    found = verify(made, quick)
    assert found.damage == found.unchecked == ()
    assert found.n_files == len(every_file(made))
    assert found.n_rows > 100
    version = verify(version_of(made), quick)
    assert version.damage == version.unchecked == ()
    assert version.n_files == len(every_file(version_of(made)))


def test_the_bytes_that_progress_tells_are_those_that_were_announced(made: Path) -> None:
    read: list[int] = []
    verify(made, progress=lambda n_bytes, _: read.append(n_bytes))
    assert sum(read) == bytes_to_read(made) > 10**5


def test_what_is_neither_a_store_nor_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no store, and no version"):
        verify(tmp_path)


@pytest.mark.parametrize("kind", ["sealed JSON", "other files"])
@pytest.mark.parametrize("times", range(3))
def test_one_flipped_byte_in_every_file_is_found_in_every_file(store: Path, kind: str, times: int) -> None:
    # Manifests apart from the rest: what a damaged manifest says of other files is not used.
    dice = Dice.roll()
    files = [path for path in every_file(store) if (path.suffix == ".json") == (kind == "sealed JSON")]
    assert len(files) > 15
    dice.random.seed(dice.seed + times)
    for path in files:
        dice.flip(path)
    missed = {path.relative_to(store).as_posix() for path in files} - named(verify(store))
    assert missed == set(), f"WINDROW_SEED={dice.seed}"


def test_one_flipped_byte_is_found_and_no_other_file_is_accused(store: Path) -> None:
    dice = Dice.roll()
    for path in dice.random.sample(every_file(store), 8):
        before = path.read_bytes()
        dice.flip(path)
        assert named(verify(store)) == {path.relative_to(store).as_posix()}, f"WINDROW_SEED={dice.seed}"
        rewrite(path, before)


def test_without_hashing_what_damaged_tables_hold_is_reported_or_missed_but_never_raised(store: Path) -> None:
    dice = Dice.roll()
    tables = [path for path in every_file(store) if path.suffix == ".parquet"]
    for path in dice.random.sample(tables, 5):
        before = path.read_bytes()
        for _ in range(9):
            dice.flip(path)
        verify(store, quick=True)
        rewrite(path, before)
    path = one_file(store, "backbones")
    rewrite(path, path.read_bytes().replace(b"PAR1", b"RAP1"))
    assert path.relative_to(store).as_posix() in named(verify(store, quick=True))


def test_a_flipped_byte_of_a_version_is_found_where_only_the_version_is(store: Path) -> None:
    dice = Dice.roll()
    path = dice.random.choice(every_file(version_of(store)))
    dice.flip(path)
    assert named(verify(version_of(store))) == {path.relative_to(version_of(store)).as_posix()}, path


def test_every_deleted_file_is_missed(store: Path) -> None:
    names = [path.relative_to(store).as_posix() for path in every_file(store)]
    # Those that are missed only because another file names them are deleted below.
    # What a model said of itself is asked again.
    others = ("registry/", f"{REMEMBERED}/")
    # A store that does not say its format is refused.
    first = [name for name in names if not name.startswith(others) and not name.endswith((MANIFEST, RUN, FORMAT_FILE))]
    for name in first:
        (store / name).unlink()
    assert set(first) <= named(verify(store))


def test_every_deleted_manifest_is_missed(store: Path) -> None:
    manifests = [path for path in every_file(store) if path.name in (MANIFEST, RUN)]
    for path in manifests:
        path.unlink()
    assert {path.relative_to(store).as_posix() for path in manifests} <= named(verify(store))


def test_a_whole_output_that_is_gone_is_missed_by_the_record_that_names_it(store: Path) -> None:
    shutil.rmtree(one_file(store, "selection").parent)
    (damage,) = verify(store).damage
    assert damage.path.endswith("stages/rank.json")
    assert "names the output outputs/rank/" in damage.reason


def test_a_registry_that_is_gone_is_missed_by_the_samples(store: Path) -> None:
    (file,) = registry_files(store)
    file.unlink()
    found = verify(store)
    assert any("values of sample_id are not in registry.sample_id" in damage.reason for damage in found.damage)
    assert "curated/small/v0001/samples.parquet" in named(found)


def test_files_that_belong_to_nothing_are_found_and_those_of_a_killed_process_are_not(store: Path) -> None:
    run = latest_run(store)
    assert run is not None
    folders = [store / "outputs", one_file(store, "labels").parent, version_of(store), version_of(store) / "parquet"]
    folders += [store / "curated", store / "runs", run.path, run.path / "stages", store / "registry"]
    for folder in folders:
        (folder / "more.parquet").write_bytes(b"")
    left = one_file(store, "labels").parent.parent / ".tmp-left"
    left.mkdir()
    (left / "half").write_bytes(b"")
    assert named(verify(store)) == {(folder / "more.parquet").relative_to(store).as_posix() for folder in folders}


def test_a_run_that_goes_on_or_failed_is_no_damage(store: Path) -> None:
    start_run(store, "small", {})
    start_run(store, "small", {"seed": 1}).finish("failed", "OSError: disk full")
    assert verify(store).damage == ()


@pytest.mark.parametrize("quick", [False, True])
def test_a_parquet_file_that_is_cut_short_is_found(store: Path, quick: bool) -> None:
    dice = Dice.roll()
    files = [path for path in every_file(store) if path.suffix == ".parquet" and path.stem != "shard"]
    for path in (dice.random.choice(files), one_file(store, "labels")):
        data = path.read_bytes()
        rewrite(path, data[: dice.random.randrange(len(data))])
        assert path.relative_to(store).as_posix() in named(verify(store, quick)), f"WINDROW_SEED={dice.seed}"


def test_a_damaged_manifest_keeps_the_tables_of_its_run_from_being_looked_at_and_that_is_said(store: Path) -> None:
    manifest = one_file(store, "assignments").parent / MANIFEST
    Dice.roll().flip(manifest)
    found = verify(store)
    assert named(found) == {manifest.relative_to(store).as_posix()}
    assert any("as files of it are damaged" in text for text in found.unchecked)


def test_a_manifest_in_the_wrong_place_is_found(store: Path) -> None:
    path, other = (one_file(store, table).parent for table in ("scores", "assignments"))
    path.rename(path.with_name("ab" * 16))
    change_json(other / MANIFEST, lambda values: values["inputs"].update(seed=1))
    reasons = " ".join(damage.reason for damage in verify(store).damage)
    assert f"fingerprint is {path.name}, but its folder says {'ab' * 16}" in reasons
    assert "the fingerprint of its inputs is" in reasons


def test_a_registry_with_a_gap_or_with_a_sample_twice_is_found(store: Path, tmp_path: Path) -> None:
    (file,) = registry_files(store)
    n = pq.read_metadata(file).num_rows
    register_samples(store, pa.array(["f" * 32]))
    assert verify(store).damage == ()
    (store / "registry" / f"{n:012d}.parquet").rename(store / "registry" / f"{n + 1:012d}.parquet")
    assert any("should start with index" in damage.reason for damage in verify(store).damage)
    (store / "registry" / f"{n + 1:012d}.parquet").unlink()
    # What two machines without a common disk's hard links might do: the same samples again.
    again = tmp_path / "again"
    register_samples(again, pa.array([f"{i:032x}" for i in range(n)]))
    register_samples(again, pq.read_table(file, columns=["sample_id"])["sample_id"].combine_chunks().slice(0, 1))
    shutil.copy(registry_files(again)[1], store / "registry" / f"{n:012d}.parquet")
    assert any("1 samples have more than one index" in damage.reason for damage in verify(store).damage)
    assert REGISTRY.primary_key == ("sample_id",)
