"""What is left to ask of the last run after a take-down."""

import pytest
from command_line import run_here
from small_pool import SmallPool, curate_small, ids
from starlette.testclient import TestClient
from taken_down import NOW, WISH, files_with, forget_again, traces_of

from windrow.flows.exploring.pages import explorer_app
from windrow.tasks.explore.explored_store import ExploredStore
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.storage.verify.verification import verify
from windrow.tasks.takedown.forget_targets import Chosen
from windrow.tasks.takedown.removal import forget


def test_runs_that_had_them_are_withdrawn_with_their_reports_and_the_last_can_still_be_asked(pool: SmallPool) -> None:
    (report,) = pool.store.glob("runs/*/report.html")
    asked = "SELECT sample_id, label, rank, cluster_path FROM pool ORDER BY ALL"
    before = {row[0]: row for row in open_catalog(pool.store).sql(asked).fetchall()}
    forget_again(pool)
    assert not report.exists()
    for run_id in (None, report.parent.name):
        catalog = open_catalog(pool.store, run_id)
        left = {row[0]: row for row in catalog.sql(asked).fetchall()}
        assert left == {name: before[name] for name in ids(*pool.others)}
        outcomes = catalog.sql(
            "SELECT outcome, count(*) FROM outcomes SEMI JOIN occurrences USING (occurrence_id) GROUP BY 1"
        )
        assert dict(outcomes.fetchall()) == {"exported": len(pool.others), "forgotten": 3}
        assert catalog.sql("FROM neighbors").fetchall() == []
        assert len(catalog.sql("SELECT * FROM curated").fetchall()) == len(pool.others)
    assert verify(pool.store).damage == ()
    (rest,) = pool.store.glob("runs/*/rest")
    broken = rest / "pool.parquet"
    broken.chmod(0o644)
    broken.write_bytes(broken.read_bytes()[:-9] + b"x" + broken.read_bytes()[-8:])
    assert [damage.path for damage in verify(pool.store).damage] == [str(broken.relative_to(pool.store))]


def test_what_is_left_of_a_run_loses_what_is_forgotten_later_and_goes_with_the_next_run(pool: SmallPool) -> None:
    more = traces_of(pool.store, pool.others[0])
    forget_again(pool)
    (name,) = ids(pool.others[0])
    assert (name,) in open_catalog(pool.store).sql("SELECT sample_id FROM pool").fetchall()
    forget(pool.store, [vars(Chosen(name, name))], WISH, NOW)
    found = {path.split("/")[0] for paths in files_with(pool.store, more).values() for path in paths}
    assert found == {"forgotten", "takedowns"}
    assert open_catalog(pool.store).sql("SELECT count(*) FROM pool").fetchall() == [(len(pool.others) - 1,)]
    curate_small(pool.config)
    assert not list(pool.store.glob("runs/*/rest"))
    assert open_catalog(pool.store).sql("SELECT count(*) FROM pool").fetchall() == [(len(pool.others) - 1,)]


def test_the_explorer_shows_what_is_left_on_the_map_that_had_been_drawn(pool: SmallPool) -> None:
    before = ExploredStore(pool.store)
    places = dict(zip(before.sample_ids.to_pylist(), before.planes.near.tolist(), strict=True))
    forget_again(pool)
    left = ExploredStore(pool.store)
    assert sorted(left.sample_ids.to_pylist()) == ids(*pool.others)
    assert left.planes.near.tolist() == [places[name] for name in left.sample_ids.to_pylist()]
    with TestClient(explorer_app(left, "ann")) as client:
        told = client.get("/pool.json").json()
        assert "withdrawn by take-down" in told["withdrawn"] and told["n_samples"] == len(pool.others)
        assert client.get("/image/0/192").status_code == 200
        assert client.get("/sample/0").json()["neighbors"] == []
        assert "went with a take-down" in client.get("/like/sample/0").text
        assert "went with a take-down" in client.post("/like/picture", content=pool.wanted).text
    assert list(all_outputs(pool.store, "fit_backbone")) == [], "nothing was fitted to look for a picture"
    assert verify(pool.store).damage == ()


def test_without_a_map_the_explorer_says_why_it_shows_nothing(pool: SmallPool) -> None:
    forget_again(pool)
    with pytest.raises(ValueError, match=r"withdrawn by take-down .*No map of it had been drawn"):
        ExploredStore(pool.store)


@pytest.mark.parametrize("command", ["report", "worth", "levels", "annotate"])
def test_what_wants_a_whole_run_says_what_can_still_be_asked(pool: SmallPool, command: str) -> None:
    forget_again(pool)
    told = run_here(command, "--store", str(pool.store))
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "withdrawn by take-down" in told.stderr and "Until then `windrow query`" in told.stderr
    assert "Until then `windrow query`" in run_here("runs", "--store", str(pool.store)).stdout.replace("\n", " ")
