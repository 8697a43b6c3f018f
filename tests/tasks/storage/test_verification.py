"""Whatever is damaged in a store is found, and named; a store that is not damaged is left in peace."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verified_store import Dice, change_json, change_table, every_file, make_store, rewrite, seal_again

from windrow.schemas import REGISTRY, TABLES
from windrow.tasks.storage.catalog import run_tables
from windrow.tasks.storage.outputs import MANIFEST
from windrow.tasks.storage.registry import register_samples, registry_files
from windrow.tasks.storage.runs import RUN, latest_run, start_run
from windrow.tasks.storage.verification import Verification, bytes_to_read, verify
from windrow.tasks.storage.versions import shard_digests, version_fingerprint

STORED = [table.name for table in TABLES if table.name not in ("registry", "shards", "exports", "runs", "stages")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("made"))


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of the store, with the shards of the version as files of their own."""
    return shutil.copytree(made, tmp_path / "store")


def named(found: Verification) -> set[str]:
    return {damage.path for damage in found.damage}


def one_file(store: Path, table: str) -> Path:
    """A file of a table of the last run, one with rows where there is one."""
    run = latest_run(store)
    assert run is not None
    files = run_tables(run)[table]
    return max(files, key=lambda path: pq.read_metadata(path).num_rows)


def version_of(store: Path) -> Path:
    return store / "curated" / "small" / "v0001"


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
    assert 0.5 * bytes_to_read(made) < sum(read) <= bytes_to_read(made)


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


def test_a_flipped_byte_of_a_version_is_found_where_only_the_version_is(store: Path) -> None:
    dice = Dice.roll()
    path = dice.random.choice(every_file(version_of(store)))
    dice.flip(path)
    assert named(verify(version_of(store))) == {path.relative_to(version_of(store)).as_posix()}, path


def test_every_deleted_file_is_missed(store: Path) -> None:
    names = [path.relative_to(store).as_posix() for path in every_file(store)]
    # Those that are missed only because another file names them are deleted below.
    first = [name for name in names if not name.startswith("registry/") and not name.endswith((MANIFEST, RUN))]
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


@pytest.mark.parametrize("table", [*sorted({*STORED} - {"drift"}), "exported_samples", "export_plan"])
def test_a_row_that_was_left_out_of_a_table_is_missed(store: Path, table: str) -> None:
    dice = Dice.roll()
    found = list(store.glob(f"outputs/**/{table}.parquet"))
    path = one_file(store, table) if table in STORED else found[0]
    if table == "backbones":  # the same in every shard
        for other in run_tables_of(store, table):
            change_table(other, lambda rows: rows.slice(0, 0))
    else:
        left_out = dice.random.randrange(pq.read_metadata(path).num_rows)
        change_table(path, lambda rows: pa.concat_tables([rows.slice(0, left_out), rows.slice(left_out + 1)]))
    damage = verify(store).damage
    assert damage, f"row {left_out} of {path}"
    assert all("SHA-256" not in each.reason and "seal" not in each.reason for each in damage)


def run_tables_of(store: Path, table: str) -> list[Path]:
    run = latest_run(store)
    assert run is not None
    return run_tables(run)[table]


@pytest.mark.parametrize("table", sorted({*STORED} - {"drift"}))
def test_a_key_that_is_there_twice_is_found(store: Path, table: str) -> None:
    path = one_file(store, table)
    n_others = max(1, pq.read_metadata(path).num_rows - 1)  # so that their number stays, but where there is one
    change_table(path, lambda rows: pa.concat_tables([rows.slice(0, n_others), rows.slice(0, 1)]))
    reasons = {damage.path: damage.reason for damage in verify(store).damage}
    assert "repeats 1 times" in reasons[path.relative_to(store).as_posix()]
    quick = [damage for damage in verify(store, quick=True).damage if damage.path.endswith(f", {table}")]
    assert any("keys" in damage.reason and "more than once" in damage.reason for damage in quick)


REFERENCES = [
    (table.name, column.name, column.references[0])
    for table in TABLES
    for column in table.columns
    if column.references and table.name in STORED
]


