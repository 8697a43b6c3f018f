"""All tables of a store."""

from windrow.schemas.clusters import ASSIGNMENTS, CLUSTERS, DRIFT
from windrow.schemas.embeddings import BACKBONES, EMBEDDINGS, NEIGHBORS
from windrow.schemas.forgotten import FORGOTTEN
from windrow.schemas.joined_pool import POOL
from windrow.schemas.labels import (
    BELONGING,
    CLASS_NAMES,
    LABEL_CHECKS,
    LABEL_QUALITY,
    LABELS,
    PREDICTIONS,
    USER_FILES,
)
from windrow.schemas.occurrences import OCCURRENCES
from windrow.schemas.quality import HASH_GROUPS, QUALITY
from windrow.schemas.runs import EXPORTS, RUNS, STAGES
from windrow.schemas.samples import REGISTRY, SAMPLES
from windrow.schemas.scores import MODEL_SCORES, SCORES
from windrow.schemas.selection import (
    CLASS_BALANCE,
    CLASS_SHARES,
    LEAKS,
    NEAR_DUPLICATE_THRESHOLD,
    OUTCOME_KINDS,
    OUTCOMES,
    REFERENCE_OVERLAP,
    REFERENCE_WEIGHTS,
    SAMPLE_SETS,
    SELECTION,
)
from windrow.schemas.shards import SHARDS, SOURCE_COLUMNS
from windrow.schemas.table import Column, Table
from windrow.schemas.worth import HELD_OUT, WORTH, WORTH_CURVE, WORTH_SETS

TABLES: tuple[Table, ...] = (
    OCCURRENCES,
    SAMPLES,
    QUALITY,
    HASH_GROUPS,
    REGISTRY,
    FORGOTTEN,
    SHARDS,
    SOURCE_COLUMNS,
    BACKBONES,
    EMBEDDINGS,
    NEIGHBORS,
    CLUSTERS,
    ASSIGNMENTS,
    DRIFT,
    SCORES,
    MODEL_SCORES,
    CLASS_NAMES,
    USER_FILES,
    PREDICTIONS,
    BELONGING,
    LABELS,
    LABEL_QUALITY,
    LABEL_CHECKS,
    LEAKS,
    REFERENCE_WEIGHTS,
    REFERENCE_OVERLAP,
    SELECTION,
    NEAR_DUPLICATE_THRESHOLD,
    CLASS_BALANCE,
    CLASS_SHARES,
    HELD_OUT,
    WORTH,
    WORTH_SETS,
    WORTH_CURVE,
    OUTCOMES,
    POOL,
    EXPORTS,
    RUNS,
    STAGES,
)

__all__ = [
    "ASSIGNMENTS",
    "BACKBONES",
    "BELONGING",
    "CLASS_BALANCE",
    "CLASS_NAMES",
    "CLASS_SHARES",
    "CLUSTERS",
    "DRIFT",
    "EMBEDDINGS",
    "EXPORTS",
    "FORGOTTEN",
    "HASH_GROUPS",
    "HELD_OUT",
    "LABELS",
    "LABEL_CHECKS",
    "LABEL_QUALITY",
    "LEAKS",
    "MODEL_SCORES",
    "NEAR_DUPLICATE_THRESHOLD",
    "NEIGHBORS",
    "OCCURRENCES",
    "OUTCOMES",
    "OUTCOME_KINDS",
    "POOL",
    "PREDICTIONS",
    "QUALITY",
    "REFERENCE_OVERLAP",
    "REFERENCE_WEIGHTS",
    "REGISTRY",
    "RUNS",
    "SAMPLES",
    "SAMPLE_SETS",
    "SCORES",
    "SELECTION",
    "SHARDS",
    "SOURCE_COLUMNS",
    "STAGES",
    "TABLES",
    "USER_FILES",
    "WORTH",
    "WORTH_CURVE",
    "WORTH_SETS",
    "Column",
    "Table",
]
