"""All tables of a store."""

from windrow.schemas.clusters import ASSIGNMENTS, CLUSTERS, DRIFT
from windrow.schemas.embeddings import BACKBONES, EMBEDDINGS, NEIGHBORS
from windrow.schemas.forgotten import FORGOTTEN
from windrow.schemas.labels import BELONGING, LABEL_CHECKS, LABEL_QUALITY, LABELS, PREDICTIONS
from windrow.schemas.occurrences import OCCURRENCES
from windrow.schemas.quality import HASH_GROUPS, QUALITY
from windrow.schemas.runs import EXPORTS, RUNS, STAGES
from windrow.schemas.samples import REGISTRY, SAMPLES
from windrow.schemas.scores import MODEL_SCORES, SCORES
from windrow.schemas.selection import OUTCOME_KINDS, OUTCOMES, SELECTION
from windrow.schemas.shards import SHARDS
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
    BACKBONES,
    EMBEDDINGS,
    NEIGHBORS,
    CLUSTERS,
    ASSIGNMENTS,
    DRIFT,
    SCORES,
    MODEL_SCORES,
    PREDICTIONS,
    BELONGING,
    LABELS,
    LABEL_QUALITY,
    LABEL_CHECKS,
    HELD_OUT,
    SELECTION,
    WORTH,
    WORTH_SETS,
    WORTH_CURVE,
    OUTCOMES,
    EXPORTS,
    RUNS,
    STAGES,
)

__all__ = [
    "ASSIGNMENTS",
    "BACKBONES",
    "BELONGING",
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
    "MODEL_SCORES",
    "NEIGHBORS",
    "OCCURRENCES",
    "OUTCOMES",
    "OUTCOME_KINDS",
    "PREDICTIONS",
    "QUALITY",
    "REGISTRY",
    "RUNS",
    "SAMPLES",
    "SCORES",
    "SELECTION",
    "SHARDS",
    "STAGES",
    "TABLES",
    "WORTH",
    "WORTH_CURVE",
    "WORTH_SETS",
    "Column",
    "Table",
]
