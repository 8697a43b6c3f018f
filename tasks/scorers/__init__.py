"""Scores by models of your own: the `Scorer` protocol, one file each, and `load_scorer` to get one."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from windrow.tasks.scorers.scorer import SCORERS, Scorer, ScorerConfig

__all__ = ["SCORERS", "Scorer", "ScorerConfig", "load_scorer"]


def load_scorer(config: ScorerConfig) -> Scorer:
    """The scorer that `config.model` names.

    Raises BackboneUnavailable, saying what to do, when a library, a file or one of the classes is missing, and
    ValueError when a class of the user's own is missing or does not fit.
    """
    # PyTorch and transformers are imported when asked for: start-up is quick, and the extra stays optional.
    kind = next(kind for kind in SCORERS if config.model.startswith(kind))
    module, name = SCORERS[kind].split(":")
    return cast(Scorer, getattr(import_module(module), name)(config))
