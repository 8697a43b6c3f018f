"""`windrow forget`: it says what will go, asks, does it, and a mistake gets one line."""

import json
from pathlib import Path

import pytest
from command_line import Result, run_here
from small_pool import SmallPool, curate_small, ids
from taken_down import copied

from windrow.flows.commands.stores.doctor import contents
from windrow.schemas.stages import Stage
from windrow.tasks.recording import begin_run, recording
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.refused_samples import read_forgotten
from windrow.tasks.takedown import removal as takedown
from windrow.tasks.takedown.forget_targets import Chosen, choose


@pytest.fixture(scope="module")
def curated(small: SmallPool, tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    return copied(small, tmp_path_factory.mktemp("small") / "store")


def windrow(pool: SmallPool, *words: str, answer: str = "") -> Result:
    return run_here(*words, "--store", str(pool.store), answer=answer)


def test_it_says_what_will_go_asks_does_it_and_explain_tells_why(curated: SmallPool, tmp_path: Path) -> None:
    pool = copied(curated, tmp_path / "store")
    (wanted,), (near,) = ids(pool.wanted), ids(pool.near)
    for words, answer, code in ((("--dry-run",), "", 0), ((), "n\n", 0)):
        told = windrow(pool, "forget", wanted, *words, answer=answer)
        assert told.returncode == code, told.stderr
        assert "1 sample asked for, 1 near-duplicate" in told.stdout
        assert f"{near}  0.9" in told.stdout
        assert "curated/small/v0001 holds 1 of them: to withdraw" in told.stdout
        assert read_forgotten(pool.store).num_rows == 0
    done = windrow(pool, "forget", wanted, "--reason", "a letter [1]", answer="y\n")
    assert done.returncode == 0, done.stderr
    assert f"{pool.config.sources[0]}  0.png  me.png" in done.stdout
    (manifest,) = (pool.store / "takedowns").iterdir()
    assert json.loads(manifest.read_text())["finished_at"]
    for name, why in ((wanted, "asked for"), (near[:8], f"near-duplicate of {wanted}")):
        story = windrow(pool, "explain", name)
        assert story.returncode == 0, story.stderr
        assert "forgotten on " in story.stdout
        assert why in story.stdout
        assert "a letter [1]" in story.stdout
    again = windrow(pool, "forget", wanted, "--yes")
    assert (again.returncode, again.stdout) == (0, "1 sample forgotten before: nothing to do for them\n")
    curate_small(pool.config)
    assert "forgotten: take-down " in windrow(pool, "explain", "me.png").stdout
    compared = windrow(pool, "diff", "small", "v0001", "v0002")
    assert compared.returncode == 2
    assert compared.stderr.strip().endswith("withdrawn.json; use v0002")


@pytest.mark.parametrize("target", ["f" * 32, "elsewhere", "@no-such-file", None])
def test_a_target_that_is_none_gets_one_line_and_changes_nothing(curated: SmallPool, target: str | None) -> None:
    ended = windrow(curated, "forget", *([target] if target else []), "--yes")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1
    assert [version.version for version in list_versions(curated.store)] == ["v0001"]


def test_a_take_down_that_was_cut_short_is_told_by_the_doctor_and_finished_by_the_command(
    curated: SmallPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = copied(curated, tmp_path / "store")
    with monkeypatch.context() as broken:
        broken.setattr(takedown, "drop_ids", lambda *_: 1 / 0)
        assert windrow(pool, "forget", *ids(pool.wanted), "--yes").returncode == 1
    (name,) = takedown.unfinished(pool.store)
    assert any(finding.state == "bad" and name in finding.text for finding in contents(pool.store))
    ended = windrow(pool, "forget")
    assert (ended.returncode, ended.stdout) == (0, f"finished take-down {name}, which had been cut short\n")
    assert takedown.unfinished(pool.store) == []


def test_a_run_finishes_it_first_and_nothing_is_forgotten_while_a_stage_is_at_work(
    curated: SmallPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = copied(curated, tmp_path / "store")
    with monkeypatch.context() as broken:
        broken.setattr(takedown, "drop_ids", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            takedown.forget(pool.store, [vars(each) for each in choose(pool.store, ids(pool.wanted)).chosen], None)
    run = begin_run(pool.config)
    assert takedown.unfinished(pool.store) == []
    with pytest.raises(InterruptedError), recording(run, Stage.INGEST, PlainRunner()):
        with pytest.raises(ValueError, match="a run is at work"):
            takedown.forget(pool.store, [vars(Chosen(name, name)) for name in ids(*pool.others)], None)
        raise InterruptedError
    assert len(read_forgotten(pool.store)) == 2
