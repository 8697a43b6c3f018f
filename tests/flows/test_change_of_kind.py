"""A store whose samples were of one class goes on where they may be of several, and back, on nights with gates."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banded_pool import COLOURS, picture
from command_line import run_here
from inline_run import curate_inline

from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.corrections.correction_list import read_standing
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.worth.judged_selection import version_classes

N = 330
KINDS = ("single", "multi", "single")


def config_of(folder: Path, kind: str) -> CurationConfig:
    """Labels of one class a sample lie in one file, states in another."""
    return parse_config(
        {
            "name": "bands",
            "store": str(folder / "store"),
            "sources": [str(folder / "pictures")],
            "features": {"name": "patches"},
            "neighbors": {"k": 5},
            "clustering": {"n_clusters": [6, 2]},
            "labels": {"kind": kind, "given": str(folder / f"{kind}.csv")},
            "selection": {"target_size": 150, "guard": "last"},
        }
    )


def write_pool(folder: Path) -> None:
    """Pictures with some of three colours; the first of them is the class of a picture that is of one class."""
    rng = np.random.default_rng(0)
    shown = rng.random((N, 3)) < 0.5
    shown[~shown.any(axis=1), 2] = True
    (folder / "pictures").mkdir()
    single, multi = ["key,label"], ["key,label,state"]
    for number in range(N):
        picture(rng, shown[number]).save(folder / "pictures" / f"{number}.png")
        single.append(f"{number}.png,{COLOURS[shown[number].argmax()]}")
        for name, there in zip(COLOURS, shown[number], strict=True):
            multi.append(f"{number}.png,{name},{'present' if there else 'absent'}")
    for kind, lines in (("single", single), ("multi", multi)):
        (folder / f"{kind}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Run, Version]]:
    """Nights of each kind, and what each of them published."""
    folder = tmp_path_factory.mktemp("kinds")
    write_pool(folder)
    found = []
    for kind in KINDS:
        run = curate_inline(config_of(folder, kind), attended=False)
        version = latest_version(run.store, run.name)
        assert version is not None
        found.append((run, version))
    return found


def last_of(run: Run) -> dict[str, Any]:
    table = connect_run(run.store, run.run_id).sql("SELECT * FROM worth WHERE baseline = 'last' AND decides")
    (row,) = table.to_arrow_table().to_pylist()
    return row


def test_every_night_publishes(nights: list[tuple[Run, Version]]) -> None:
    assert [run.status for run, _ in nights] == ["finished"] * 3
    assert [run.stage(Stage.EXPORT).kept_back for run, _ in nights] == [None] * 3  # type: ignore[union-attr]
    assert [version.version for _, version in nights] == ["v0001", "v0002", "v0003"]


def test_the_last_version_is_no_measure_where_it_is_of_the_other_kind_and_the_worth_says_so(
    nights: list[tuple[Run, Version]],
) -> None:
    reasons = ("v0001 was made of samples of one class", "v0002 was made of samples of several classes")
    for (run, _), why in zip(nights[1:], reasons, strict=True):
        row = last_of(run)
        assert (row["verdict"], row["why"], row["quality"]) == ("unknown", why, None)
        random = connect_run(run.store, run.run_id).execute("SELECT verdict FROM worth WHERE baseline = 'random'")
        assert "unknown" not in {verdict for (verdict,) in random.fetchall()}


def test_the_classes_of_a_version_are_those_that_it_has_of_either_kind(nights: list[tuple[Run, Version]]) -> None:
    colours = sorted(COLOURS)
    for _, version in nights:
        assert version_classes(version) == version_classes(version, ("present",)) == colours


def test_a_class_that_is_lost_with_the_kind_is_named_by_the_gates(nights: list[tuple[Run, Version]]) -> None:
    run, _ = nights[-1]
    config = config_of(run.store.parent, "multi")
    rule = {"name": "no red", "keep": "NOT list_contains(present, 'red')"}
    poor = parse_config({"sources": ["x"], "selection": {"target_size": 150, "filters": [rule]}}).selection
    gates = replace(config.gates, most_replaced=1.0)
    export = curate_inline(replace(config, selection=poor, gates=gates), attended=False).stage(Stage.EXPORT)
    assert export is not None and export.kept_back is not None
    assert export.kept_back.startswith("it has no sample of 'red' any more (gates.keep_classes)")


def test_several_classes_of_a_sample_are_corrected_whichever_of_two_sets_ran_last(
    nights: list[tuple[Run, Version]], tmp_path: Path
) -> None:
    """A store with a set of each kind: its last night is of the one whose samples are of one class."""
    run, _ = nights[0]
    folder = run.store.parent
    curate_inline(replace(config_of(folder, "multi"), name="several"))
    curate_inline(config_of(folder, "single"))
    ((sample_id,),) = connect_run(run.store).execute("SELECT min(sample_id) FROM samples").fetchall()
    path = tmp_path / "studio.json"
    path.write_text(json.dumps([{"sample_id": sample_id, "choice": {"choices": ["red", "green"]}}]))
    for added in ("2 label", "nothing new"):
        ended = run_here("corrections", "import", str(path), "--who", "ann", "--store", str(run.store))
        assert ended.returncode == 0, ended.stderr
        assert f"2 read; added: {added}" in " ".join(ended.stdout.split())
    assert read_standing(run.store)["value"].to_pylist() == ["red", "green"]
