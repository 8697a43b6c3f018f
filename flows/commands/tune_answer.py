"""`windrow tune`: makes what the recipes start from, races them, and says which config won, and by how much."""

from __future__ import annotations

import json
import logging
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import typer
import yaml

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.clustering.level_settings import propose_levels
from windrow.tasks.algorithms.worth.comparison import Difference
from windrow.tasks.config import CurationConfig, parse_values
from windrow.tasks.config_file import read_values
from windrow.tasks.config_yaml import YamlText
from windrow.tasks.pipeline import curate
from windrow.tasks.progress import stage_progress
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.store.run_records import Run, latest_run
from windrow.tasks.worth.recipes import Recipe, recipes_of
from windrow.tasks.worth.tuning import Tuned, n_trials, read_ranked, tune_recipes

SHOWN = 5
WIDTH = 100


@dataclass(frozen=True)
class Start:
    """Clusters and features that recipes start from: how they are called, and what they change in the config."""

    called: str
    changes: Mapping[str, Mapping[str, Any]]


def print_tuned(path: Path, overrides: Sequence[str], to: Path | None, as_json: bool) -> None:
    """Tune a config and print the winner, as a config that says in comments what it rests on.

    Raises ValueError where there is no finished run, where nothing can be told, and where the file `to` exists.
    """
    config = parse_values(read_values(path, overrides, CurationConfig), path)
    if to is not None and (to.exists() or not to.parent.is_dir()):
        raise ValueError(f"--out {to}: {'there is such a file' if to.exists() else 'there is no such folder'}")
    starts, runs = _made(config)
    recipes = recipes_of(config.selection, config.tune, tuple(start.called for start in starts))
    tuned = _raced(config, runs, recipes)
    changes = {**starts[tuned.winner.run].changes, "selection": tuned.winner.changes}

    def winner(start: Path) -> dict[str, Any]:
        return _merged(read_values(path, overrides, CurationConfig, start), changes)

    text = _commented(tuned, recipes) + _yaml(winner(Path()))
    if to is not None:
        parse_values(winner(to.parent), to)
        write_atomically(to, _commented(tuned, recipes) + _yaml(winner(to.parent)))
    typer.echo(_json(tuned, recipes, winner(Path())) if as_json else text, nl=as_json)


def _made(config: CurationConfig) -> tuple[list[Start], list[Run]]:
    """Run what comes before the race, mostly to find it done: of the config, and of other levels and backbones."""
    if latest_run(Path(config.store), config.name) is None:
        raise ValueError(f"store {config.store} has no finished run of {config.name}: `windrow run` makes one")
    first = curate(config, PlainRunner(), until="rank").run
    n = sum(output.counts["n_samples"] for output in first.outputs(Stage.FEATURES))
    found, runs = [Start("", {})], [first]
    for backbone, levels in product((None, *config.tune.backbones), (None, *config.tune.levels)):
        start = _start(backbone, levels, n)
        if start.changes:
            found.append(start)
            runs.append(curate(_with(config, start), PlainRunner(), until="rank").run)
    return found, runs


def _start(backbone: str | None, levels: int | None, n: int) -> Start:
    changes: dict[str, dict[str, Any]] = {}
    if backbone is not None:
        changes["features"] = {"name": backbone}
    if levels is not None:
        changes["clustering"] = {"n_clusters": list(propose_levels(n, n_levels=levels).n_clusters)}
    words = [*([f"features {backbone}"] if backbone else []), *([f"{levels} levels"] if levels else [])]
    return Start(", ".join(words), changes)


def _with(config: CurationConfig, start: Start) -> CurationConfig:
    features, clustering = start.changes.get("features"), start.changes.get("clustering")
    if features:
        config = replace(config, features=replace(config.features, **features))
    if clustering:
        n_clusters = tuple(clustering["n_clusters"])
        config = replace(config, clustering=replace(config.clustering, n_clusters=n_clusters, n_resamples=()))
    return config


