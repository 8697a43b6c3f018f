"""The user's own command as probe: the k-NN that a command fits is the built-in one, and what goes wrong is told."""

import json
import os
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from judged_store import judged_run
from PIL import Image

from windrow.schemas import WORTH, WORTH_CURVE
from windrow.tasks.algorithms.worth.set_probe import JudgedPool
from windrow.tasks.config import ConfigError, load_config, parse_config
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.report.thumbnails import sample_reader
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, sample_id_of
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.worth.command_predictions import read_predictions
from windrow.tasks.worth.command_probe import CommandProbe
from windrow.tasks.worth.command_run import run_command
from windrow.tasks.worth.command_words import command_files
from windrow.tasks.worth.pool_worth import measure_worth
from windrow.tasks.worth.worth_config import WorthConfig

PLACES = ("{train}", "{held_out}", "{predictions}")
KNN = """
import sys
import numpy as np
import pyarrow.parquet as pq

train, held_out, predictions, seed = sys.argv[1:]
train, held_out = pq.read_table(train), pq.read_table(held_out)
features, asked = (np.stack(table["embedding"].to_numpy()) for table in (train, held_out))
classes, targets = np.unique(train["label"].to_pylist(), return_inverse=True)
weights = train["label_weight"].to_numpy() / train["label_weight"].to_numpy().sum()
similarity = asked @ features.T
k = min(20, len(features))
nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
votes = np.zeros((len(asked), len(classes)))
shares = np.exp((np.take_along_axis(similarity, nearest, 1).astype(float) - 1) / 0.07) * weights[nearest]
np.add.at(votes, (np.arange(len(asked))[:, None], targets[nearest]), shares)
with open(predictions, "w") as file:
    file.write("sample_id,label\\n")
    for sample_id, best in zip(held_out["sample_id"].to_pylist(), votes.argmax(1)):
        file.write(f"{sample_id},{classes[best]}\\n")
with open("LOG", "a") as file:
    file.write(f"{train.num_rows} {seed}\\n")
"""


def script(folder: Path, text: str) -> str:
    path = folder / "train.py"
    path.write_text(text.replace("LOG", str(folder / "log")))
    return str(path)


def measured(store: Path, config: WorthConfig) -> Done:
    return measure_worth(store, judged_run(store, "even"), "set", "pseudo", config, 0)


def told(store: Path, done: Done) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The plain rows of both tables, without what says who trained."""
    output = open_output(store / done.path)
    worth, curve = (output.read(table).to_pylist() for table in (WORTH, WORTH_CURVE))
    plain = [{k: v for k, v in row.items() if k != "probe"} for row in worth if row["weighting"] == "plain"]
    return plain, [row for row in curve if row["weighting"] == "plain"]


def test_a_command_that_fits_k_nn_says_what_the_built_in_one_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = (sys.executable, script(tmp_path, KNN), *PLACES, "{seed}")
    done = measured(tmp_path, WorthConfig(command=command, largest=100))
    rows, curve = told(tmp_path, done)
    assert (rows, curve) == told(tmp_path, measured(tmp_path, WorthConfig(probe="knn", largest=100)))
    assert rows[0]["decides"] and rows[0]["verdict"] == "better"
    assert {row["probe"] for row in open_output(tmp_path / done.path).read(WORTH).to_pylist()} == {"command"}
    trained = log.read_text().split("\n")[:-1]
    assert len(trained) == 1 + sum(row["n_seeds"] for row in curve)
    assert trained.count("100 0") == 2 and trained.count("100 4") == 1  # the curated set, and a random one a seed
    assert measured(tmp_path, WorthConfig(command=command, largest=100)).found
    assert len(log.read_text().split("\n")) == len(trained) + 1


def test_the_script_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "explanation" / "worth.md").read_text()
    text = page.partition('```python title="train.py"\n')[2].partition("```")[0]
    features = np.eye(4, dtype=np.float32)[np.arange(12) % 4]
    pool = JudgedPool(features, np.arange(12) % 4, np.ones(12), features[:5], np.arange(5) % 4, 4)
    names = ("a", "b", "c", "d")
    ids = pa.array([str(row) for row in range(12)])
    probe = CommandProbe(
        (sys.executable, script(tmp_path, text), *PLACES), 60, ids, ids[:5], names, tmp_path, lambda _: (), print
    )
    assert probe.right(pool, np.arange(12), False, 0).all()


def test_a_script_that_changes_is_another_command(tmp_path: Path) -> None:
    command = (sys.executable, script(tmp_path, KNN), *PLACES, "{seed}")
    first = command_files(command)
    assert set(first) == set(command[:2])
    script(tmp_path, KNN + "# another\n")
    assert command_files(command) != first


def test_what_was_trained_before_it_failed_is_not_trained_again(tmp_path: Path) -> None:
    mended, log = tmp_path / "mended", tmp_path / "log"
    failing = f"""
import os
if len(open("LOG").readlines()) == 7 and not os.path.exists({str(mended)!r}):
    sys.exit("the GPU is \\x1b[31mon fire")
