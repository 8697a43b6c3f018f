"""The stages of a run, each named here and nowhere else, in the order in which they run."""

from enum import StrEnum


class Stage(StrEnum):
    """A stage: its value names its record in a run, and the folder of its outputs."""

    INGEST = "ingest"
    HASH_GROUPS = "hash_groups"
    MODEL_SCORES = "model_scores"
    FEATURES = "features"
    NEIGHBORS = "neighbors"
    CLUSTER = "cluster"
    PSEUDO_LABEL = "pseudo_label"
    RANK = "rank"
    WORTH = "worth"
    EXPORT = "export"
    ACCOUNT = "account"
    POOL = "pool"


class Part(StrEnum):
    """What stages make beside the outputs that bear their own names."""

    CHOSEN_BACKBONE = "choose_backbone"
    FITTED_BACKBONE = "fit_backbone"
    SNIPPETS = "snippets"
    GIVEN_LABELS = "given_labels"
    GIVEN_STATES = "given_states"
    LABEL_STATES = "label_states"
    LABEL_CORRECTIONS = "label_corrections"
    SELECTION_CORRECTIONS = "selection_corrections"
    USER_FILES = "user_files"
    HELD_OUT = "held_out"
    HELD_OUT_STATES = "held_out_states"
    PREDICTIONS = "predictions"
    LABEL_CHECKS = "label_checks"
    BELONGING = "belonging"
    LEAKS = "leaks"
    REFERENCE_WEIGHTS = "reference_weights"
    RANKING = "ranking"
    FROZEN_SPLITS = "frozen_splits"
    CLASS_SHARES = "class_shares"
    MAP = "map"
    EXPORT_PLAN = "export-plan"
    EXPORT_SHARDS = "export-shards"
    EXPORT_SHARD = "export-shard"


OPTIONAL = frozenset({Stage.MODEL_SCORES, Stage.WORTH})
"""Stages that a finished run may lack: runs of earlier versions have no worth."""