def _raced(config: CurationConfig, runs: Sequence[Run], recipes: Sequence[Recipe]) -> Tuned:
    say = logging.getLogger("windrow").info
    pools = read_ranked(runs, recipes, config.export.label_set)
    total = n_trials(len(recipes), config.tune)
    say(f"tune: {len(recipes):,} recipes, {total:,} sets to judge")
    if config.worth.command:
        say("tune: a probe on frozen features judges them, not worth.command")
    with stage_progress("tune", total, say, lambda _: None) as progress:
        return tune_recipes(pools, recipes, config.worth, config.tune, config.seed, progress.advance)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values with changes, which go as deep as these do."""
    merged = dict(values)
    for name, change in changes.items():
        below = merged.get(name) or {}
        merged[name] = _merged(below, change) if isinstance(change, Mapping) else change
    return {name: value for name, value in merged.items() if value != {}}


def _yaml(values: Mapping[str, Any]) -> str:
    text: str = yaml.dump(values, Dumper=YamlText, sort_keys=False, allow_unicode=True, width=WIDTH)
    return text


def _commented(tuned: Tuned, recipes: Sequence[Recipe]) -> str:
    lines = [line for text in _sentences(tuned, recipes) for line in wrapped(text)]
    return "".join(f"# {line}\n" for line in lines)


def wrapped(text: str) -> list[str]:
    """Lines of a comment; no line begins with the % of a number, and none ends within a word."""
    lines = textwrap.wrap(text.replace(" %", "\u00a0%"), WIDTH, break_on_hyphens=False)
    return [line.replace("\u00a0%", " %") for line in lines]


def _sentences(tuned: Tuned, recipes: Sequence[Recipe]) -> Iterator[str]:
    """What was done, on how many samples, what won, and what it is worth."""
    yield f"Chosen by `windrow tune` from {len(recipes):,} recipes: {tuned.winner.name}."
    yield (
        f"Chosen on {tuned.samples[0]:,} held-out samples ({tuned.groups[0]:,} independent groups), judged on "
        f"{tuned.samples[1]:,} others ({tuned.groups[1]:,} groups), by sets of {tuned.n:,} samples."
    )
    yield f"Against random samples: {difference_words(tuned.random)}."
    if tuned.as_is is None:
        yield "It is the config as it is: no other recipe was better where recipes were chosen."
    else:
        yield f"Against the config as it is: {difference_words(tuned.as_is)}."
    order = sorted(range(len(recipes)), key=lambda each: (-tuned.race.n_seeds[each], -tuned.race.means[each], each))
    yield "The last ones in the race, by what they were chosen on, which flatters:"
    for each in order[:SHOWN]:
        seeds = tuned.race.n_seeds[each]
        yield f"- {100 * tuned.race.means[each]:.1f} % ({seeds} sets): {recipes[each].name}"


def difference_words(found: Difference) -> str:
    """A difference of balanced accuracy in points, with its 95 % interval, and what that allows to be said."""
    return (
        f"{found.verdict}, {100 * found.value:+.1f} points of balanced accuracy (95 % interval {100 * found.low:+.1f} "
        f"to {100 * found.high:+.1f}; {100 * found.quality:.1f} %, not {100 * found.other:.1f} %)"
    )


def _json(tuned: Tuned, recipes: Sequence[Recipe], values: Mapping[str, Any]) -> str:
    def told(found: Difference | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {**asdict(found), "difference": found.value, "verdict": found.verdict}

    raced = zip(recipes, tuned.race.means, tuned.race.n_seeds, strict=True)
    return json.dumps(
        {
            "winner": tuned.winner.name,
            "config": values,
            "n_samples": tuned.n,
            "chosen_on": {"samples": tuned.samples[0], "groups": tuned.groups[0]},
            "judged_on": {"samples": tuned.samples[1], "groups": tuned.groups[1]},
            "against": {"random": told(tuned.random), "as_is": told(tuned.as_is)},
            "race": [{"recipe": each.name, "quality": float(mean), "sets": int(n)} for each, mean, n in raced],
        },
        indent=2,
        ensure_ascii=False,
    )