"""
    command = (sys.executable, script(tmp_path, KNN + failing), *PLACES, "{seed}")
    config = WorthConfig(command=command, largest=50)
    with pytest.raises(ValueError, match=r"exit code 1; it said last:\n  the GPU is  \[31mon fire"):
        measured(tmp_path, config)
    mended.touch()
    rows, curve = told(tmp_path, measured(tmp_path, config))
    assert len(log.read_text().splitlines()) == 2 + sum(row["n_seeds"] for row in curve)  # the seventh twice
    assert rows == told(tmp_path, measured(tmp_path, WorthConfig(probe="knn", largest=50)))[0]
    assert not list(tmp_path.glob("outputs/worth/*/.work-*"))


BRIGHTNESS = """
import hashlib, pathlib, sys
import pyarrow.parquet as pq
from PIL import Image

train, held_out, predictions, images = sys.argv[1:]

def brightness(row):
    path = pathlib.Path(images) / row["sample_id"]
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:32] == row["sample_id"]
    return Image.open(path).getpixel((0, 0))

train = [(brightness(row), row["label"]) for row in pq.read_table(train).to_pylist()]
with open(predictions, "w") as file:
    file.write("label,sample_id\\n")
    for row in pq.read_table(held_out).to_pylist():
        asked = brightness(row)
        file.write(f"{min(train, key=lambda each: abs(each[0] - asked))[1]},{row['sample_id']}\\n")
print(len(train))
with open("LOG", "a") as file:
    file.write(f"{len(train)}\\n")
"""


@dataclass(frozen=True)
class Pictures:
    """Twelve grey pictures, of which the last four judge, by the path of each and by its id."""

    paths: list[Path]
    ids: list[str]
    pool: JudgedPool
    probe: CommandProbe
    noted: list[str]


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    folder, levels = tmp_path / "pictures", [10, 240, 20, 230, 30, 220, 40, 210, 15, 235, 25, 225]
    folder.mkdir()
    paths = [folder / f"{level}.png" for level in levels]
    for path, level in zip(paths, levels, strict=True):
        Image.new("L", (8, 8), level).save(path)
    ids = [sample_id_of(path.read_bytes()) for path in paths]
    done = ingest_shards(tmp_path, plan_shards([str(folder)]), IngestConfig())
    connection = connect(tables_of({"ingest": [open_output(tmp_path / each.path) for each in done]}))
    labels = np.arange(12) % 2
    pool = JudgedPool(
        np.eye(8, dtype=np.float32), labels[:8], np.ones(8), np.eye(4, 8, dtype=np.float32), labels[8:], 2
    )
    noted: list[str] = []
    command = (sys.executable, script(tmp_path, BRIGHTNESS), *PLACES, "{images}")
    probe = CommandProbe(
        command,
        60,
        pa.array(ids[:8]),
        pa.array(ids[8:]),
        ("dark", "light"),
        tmp_path / "kept",
        sample_reader(connection, tmp_path),
        noted.append,
    )
    return Pictures(paths, ids, pool, probe, noted)


def test_a_command_that_asks_for_images_is_given_the_bytes_of_every_sample(pictures: Pictures, tmp_path: Path) -> None:
    assert pictures.probe.right(pictures.pool, np.arange(4), False, 0).all()
    assert not pictures.probe.right(pictures.pool, np.array([0, 2]), False, 0)[1::2].any()  # it saw dark ones only
    assert {path.name for path in (tmp_path / "kept" / "images").iterdir()} == {*pictures.ids[:4], *pictures.ids[8:]}
    assert (tmp_path / "log").read_text().split() == ["4", "2"]


def test_a_sample_whose_bytes_are_gone_is_not_given_and_one_that_judges_is_told(
    pictures: Pictures, tmp_path: Path
) -> None:
    pictures.paths[1].unlink()
    assert pictures.probe.right(pictures.pool, np.arange(4), False, 0).all()
    assert (tmp_path / "log").read_text().split() == ["3"]
    assert any("1 samples have lost their bytes" in text for text in pictures.noted)
    pictures.paths[8].unlink()
    shutil.rmtree(tmp_path / "kept")
    with pytest.raises(ValueError, match=f"the bytes of the held-out sample {pictures.ids[8]} are gone"):
        pictures.probe.right(pictures.pool, np.arange(4), False, 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise SystemExit(3)", "ended with exit code 3; it said nothing"),
        ("import os; print('out of memory', flush=True); os.kill(os.getpid(), 9)", "was ended by SIGKILL; it said"),
        ("import time; print('epoch 1', flush=True); time.sleep(600)", r"did not end within 2 s .*\n  epoch 1"),
        ("1 / 0", "exit code 1; it said last:\n(.*\n)*  ZeroDivisionError"),
        ("", r"ended well, but wrote no file \{predictions\}"),
    ],
)
def test_how_a_command_failed_is_told_with_what_it_said_last(tmp_path: Path, text: str, why: str) -> None:
    command = (sys.executable, script(tmp_path, text), *PLACES)
    with pytest.raises(ValueError, match=rf"worth\.command: .*{why}"):
        measured(tmp_path, WorthConfig(command=command, command_seconds=2))
    assert not list(tmp_path.glob("outputs/worth/*/[0-9a-f]*"))


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no program 'no-such-program'"):
        measured(tmp_path, WorthConfig(command=("no-such-program", *PLACES)))


def ends_within(pid: int, seconds: float) -> bool:
    """Whether a process that has been killed is gone; on a busy machine it takes a moment to die."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


