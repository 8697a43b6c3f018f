"""What a store spends: every file once, whatever names it has."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.storage.store.disk_usage import disk_usage

PLACES = ("curated/a/v0001/webdataset", "curated/b/v0002", "outputs/features/ab/cd", "outputs/rank/ef", "runs/1", ".")


def test_a_file_that_a_version_shares_is_counted_there(tmp_path: Path) -> None:
    for place in ("outputs/export-shard/ab", "curated/digits/v0001"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "outputs/export-shard/ab/x.tar").write_bytes(bytes(100_000))
    os.link(tmp_path / "outputs/export-shard/ab/x.tar", tmp_path / "curated/digits/v0001/x.tar")
    (tmp_path / "outputs/export-shard/ab/manifest.json").write_text("{}")
    (tmp_path / "format.json").write_text("{}")
    spent = {each.place: each for each in disk_usage(tmp_path)}
    assert list(spent) == ["curated/digits/v0001", "format.json", "outputs/export-shard"]
    assert 100_000 <= spent["curated/digits/v0001"].n_bytes < 110_000
    assert spent["outputs/export-shard"].n_files == 1


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 20_000), st.booleans()), max_size=12))
def test_the_sum_is_that_of_the_files(tmp_path_factory, files: list[tuple[str, int, bool]]) -> None:  # type: ignore[no-untyped-def]
    store = tmp_path_factory.mktemp("store")
    for number, (place, n_bytes, linked) in enumerate(files):
        (store / place).mkdir(parents=True, exist_ok=True)
        path = store / place / str(number)
        path.write_bytes(bytes(n_bytes))
        if linked:
            os.link(path, path.with_suffix(".link"))
    inodes = {path.stat().st_ino: path.stat().st_blocks * 512 for path in store.rglob("*") if path.is_file()}
    spent = disk_usage(store)
    assert sum(each.n_bytes for each in spent) == sum(inodes.values())
    assert sum(each.n_files for each in spent) == len(inodes)
