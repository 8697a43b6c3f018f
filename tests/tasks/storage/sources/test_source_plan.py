"""Sources become shards: what is found, how loose files are cut, and what is refused."""

import os
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.storage.sources.folder_source import cut_by_content
from windrow.tasks.storage.sources.source import root_of_shard
from windrow.tasks.storage.sources.source_plan import check_there, plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard

NAMES = st.sets(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=120)


def touch(folder: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def loose(shards: list[SourceShard]) -> list[str]:
    return [file.path for shard in shards for file in shard.files]


def test_a_folder_gives_its_tars_its_parquet_files_and_its_loose_files(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.tar", "a.PARQUET", "photo.jpg", "b/c/no_extension", "b/odd.xyz", "déjà vu/犬.png")
    shards = plan_shards([str(tmp_path)])
    assert [(shard.kind, shard.shard) for shard in shards if shard.kind != "file"] == [
        ("parquet", "a.PARQUET"),
        ("tar", "b/1.tar"),
    ]
    assert loose(shards) == ["b/c/no_extension", "b/odd.xyz", "déjà vu/犬.png", "photo.jpg"]
    assert {shard.source_uri for shard in shards} == {str(tmp_path)}
    assert pickle.loads(pickle.dumps(shards)) == shards  # noqa: S301


def test_sidecars_and_hidden_files_are_no_samples(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.cls", "a.JSON", "b.txt", "README.md", ".DS_Store", ".git/x.jpg", "c/.thumbnails/x.jpg")
    [shard] = plan_shards([str(tmp_path)])
    assert [(file.path, file.sidecars) for file in shard.files] == [("a.jpg", (("JSON", 1), ("cls", 1)))]


def test_a_change_of_a_file_or_of_its_sidecar_changes_the_identity(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.cls", "notes.txt")
    [first] = plan_shards([str(tmp_path)])
    assert plan_shards([str(tmp_path)]) == [first]
    (tmp_path / "notes.txt").write_text("belongs to no sample")
    assert plan_shards([str(tmp_path)]) == [first]
    for name in ("a.jpg", "a.cls"):
        os.utime(tmp_path / name, ns=(0, 1))
        [changed] = plan_shards([str(tmp_path)])
        assert changed.identity != first.identity
        first = changed


@pytest.mark.parametrize("source", ["one.tar", "photo.jpg", "*.jpg", "**/*.jpg", "p*"])
def test_a_single_file_and_a_glob_are_sources_too_and_find_their_sidecars(tmp_path: Path, source: str) -> None:
    touch(tmp_path, "one.tar", "photo.jpg", "photo.txt", "elsewhere.png")
    [shard] = plan_shards([f"{tmp_path}/{source}"])
    assert shard.shard == ("one.tar" if source == "one.tar" else "photo.jpg")
    assert [file.sidecars for file in shard.files] == ([] if source == "one.tar" else [(("txt", 1),)])


def test_a_glob_that_reaches_a_folder_and_a_file_in_it_takes_the_file_once(tmp_path: Path) -> None:
    touch(tmp_path, "set/a/1.jpg", "set/a/2.jpg", "set/b.jpg", "other/c.jpg")
    assert loose(plan_shards([f"{tmp_path}/s*/**"])) == ["set/a/1.jpg", "set/a/2.jpg", "set/b.jpg"]
    assert loose(plan_shards([f"{tmp_path}/set/*"])) == ["a/1.jpg", "a/2.jpg", "b.jpg"]


def test_a_name_with_brackets_is_a_name_when_it_exists(tmp_path: Path) -> None:
    touch(tmp_path, "set[1]/a.jpg", "set1/b.jpg")
    assert loose(plan_shards([f"{tmp_path}/set[1]"])) == ["a.jpg"]


def test_sources_that_overlap_keep_their_own_shards(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    shards = plan_shards([f"{tmp_path}/a", str(tmp_path)])
    assert [(s.source_uri, s.shard) for s in shards] == [(str(tmp_path), "a/1.jpg"), (f"{tmp_path}/a", "1.jpg")]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["missing"], "'.*missing' does not exist"),
        (["*.gif"], r"'.*\*.gif' holds no samples"),
        (["empty"], "'.*empty' holds no samples"),
        (["notes.md"], "'.*notes.md' holds no samples"),
        (["full", "full"], "'.*full' is given twice"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused_by_name(tmp_path: Path, sources: list[str], message: str) -> None:
    touch(tmp_path, "full/a.jpg", "notes.md")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        plan_shards([f"{tmp_path}/{source}" for source in sources])


@pytest.mark.parametrize("sources", ["a.tar", []])
def test_sources_are_a_list(sources: list[str]) -> None:
    with pytest.raises(ValueError, match="sources: wants a list"):
        plan_shards(sources)


def test_what_cannot_be_opened_is_found_with_its_reason(tmp_path: Path) -> None:
    touch(tmp_path, "fine.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    shards = plan_shards([str(tmp_path)])
    assert {file.path: file.error for shard in shards for file in shard.files} == {
        "fine.jpg": None,
        "gone.jpg": "broken link",
        "self.jpg": "broken link",
        "pipe.jpg": "not a regular file",
        "caf\\xe9.jpg": "name is not UTF-8",
    }
    assert [shard.error for shard in shards if shard.kind == "tar"] == ["not a regular file"]


def test_links_to_folders_are_followed_but_never_round_in_a_loop(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.jpg", "set/b.jpg")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    shards = plan_shards([f"{tmp_path}/set"], IngestConfig(follow_links=True))
    assert loose(shards) == ["b.jpg", "linked/a.jpg"]


def test_remote_sources_give_the_same_shards_as_local_ones(tmp_path: Path) -> None:
    names = ["b/1.tar", "a.parquet", "p.jpg", "p.txt", "b/q.png", ".hidden.jpg"]
    touch(tmp_path, *names)
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/plan/pool/{name}": b"x" for name in names})
    for source in ("", "/", "/b", "/*.jpg", "/b/1.tar", "/**/*.png", "/p.jpg"):
        local, remote = plan_shards([f"{tmp_path}{source}"]), plan_shards([f"memory://plan/pool{source}"])
        assert [(s.kind, s.shard, s.files) for s in remote] == [(s.kind, s.shard, s.files) for s in local]
    with pytest.raises(ValueError, match="'memory://plan/nothing' does not exist"):
        plan_shards(["memory://plan/nothing"])
    before = plan_shards(["memory://plan/pool/b/1.tar"])
    memory.pipe("/plan/pool/b/1.tar", b"xx")
    assert plan_shards(["memory://plan/pool/b/1.tar"])[0].identity != before[0].identity


class ListedOnce(MemoryFileSystem):  # type: ignore[misc]
    """Keeps what it has listed, as the clients of object stores do."""

    protocol = "listed"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("listed://", "memory://")))

    def find(self, path: str, **options: Any) -> Any:
        if path not in self.dircache:
            self.dircache[path] = super().find(path, **options)
        return self.dircache[path]

    def invalidate_cache(self, path: str | None = None) -> None:  # noqa: ARG002  (fsspec names it)
        self.dircache.clear()


def test_a_process_that_plans_every_night_sees_what_is_new() -> None:
    fsspec.register_implementation("listed", ListedOnce, clobber=True)
    files = fsspec.filesystem("listed")
    files.pipe("/nightly/a.jpg", b"x")
    assert loose(plan_shards(["listed://nightly"])) == ["a.jpg"]
    files.pipe("/nightly/b.jpg", b"x")
    assert loose(plan_shards(["listed://nightly"])) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("source", "n_tars", "folder"),
    [
        ("counted://far", 10_000, lambda _: ""),
        ("counted://far/*.tar", 10_000, lambda _: ""),
        ("counted://far", 100, lambda number: f"{number % 50}/"),
        ("counted://far/*/*.tar", 100, lambda _: "deep/"),
        ("counted://far/**", 100, lambda number: f"all/{number % 5}/{number % 7}/"),
    ],
)
def test_ten_thousand_remote_tars_are_planned_by_a_request_for_each_folder(
    source: str, n_tars: int, folder: Callable[[int], str]
) -> None:
    fsspec.register_implementation("counted", Counted, clobber=True)
    files = fsspec.filesystem("counted")
    paths = [f"/far/{folder(number)}{number:05}.tar" for number in range(n_tars)]
    files.store.update({path: MemoryFile(files, path, b"x") for path in paths})
    try:
        files.asked.clear()
        shards = plan_shards([source])
        assert len(shards) == n_tars
        assert files.asked.total() <= 3 + len({path.rpartition("/")[0] for path in paths}), files.asked
        files.asked.clear()
        assert {root_of_shard(shard) for shard in shards} == {"counted://far"}
        assert not files.asked
    finally:
        for path in paths:
            del files.store[path]


class Counted(MemoryFileSystem):  # type: ignore[misc]
    """Counts what an object store would be asked; what it finds or globs is a listing, however made."""

    protocol = "counted"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked, self._is_inside = Counter[str](), False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("counted://", "memory://")))

    def _count(self, name: str, path: str, **options: Any) -> Any:
        is_inside, self._is_inside = self._is_inside, True
        self.asked[name] += not is_inside
        try:
            return getattr(super(), name)(path, **options)
        finally:
            self._is_inside = is_inside

    def info(self, path: str, **options: Any) -> Any:
        return self._count("info", path, **options)

    def find(self, path: str, **options: Any) -> Any:
        return self._count("find", path, **options)

    def glob(self, path: str, **options: Any) -> Any:
        return self._count("glob", path, **options)


@given(NAMES, st.integers(1, 20), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_runs_hold_every_path_once_in_order_and_never_too_many(names: set[str], mean: int, most: int) -> None:
    runs = cut_by_content(sorted(names), mean, most)
    assert [path for run in runs for path in run] == sorted(names)
    assert all(1 <= len(run) <= most for run in runs)


@given(NAMES, st.text("abcdef", min_size=1, max_size=6), st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_a_new_file_changes_only_its_own_run(names: set[str], new: str, mean: int) -> None:
    before = {tuple(run) for run in cut_by_content(sorted(names - {new}), mean, 1000)}
    after = {tuple(run) for run in cut_by_content(sorted(names | {new}), mean, 1000)}
    assert len(before - after) <= 1
    assert len(after - before) <= 2  # two when the new file is itself a boundary
    assert {path for run in after - before for path in run} - {new} == {path for run in before - after for path in run}


@given(NAMES, st.text("abcdef", min_size=1, max_size=6), st.integers(2, 20), st.integers(2, 30))
@settings(max_examples=100, deadline=None)
def test_where_runs_are_cut_for_their_length_a_new_file_stays_between_two_boundaries(
    names: set[str], new: str, mean: int, most: int
) -> None:
    def runs(paths: set[str], limit: int) -> set[tuple[str, ...]]:
        return {tuple(run) for run in cut_by_content(sorted(paths), mean, limit)}

    changed = runs(names - {new}, most) - runs(names | {new}, most)
    whole = [run for run in runs(names - {new}, 1000) if set(run) & {path for run in changed for path in run}]
    assert len(whole) <= 1


def test_many_loose_files_are_cut_into_shards_of_about_512() -> None:
    paths = sorted(f"{n // 1000:03d}/{n:06d}.jpg" for n in range(20_000))
    lengths = [len(run) for run in cut_by_content(paths, 512, 2048)]
    assert 400 < sum(lengths) / len(lengths) < 640
    assert max(lengths) <= 2048


def test_every_local_source_that_is_not_there_is_told_at_once_before_any_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "full/a.jpg")
    there = [str(tmp_path / "full"), str(tmp_path / "full/*.gif"), "memory://none", "python:mine:Source:none"]
    check_there(there, IngestConfig())
    gone = [str(tmp_path / "a"), f"list:{tmp_path}/b.csv", f"{tmp_path}/c/*.jpg"]
    check_there(gone, IngestConfig(mode="copy"))
    with pytest.raises(ValueError, match="does not exist") as error:
        check_there([*there, *gone], IngestConfig())
    assert str(error.value).splitlines() == [f"sources: {source!r} does not exist" for source in gone]
