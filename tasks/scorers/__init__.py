"""Scores by models of your own: the `Scorer` protocol, one file each, and `load_scorer` to get one."""

from __future__ import annotations

from windrow.tasks.scorers.scorer import Scorer, ScorerConfig

__all__ = ["Scorer", "ScorerConfig", "load_scorer", "scorer_version"]


def load_scorer(config: ScorerConfig) -> Scorer:
    """The scorer that `config` names.

    Raises BackboneUnavailable, saying what to do, when a library, a file or one of the classes is missing.
    """
    # PyTorch and transformers are imported when asked for: start-up is quick, and the extra stays optional.
    from windrow.tasks.scorers.classifier import ClassifierScorer

    return ClassifierScorer(config)


def scorer_version(config: ScorerConfig) -> str:
    """The `version` of the scorer that `config` names, without loading it. Raises BackboneUnavailable, as above."""
    from windrow.tasks.scorers.classifier import classifier_version

    return classifier_version(config)