@pytest.mark.parametrize(("table", "column", "target"), REFERENCES)
def test_a_reference_to_nothing_is_found(store: Path, table: str, column: str, target: str) -> None:
    def broken(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        at = max((n for n, value in enumerate(values) if value is not None), default=0)
        values[at] = "f" * 32
        field = rows.schema.field(column)
        return rows.set_column(rows.schema.get_field_index(column), field, pa.array(values, field.type))

    change_table(one_file(store, table), broken)
    reasons = [damage.reason for damage in verify(store, quick=True).damage if damage.path.endswith(f", {table}")]
    assert any(f"1 values of {column} are not in {target}." in reason for reason in reasons), reasons


def test_a_value_outside_its_bounds_is_found(store: Path) -> None:
    def worse(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("distance")
        values = [-1.0, *rows["distance"].to_pylist()[1:]]
        return rows.set_column(at, rows.schema.field("distance"), pa.array(values, pa.float32()))

    path = one_file(store, "assignments")
    change_table(path, worse)
    (damage,) = verify(store).damage
    assert damage.path == path.relative_to(store).as_posix()
    assert "column 'distance': -1.0 is outside the bound 0" in damage.reason


def swapped(rows: pa.Table, column: str, a: int, b: int) -> pa.Table:
    order = list(range(rows.num_rows))
    order[a], order[b] = order[b], order[a]
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(column), rows[column].take(pa.array(order)))


def changed(rows: pa.Table, column: str, where: Callable[[dict], bool], value: object) -> pa.Table:  # type: ignore[type-arg]
    """Put a value, or what it makes of the row, into the first row that fits."""
    values = rows[column].to_pylist()
    at, row = next((n, row) for n, row in enumerate(rows.to_pylist()) if where(row))
    values[at] = value(row) if callable(value) else value
    field = rows.schema.field(column)
    return rows.set_column(rows.schema.get_field_index(column), field, pa.array(values, field.type))


NOBODY = "f" * 32
# What is put into the first row that fits, and the sentence that it must lead to.
INCONSISTENT: list[tuple[str, str, Callable[[dict], bool], object, str]] = [  # type: ignore[type-arg]
    ("occurrences", "sample_id", lambda r: r["unreadable"] is None, NOBODY, "are readable, but of no sample"),
    ("embeddings", "error", lambda r: r["embedding"] is not None, "x", "have both a vector and an error"),
    ("neighbors", "position", lambda r: True, 999, "positions are missing"),
    ("neighbors", "neighbors", lambda r: True, lambda r: [r["position"]] * len(r["neighbors"]), "neighbour that is"),
    ("clusters", "parent_id", lambda r: r["level"] == 1, 7, "have no parent, or one that is not there"),
    ("clusters", "n_samples", lambda r: True, 26, "have another number of samples than they say"),
    ("clusters", "n_members", lambda r: True, 26, "have another number of members than they say"),
    ("assignments", "cluster_path", lambda r: True, [9, 0], "places are in no cluster"),
    ("labels", "label_set", lambda r: r["label_set"] == "knn", "mine", "label sets have another number of rows"),
    ("selection", "dropped_by", lambda r: r["rank"] is not None, "x", "are ranked and dropped, or neither"),
    ("selection", "weight", lambda r: r["selected"], None, "are selected without rank, weight and split"),
    ("selection", "rank", lambda r: r["rank"] == 3, 4, "ranks are missing, or there twice"),
    ("selection", "rank", lambda r: r["selected"], 99, "are not selected, though samples of a higher rank are"),
    ("selection", "duplicate_of", lambda r: r["selected"], lambda r: r["sample_id"], "have one and are none"),
    ("outcomes", "sample_id", lambda r: r["outcome"] == "exported", NOBODY, "name another sample than their occ"),
    ("outcomes", "duplicate_of", lambda r: r["outcome"] == "duplicate", NOBODY, "are duplicates of an occurrence"),
    ("outcomes", "outcome", lambda r: r["outcome"] == "not_selected", "exported", "but their sample was not selected"),
    ("outcomes", "outcome", lambda r: r["outcome"] == "duplicate", "exported", "are exported more than once"),
    ("outcomes", "outcome", lambda r: r["outcome"] == "exported", "not_selected", "have no outcome that says so"),
    ("exported_samples", "sample_id", lambda r: True, NOBODY, "are exported, but in no shard of the export"),
    ("exported_samples", "sample_id", lambda r: True, NOBODY, "are selected, but neither exported nor gone"),
    ("exported_samples", "split", lambda r: True, "other", "say something else than selection"),
]


@pytest.mark.parametrize(
    ("table", "column", "where", "value", "reason"), INCONSISTENT, ids=[case[-1] for case in INCONSISTENT]
)
def test_tables_that_contradict_each_other_are_found(
    store: Path,
    table: str,
    column: str,
    where: Callable[[dict], bool],  # type: ignore[type-arg]
    value: object,
    reason: str,
) -> None:
    path = one_file(store, table) if table in STORED else next(store.glob(f"outputs/**/{table}.parquet"))
    change_table(path, lambda rows: changed(rows, column, where, value))
    found = verify(store, quick=True).damage
    assert any(reason in damage.reason for damage in found), found


def test_a_sample_that_two_shards_describe_in_two_ways_is_found(store: Path) -> None:
    first, second = (set(pq.read_table(path)["sample_id"].to_pylist()) for path in run_tables_of(store, "samples"))
    (both,) = first & second
    path = run_tables_of(store, "samples")[0]
    change_table(path, lambda rows: changed(rows, "width", lambda row: row["sample_id"] == both, 13))
    assert "1 are described in two ways" in {damage.reason for damage in verify(store).damage}


def test_a_damaged_manifest_keeps_the_tables_of_its_run_from_being_looked_at_and_that_is_said(store: Path) -> None:
    manifest = one_file(store, "assignments").parent / MANIFEST
    Dice.roll().flip(manifest)
    found = verify(store)
    assert named(found) == {manifest.relative_to(store).as_posix()}
    assert any("as files of it are damaged" in text for text in found.unchecked)


def test_counts_that_do_not_add_up_are_found(store: Path) -> None:
    run = latest_run(store)
    assert run is not None
    record = run.path / "stages" / "rank.json"
    before = record.read_bytes()
    change_json(record, lambda values: values["counts"].update(n_selected=15))
    (damage,) = verify(store).damage
    assert damage.reason == "n_selected is 15, but that of its outputs adds up to 14"
    rewrite(record, before)
    manifest = run.outputs("pseudo_label")[0].path / MANIFEST
    change_json(manifest, lambda values: values["counts"].update(n_given=1))
    (damage,) = verify(store).damage
    assert damage.path == f"run {run.run_id}, pseudo_label"
    assert "the stage counted 1 (n_given)" in damage.reason


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


def rewrite_tar(path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    path.unlink()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in change(members):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    publish_again(path)


def publish_again(path: Path) -> None:
    """Give a version a manifest that fits a shard that was changed."""
    seal_again(path)
    version = path.parent.parent

    def refit(manifest: dict) -> None:  # type: ignore[type-arg]
        shards = shard_digests(manifest["files"])
        manifest["fingerprint"] = version_fingerprint(manifest["config"], manifest["classes"], shards)

    change_json(version / MANIFEST, refit)


SHARD_CHANGES: dict[str, Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]] = {
    "has 4 samples, in the manifest 5": lambda members: [m for m in members if m[0][:32] != members[-1][0][:32]],
    "has another sample_id than in samples.parquet": lambda members: [*members[3:], *members[:3]],
    "has the bytes of": lambda members: [(members[0][0], members[0][1] + b"x"), *members[1:]],
    "has the members": lambda members: [(f"{members[0][0][:32]}.txt", b"x"), *members],
    "has class b'7', but its label is": lambda members: [(n, b"7" if n.endswith("cls") else d) for n, d in members],
}


@pytest.mark.parametrize("reason", SHARD_CHANGES)
def test_a_tar_that_does_not_hold_what_it_says_is_found(store: Path, reason: str) -> None:
    path = version_of(store) / "webdataset" / "train-000000.tar"
    rewrite_tar(path, SHARD_CHANGES[reason])
    (damage,) = verify(version_of(store)).damage
    assert damage.path == "webdataset/train-000000.tar"
    assert reason in damage.reason


def test_a_parquet_shard_that_does_not_hold_what_it_says_is_found(store: Path) -> None:
    path = next((version_of(store) / "parquet").glob("train-00000*.parquet"))
    change_table(path, lambda rows: swapped(rows, "image", 0, 1))
    publish_again(path)
    (damage,) = verify(version_of(store)).damage
    first = pq.read_table(path, columns=["sample_id"])["sample_id"].to_pylist()[:2]
    assert f"sample {first[0]} has the bytes of {first[1]}" in damage.reason


def test_a_row_that_is_missing_in_the_table_of_a_version_is_found(store: Path) -> None:
    change_table(version_of(store) / "samples.parquet", lambda rows: rows.slice(1))
    assert "curated/small/v0001/samples.parquet" in named(verify(store))
    assert "samples.parquet" in named(verify(version_of(store), quick=True))
