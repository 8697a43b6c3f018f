"""The command line: what a newcomer types, and what a mistake gets for an answer."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from workshop import Workshop

COMMANDS = ("run", "nightly", "ingest", "query", "explain", "diff", "forget", "report", "export", "levels", "verify")
COMMANDS += ("doctor", "audit", "config", "init")


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def overview(workshop: Workshop) -> str:
    """What `windrow --help` prints."""
    return workshop.windrow("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(workshop: Workshop, overview: str, command: str) -> None:
    ended = workshop.here(command, "--help")
    assert ended.returncode == 0
    assert f"Usage: windrow {command}" in ended.stdout
    assert command in overview


def test_a_query_answers_as_a_table_as_csv_and_as_json(workshop: Workshop) -> None:
    sql = "SELECT split, count(*) AS n FROM curated GROUP BY split ORDER BY split"
    words = ("query", sql, "--store", str(workshop.store))
    assert "train" in workshop.here(*words).stdout
    rows = lines(workshop.here(*words, "--format", "csv").stdout)
    assert [row["split"] for row in rows] == ["train", "val"]
    as_json = [json.loads(line) for line in workshop.here(*words, "--format", "json").stdout.splitlines()]
    assert [{key: str(value) for key, value in row.items()} for row in as_json] == rows


def test_a_row_that_is_too_wide_for_the_terminal_stands_upright_and_whole(workshop: Workshop) -> None:
    words = ("--store", str(workshop.store))
    shown = workshop.here("query", "SELECT * FROM pool ORDER BY sample_id LIMIT 11", *words).stdout
    sql = "SELECT sample_id FROM samples ORDER BY sample_id LIMIT 11"
    ids = [row["sample_id"] for row in lines(workshop.here("query", sql, *words, "--format", "csv").stdout)]
    values = [line.split() for line in shown.splitlines()]
    assert [value[1] for value in values if value[0] == "sample_id"] == ids[:10]
    assert "the first 10 rows; --format csv prints all" in shown
    assert "…" not in shown


def test_the_story_of_a_sample_says_where_it_was_seen_and_what_became_of_it(workshop: Workshop) -> None:
    sql = "SELECT sample_id, outcome FROM outcomes WHERE outcome = '{}' LIMIT 1"
    for outcome, words in {
        "exported": ["selected for split", "pseudo", "exported"],
        "duplicate": ["seen 2 times", "duplicate of", "same bytes"],
        "filtered": ["not ranked: greyscale", "filtered: greyscale", "belonging 0.01"],
        "unreadable": ["unreadable: "],
        "not_selected": ["not selected"],
    }.items():
        found = workshop.here("query", sql.format(outcome), "--store", str(workshop.store), "--format", "csv").stdout
        sample = lines(found)[0]
        for wanted in (sample["sample_id"], sample["sample_id"][:12]):
            story = workshop.here("explain", wanted, "--store", str(workshop.store))
            assert story.returncode == 0, story.stderr
            assert all(word in story.stdout for word in words), story.stdout


def test_the_runs_of_a_store_are_listed_with_what_they_published(workshop: Workshop) -> None:
    shown = workshop.windrow("runs", "--store", str(workshop.store))
    assert shown.returncode == 0, shown.stderr
    assert "v0001" in shown.stdout
    rows = [
        json.loads(line)
        for line in workshop.windrow("runs", "--json", "--store", str(workshop.store)).stdout.splitlines()
    ]
    assert [row["version"] for row in rows if row["is_new"]] == ["v0001"]
    assert {row["status"] for row in rows} <= {"finished", "partial"}
    assert workshop.windrow("runs", "--name", "none", "--store", str(workshop.store)).returncode == 2


def test_what_a_store_spends_its_bytes_on_is_told_and_nothing_goes_unasked(workshop: Workshop) -> None:
    shown = workshop.windrow("gc", "--store", str(workshop.store))
    assert shown.returncode == 0, shown.stderr
    assert "digits v0001: " in shown.stdout
    assert "no kept run needs 0 outputs, 0 B" in shown.stdout


def test_one_version_has_nothing_to_be_compared_with(workshop: Workshop) -> None:
    ended = workshop.here("diff", "digits", "--store", str(workshop.store))
    assert ended.returncode == 2
    assert "one version only" in ended.stderr


def test_the_report_is_drawn_again_where_one_wants_it(workshop: Workshop) -> None:
    page = workshop.folder / "page.html"
    ended = workshop.here("report", "--store", str(workshop.store), "--out", str(page))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == str(page)
    assert page.read_text().startswith("<!doctype html>")


def test_the_doctor_finds_a_healthy_installation(workshop: Workshop) -> None:
    ended = workshop.windrow("doctor", "--store", str(workshop.store))
    assert ended.returncode == 0, ended.stdout
    assert "finished" in ended.stdout


def test_the_doctor_says_when_a_file_or_another_folder_is_taken_for_the_store(workshop: Workshop) -> None:
    for path, code, words in (
        (workshop.config, 1, "is a file"),
        (workshop.store.parent, 0, "no run: is it the store?"),
    ):
        ended = workshop.here("doctor", "--store", str(path))
        assert ended.returncode == code
        assert words in " ".join(ended.stdout.split())


def test_the_doctor_names_what_killed_runs_left_and_who_takes_it_away(workshop: Workshop) -> None:
    left = workshop.store / "outputs" / ".tmp-of-a-killed-run"
    left.mkdir()
    ended = workshop.here("doctor", "--store", str(workshop.store))
    assert "1 folder of runs at work, or left by killed ones" in " ".join(ended.stdout.split())
    told = workshop.here("gc", "--store", str(workshop.store))
    left.rmdir()
    assert "1 that killed runs had begun" in " ".join(told.stdout.split())


def test_a_store_is_verified_and_its_damage_is_told_a_line_each(workshop: Workshop, tmp_path: Path) -> None:
    sound = workshop.here("verify", str(workshop.store))
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "rows checked; no damage" in sound.stdout
    assert "not hashed" in workshop.here("verify", "--quick", "--store", str(workshop.store)).stdout
    store = shutil.copytree(workshop.store, tmp_path / "store")
    (file,) = store.glob("curated/digits/v0001/classes.txt")
    file.chmod(0o644)
    file.write_text("zero\n")
    (card,) = store.glob("curated/digits/v0001/parquet/README.md")
    card.unlink()
    for path, places in ((store, "curated/digits/v0001/"), (file.parent, "")):
        ended = workshop.here("verify", str(path))
        assert ended.returncode == 1
        damage, other, unchecked, summary = ended.stdout.splitlines()
        assert damage.startswith(f"{places}classes.txt: SHA-256 is ")
        assert other == f"{places}parquet/README.md: is missing"
        assert unchecked.startswith("not looked at: the samples of ")
        assert summary.endswith("2 damages")


MISTAKES = {
    "there is no file or folder nowhere.yaml": ("run", "nowhere.yaml"),
    "features.nmae: there is no such field; did you mean features.name?": ("run", "{config}", "-s", "features.nmae=x"),
    "selection.target_size: wants 0 or more, got -1": ("run", "{config}", "-s", "selection.target_size=-1"),
    "seed: wants a whole number, got 'many'": ("run", "{config}", "-s", "seed=many"),
    "rule 'sharp' (bluur < 3)": ("run", "{config}", "-s", "selection.filters=[{{name: sharp, keep: bluur < 3}}]"),
    "/no/such/folder": ("ingest", "{config}", "-s", "sources=[/no/such/folder]", "-s", "store=other"),
    "only SELECT": ("query", "DROP TABLE samples", "--store", "{store}"),
    'Referenced column "colour" not found': ("query", "SELECT colour FROM pool", "--store", "{store}"),
    "read_csv reads files": ("query", "SELECT * FROM read_csv('/etc/passwd')", "--store", "{store}"),
    "has no finished run: `windrow run` makes one": ("query", "SELECT 1", "--store", "nowhere"),
    "cannot be read: No such file": ("forget", "@nofile", "--store", "{store}"),
    "no sample of this run has the id or key 'f00'": ("explain", "f00", "--store", "{store}"),
    "has no version of 'letters'": ("diff", "letters", "--store", "{store}"),
    "is no store, and no version of a curated set": ("verify", "nowhere"),
    "has no run 'tuesday'": ("report", "--run", "tuesday", "--store", "{store}"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_told_in_a_line_without_a_traceback(workshop: Workshop, message: str) -> None:
    words = [word.format(config=workshop.config, store=workshop.store) for word in MISTAKES[message]]
    ended = workshop.here(*words)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_the_levels_of_a_run_are_shown_with_their_sizes(workshop: Workshop) -> None:
    shown = workshop.here("levels", "--store", str(workshop.store))
    assert shown.returncode == 0, shown.stderr
    sql = "SELECT count(*) AS n, sum(inertia) > 0 AS positive FROM clusters WHERE level = 1"
    finest = lines(workshop.here("query", sql, "--store", str(workshop.store), "--format", "csv").stdout)[0]
    row = next(line for line in shown.stdout.splitlines() if line.startswith("│ clusters"))
    assert finest["n"] in row
    assert finest["positive"] in ("True", "true")


def test_levels_are_proposed_as_a_config_that_can_be_pasted(workshop: Workshop) -> None:
    shown = workshop.here("levels", "1000000", "--target", "50000")
    assert "clustering: {n_clusters: [63096, 15849, 3981, 1000], n_resamples: [8, 2, 2, 2]}" in shown.stdout
    assert workshop.here("levels", "0").returncode == 2
    assert workshop.here("levels", "--target", "5").returncode == 2