def test_what_a_command_started_ends_with_it_when_its_time_is_over(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"sleep 600 & echo $! > {pid}; wait"
    with pytest.raises(ValueError, match="did not end within"):
        run_command(["sh", "-c", text], 1.0, tmp_path / "said")
    assert ends_within(int(pid.read_text()), 10)


def test_a_command_dies_with_the_process_that_runs_it(tmp_path: Path) -> None:
    """Killed, that one has no time to tidy up."""
    os.mkfifo(tmp_path / "pid")
    text = (
        "from pathlib import Path; from windrow.tasks.worth.command_run import run_command; "
        "run_command(['sh', '-c', 'echo $$ > pid; exec sleep 600'], 600, Path('said'))"
    )
    runner = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path)
    command = os.pidfd_open(int((tmp_path / "pid").read_text()))
    runner.kill()
    runner.wait()
    assert select.select([command], [], [], 30)[0], "it lives on"
    os.close(command)


ASKED = ["aa", "bb"]
GOOD = "sample_id,label\naa,x\nbb,y\n"


@pytest.mark.parametrize("text", [GOOD, "label,sample_id\r\ny,bb\r\nx,aa\r\n", "\ufeff" + GOOD, f"{GOOD}\n"])
def test_predictions_are_read_in_any_order(tmp_path: Path, text: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_predictions(path, ASKED, ["x", "y"]) == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", r"wants the columns sample_id and label, it has \[\]"),
        (b"aa,x\nbb,y\n", r"wants the columns .*, it has \['aa', 'x'\]"),
        (b",sample_id,label\n0,aa,x\n1,bb,y\n", "wants the columns"),
        (b"sample_id,label\naa,x\n", "1 of 2 held-out samples are not there, 'bb' the first"),
        (b"sample_id,label\naa,x\naa,x\nbb,y\n", "line 3: 'aa' stands there twice"),
        (b"sample_id,label\naa,x\nbb,y\ncc,y\n", "line 4: 'cc' is no held-out sample"),
        (b"sample_id,label\naa,x\nbb\n", "line 3: wants 2 cells, has 1"),
        (b"sample_id,label\naa,x\nbb,\n", "line 3: '' is no class; there are 'x', 'y'"),
        (b"sample_id,label\naa,0\nbb,1\n", "line 2: '0' is no class"),
        (b"sample_id,label\naa,x\nbb,y \n", "line 3: 'y ' is no class"),
        (b'sample_id,label\naa,"x\nbb,y\n', "is no CSV in UTF-8"),
        (b"sample_id,label\naa,\xff\n", "is no CSV in UTF-8"),
        (b"PAR1\x00\x01", "wants the columns|is no CSV"),
    ],
)
def test_predictions_that_are_not_one_to_one_are_refused(tmp_path: Path, text: bytes, why: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=rf"worth\.command: its predictions: .*({why})"):
        read_predictions(path, ASKED, ["x", "y"])


@pytest.mark.parametrize(
    ("worth", "why"),
    [
        ({"command": "python train.py {train} {held_out} {predictions}"}, "worth.command: wants a list of words"),
        ({"command": ["train", "{train}", "{held_out}"]}, r"worth.command: wants \{predictions\} among its words"),
        ({"command": ["train", "{held_out}", "{predictions}"]}, r"worth.command: wants \{train\} among"),
        ({"command": ["t", *PLACES, "--{sed}"]}, r"worth.command: there is no \{sed\} .* known are \{train\}"),
        ({"command": ["t", *PLACES, ""]}, "worth.command.4: wants something"),
        ({"command": ["t", *PLACES], "probe": "knn"}, "worth.probe: wants 'auto' beside a command"),
        ({"command": ["t", *PLACES], "class_weighted": True}, "worth.class_weighted: wants false beside a command"),
        ({"command": ["t", *PLACES], "command_seconds": 0}, "worth.command_seconds: wants more than 0"),
    ],
)
def test_a_command_that_cannot_work_is_refused_with_the_config(worth: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_config({"sources": ["x"], "worth": worth})


def test_a_script_beside_the_config_is_found_from_anywhere(tmp_path: Path) -> None:
    script(tmp_path, KNN)
    command = json.dumps(["python", "train.py", *PLACES, '{"a": 1}', "--lr={seed}"])
    (tmp_path / "windrow.yaml").write_text(f"sources: [pool]\nworth: {{command: {command}}}\n")
    words = load_config(tmp_path / "windrow.yaml").worth.command
    assert words[0] == "python" and Path(words[1]).resolve() == (tmp_path / "train.py").resolve()
    assert words[2:] == (*PLACES, '{"a": 1}', "--lr={seed}")
