"""`windrow tune`: from a finished run to a config that won, and what it says where nothing could be told."""

import json
from pathlib import Path

import numpy as np
import pytest
import webdataset
import yaml
from inline_run import curate_inline
from small_pool import png

from windrow.flows.commands.tune_answer import print_tuned, wrapped
from windrow.tasks.config import load_config
from windrow.tasks.storage.store.run_records import list_runs

N = 300
SMALL = ("tune.policies=[balanced,random]", "tune.balance=[1]", "tune.near_duplicates=[keep,auto]", "tune.most_seeds=2")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of a finished run over pictures of four classes, a long tail; half of the labels are held out."""
    folder = tmp_path_factory.mktemp("tuned")
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 215, (4, 3))
    with webdataset.TarWriter(str(folder / "pool.tar"), mtime=0) as writer:
        for number, each in enumerate(rng.choice(4, N, p=[0.55, 0.25, 0.12, 0.08])):
            noisy = np.clip(colours[each] + rng.normal(0, 45, 3) + rng.normal(0, 20, (16, 16, 3)), 0, 255)
            writer.write({"__key__": f"{number:04d}", "png": png(noisy), "cls": str(each)})
    values = {
        "sources": ["pool.tar"],
        "store": "store",
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [12], "n_rounds": 0},
        "labels": {"given": "found", "makers": ["probe"], "combine": ["probe"]},
        "selection": {"target_size": 40, "policy": "random"},
        "worth": {"holdout_share": 0.5, "probe": "knn"},
        "executor": {"kind": "inline"},
    }
    path = folder / "windrow.yaml"
    path.write_text(yaml.safe_dump(values))
    curate_inline(load_config(path))
    return path


def test_the_winner_is_a_config_that_says_what_it_rests_on(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = config.parent / "tuned.yaml"
    print_tuned(config, SMALL, out, as_json=False)
    text = out.read_text()
    assert "Chosen by `windrow tune` from 6 recipes" in text.replace("\n# ", " ")
    assert "held-out samples" in text and "95 %" in text and "Against random samples" in text
    won = load_config(out)
    assert won.sources == load_config(config).sources
    assert yaml.safe_load(capsys.readouterr().out)["sources"] != []
    assert not list(config.parent.glob(".tmp-*"))
    with pytest.raises(ValueError, match="there is such a file"):
        print_tuned(config, SMALL, out, as_json=False)


def test_json_tells_every_recipe_and_is_the_same_again_and_only_adds_to_the_store(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = set((config.parent / "store" / "outputs").rglob("manifest.json"))
    print_tuned(config, SMALL, None, as_json=True)
    first = capsys.readouterr().out
    print_tuned(config, SMALL, None, as_json=True)
    assert capsys.readouterr().out == first
    told = json.loads(first)
    assert [row["sets"] for row in told["race"]] == [2] * 6
    assert told["chosen_on"]["groups"] >= 50 <= told["judged_on"]["groups"]
    random = told["against"]["random"]
    assert random["low"] < random["difference"] < random["high"]
    assert set((config.parent / "store" / "outputs").rglob("manifest.json")) == outputs
    assert {run.status for run in list_runs(config.parent / "store")} == {"finished", "partial"}


def test_no_line_of_the_comment_ends_within_a_word_or_begins_with_the_sign_of_a_number() -> None:
    lines = wrapped("Against random samples: near-duplicates 0.9, better, 92.0 %, not 85.6 %. " * 20)
    assert not any(line.endswith("-") or line.startswith("%") for line in lines)
    assert " ".join(lines).count(" % ") == 0 and " ".join(lines).count("92.0 %,") == 20


def test_mistakes_are_told_in_a_line(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no finished run of curated"):
        print_tuned(config, [f"store={tmp_path}"], None, as_json=False)
    with pytest.raises(ValueError, match="there is no such folder"):
        print_tuned(config, [], tmp_path / "no" / "tuned.yaml", as_json=False)
    with pytest.raises(ValueError, match=r"tune\.balance\.0: wants .*got 7"):
        print_tuned(config, ["tune.balance=[7]"], None, as_json=False)
    for changed, n in (("labels.given=none", "0"), ("worth.holdout_share=0.25", r"\d\d")):
        with pytest.raises(ValueError, match=f"are {n} independent groups; to choose by 50 and to judge by 50 others"):
            print_tuned(config, [changed], None, as_json=False)
