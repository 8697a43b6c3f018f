"""What a store holds, as its readers see it, and what must be true of that at any moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from windrow.schemas import REGISTRY
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.registry import registry_files
from windrow.tasks.storage.store.run_records import latest_run, list_runs
from windrow.tasks.storage.verify.verification import verify

Digests = Mapping[str, str]


@dataclass(frozen=True)
class Contents:
    """Everything in a store that must not depend on how it came about: outputs, versions, registry, by path."""

    outputs: Mapping[str, Digests]
    versions: Mapping[str, Digests]
    registry: Digests


def contents(store: Path) -> Contents:
    """Read a store. Fails when something in it is visible that is not whole."""
    return Contents(_outputs(store), _versions(store), _registry(store))


def _outputs(store: Path) -> Mapping[str, Digests]:
    found = {}
    for path in (store / "outputs").glob("*/*/[!.]*"):
        output = open_output(path)
        assert _files(path, without="manifest.json") == output.files, f"{path} is not whole"
        found[str(path.relative_to(store))] = output.files
    return found


def _versions(store: Path) -> Mapping[str, Digests]:
    found = {}
    for version in list_versions(store):
        assert not verify(version.path).damage
        found[f"{version.name}/{version.version}"] = _files(version.path)
    visible = list((store / "curated").glob("*/[!.]*"))
    assert len(visible) == len(found), f"not all are versions: {visible}"
    return found


def _registry(store: Path) -> Digests:
    files = registry_files(store)
    table = read_table(REGISTRY, files)
    ids = table["sample_id"].to_pylist()
    assert table["sample_index"].to_pylist() == list(range(len(ids)))
    assert len(set(ids)) == len(ids)
    return {file.name: file_digest(file) for file in files}


def _files(folder: Path, without: str = "") -> Digests:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(file.relative_to(folder)): file_digest(file) for file in files if file.name != without}


def check_readers(store: Path) -> int:
    """Read what a reader can; return the number of finished runs. Fails when it meets anything that is not whole."""
    contents(store)
    n_finished = sum(run.status == "finished" for run in list_runs(store))
    if latest_run(store) is not None:
        with open_catalog(store) as catalog:
            counts = "SELECT (SELECT count(*) FROM outcomes), (SELECT count(*) FROM occurrences), count(*) FROM curated"
            ((n_outcomes, n_occurrences, n_curated),) = catalog.sql(counts).fetchall()
            assert (n_outcomes, n_occurrences, n_curated) == (80, 80, 30)
    return n_finished


def finished_outputs(store: Path) -> Mapping[str, tuple[int, int]]:
    """Return inode and time of change of the manifest of each finished output, which tell whether it is made again."""
    manifests = (store / "outputs").glob("*/*/[!.]*/manifest.json")
    return {str(path.relative_to(store)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in manifests}


def left_behind(store: Path) -> list[str]:
    """Return what was being written, and is no longer: directories that no reader sees, and files in rounds."""
    found = (path for pattern in (".tmp-*", ".work-*") for path in store.rglob(pattern))
    names = (str(path.relative_to(store)) for path in found if path.is_dir() or "/.work-" in str(path))
    return sorted(names)
