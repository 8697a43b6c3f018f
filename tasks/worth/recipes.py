"""Recipes: the ways to select that tuning tries, each as what it changes in the selection of a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.worth.tune_config import TuneConfig

AS_IS = "the config as it is"


@dataclass(frozen=True)
class Recipe:
    """A way to select from what one of the runs has made; `changes` as they stand in a config below `selection`."""

    name: str
    run: int
    selection: SelectionConfig
    changes: Mapping[str, Any]


def recipes_of(config: SelectionConfig, tune: TuneConfig, runs: tuple[str, ...]) -> list[Recipe]:
    """The config as it is, which is of the first run, and every recipe of the search; runs: how each is called.

    A recipe that selects as the config does is left out. Raises ValueError where parts have policies of their own:
    they do not ask `policy`, so that recipes would be alike.
    """
    own = [part.name for part in config.parts if part.policy]
    if own:
        raise ValueError(f"tune: tries selection.policy, which parts with a policy of their own do not ask: {own}")
    found = [Recipe(AS_IS, 0, config, {})]
    for number, called in enumerate(runs):
        for (policy, settings), near in product(_policies(tune), tune.near_duplicates):
            changes = {**_policy_changes(policy, settings), **_near_changes(near)}
            selection = _changed(config, changes)
            if number or selection != config:
                words = [policy, *(f"{name} {value}" for name, value in settings.items()), f"near-duplicates {near}"]
                found.append(Recipe(", ".join([*words, *([called] if called else [])]), number, selection, changes))
    return found


def _policies(tune: TuneConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    for policy in tune.policies:
        if policy == "class-balanced":
            for sharpness, balance in product(tune.sharpness, tune.class_balance):
                yield policy, {"sharpness": sharpness, "balance": balance}
        elif policy == "balanced":
            for balance, order in product(tune.balance, tune.order):
                yield policy, {"balance": balance, "order": order}
        else:
            yield policy, {}


def _policy_changes(policy: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    below = {"settings": {policy.replace("-", "_"): dict(settings)}} if settings else {}
    return {"policy": policy, **below}


def _near_changes(near: float | str) -> dict[str, Any]:
    if near == "keep":
        return {"drop_near_duplicates": False}
    return {"drop_near_duplicates": True, "near_duplicate_threshold": near}


def _changed(config: SelectionConfig, changes: Mapping[str, Any]) -> SelectionConfig:
    below = {
        name: replace(getattr(config.settings, name), **values) for name, values in changes.get("settings", {}).items()
    }
    settings = replace(config.settings, **below)  # type: ignore[type-var]
    return replace(config, **{**changes, "settings": settings})
